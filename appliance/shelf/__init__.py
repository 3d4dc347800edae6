"""The models' shelf: those of the bundle and those added by the user, what each is chosen for, how fast it is here, and which are loaded."""
