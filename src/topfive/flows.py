"""The rivers, as plain functions in order."""
