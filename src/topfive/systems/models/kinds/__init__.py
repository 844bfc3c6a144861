"""One kind of model a file, found by name; see `Kind` in `systems/models/opening.py`."""
