"""Untrusted file → pages → chunks."""
