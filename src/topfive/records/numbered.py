"""A number with its noun, as people write it."""

from __future__ import annotations


def numbered(n: int, one: str, many: str = "") -> str:
    """`1 class`, `2,000 classes`: `many` is `one` and an s where it is not given."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"
