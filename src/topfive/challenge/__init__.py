"""The challenge room."""
