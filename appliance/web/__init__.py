"""The page and its JSON API: Flask behind waitress, on loopback only. docs/api.md says what the API takes and gives."""
