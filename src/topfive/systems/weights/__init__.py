"""Part of the systems room; knows no landmark."""
