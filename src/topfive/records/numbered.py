"""Counts and times in words."""

from __future__ import annotations

_NO_BREAK = "\u00a0"


def numbered(n: int, one: str, many: str = "") -> str:
    """`1 class`, `2,000 classes`: `many` is `one` and an s where it is not given."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """`3 min 20 s`, `45 s`, `0.4 s`, with spaces that do not break."""
    if seconds < 10:
        return f"{seconds:.1f}{_NO_BREAK}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{value}{_NO_BREAK}{unit}" for value, unit in parts if value)
