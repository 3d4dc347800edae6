"""What answering and reading take: measured where the machine says it, else estimated, and always with how that is known."""
