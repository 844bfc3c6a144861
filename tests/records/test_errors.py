from __future__ import annotations

from pathlib import Path

import pytest

from topfive.records import BadInput, unreadable


@pytest.mark.parametrize(
    ("error", "fix", "said"),
    [
        (FileNotFoundError("x"), None, "x.csv: there is no such file. A table is wanted here"),
        (FileNotFoundError("x"), "Give --order", "x.csv: there is no such file. Give --order"),
        (IsADirectoryError("x"), None, "x.csv: is a folder, and a table is wanted here"),
        (PermissionError("x"), None, "x.csv: may not be read. Ask its owner for the right to read it"),
        (
            ValueError("bad byte\nin line 3"),
            "Save it anew",
            "x.csv: cannot be read as a table (bad byte). Save it anew",
        ),
        (EOFError(), None, "x.csv: cannot be read as a table (EOFError)"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(error: Exception, fix: str | None, said: str) -> None:
    refusal = unreadable("a table", Path("x.csv"), error, fix=fix)
    assert isinstance(refusal, BadInput) and str(refusal) == said


def test_a_long_reason_is_cut() -> None:
    assert len(str(unreadable("a table", "x", ValueError("long " * 1000)))) < 260
