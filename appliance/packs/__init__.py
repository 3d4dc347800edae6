"""Packs: a collection as one signed file, made at the office and read in the field where it lies."""
