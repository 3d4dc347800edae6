"""The plain pipeline that a Python developer writes in an afternoon, with the starter profile's own models: what Haversack is measured against."""
