"""Shuts the network before the first model loads, and proves it."""
