"""Carrying a bundle from one place to another: checked before, checked after, and whole at every moment in between."""
