from __future__ import annotations

import pytest

from topfive.records import duration, numbered


@pytest.mark.parametrize(
    ("n", "words", "shown"),
    [(1, ("class", "classes"), "1 class"), (2000, ("class", "classes"), "2,000 classes"), (0, ("image",), "0 images")],
)
def test_numbered(n: int, words: tuple[str, ...], shown: str) -> None:
    assert numbered(n, *words) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.0 s"), (0.42, "0.4 s"), (45.2, "45 s"), (60, "1 min"), (187.4, "3 min 7 s"), (3725, "1 h 2 min")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == shown
