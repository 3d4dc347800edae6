"""Haversack at build time: runs on the connected machine only, and is never carried."""
