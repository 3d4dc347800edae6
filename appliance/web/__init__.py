"""The page and its JSON API: Flask behind waitress, on loopback only. docs/page-api.md says what that API takes and gives."""
