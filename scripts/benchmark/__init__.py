"""Haversack beside the plain pipeline: same models, documents and questions, one run, alternating, medians. `make bench`."""
