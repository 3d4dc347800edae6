"""What each command of `haversack` does: takes settings and arguments, prints, returns the exit code."""
