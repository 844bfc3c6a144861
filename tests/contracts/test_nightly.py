"""The page of nightly counts: a line of the last run of each test, whatever was run this time."""

from __future__ import annotations

from pathlib import Path

import pytest

from toy.nightly import COUNTED, NIGHTLY, PAGE, Count, Outcome, write_page


def rows(page: Path) -> dict[str, list[str]]:
    lines = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| `")]
    return {first.removeprefix("| "): rest[:-1] for first, *rest in lines}


def test_lines_of_other_tests_stay(tmp_path: Path) -> None:
    page = tmp_path / "nightly.md"
    write_page(
        [Outcome("b[x]", ("200 kills", "150 before the end"), 12.4, "passed"), Outcome("a", ("1 b",), 1, "passed")],
        page,
    )
    write_page([Outcome("a", ("2 bits",), 0.2, "failed")], page)
    assert rows(page) == {"`a`": ["2 bits", "0", "failed"], "`b[x]`": ["200 kills, 150 before the end", "12", "passed"]}
    assert list(rows(page)) == ["`a`", "`b[x]`"]


def test_a_count_is_noted(request: pytest.FixtureRequest, full_count: Count) -> None:
    assert full_count("things", 2, 3000) == (3000 if NIGHTLY else 2)
    assert request.node.user_properties == [(COUNTED, "3,000 things")]
    request.node.user_properties.clear()


def test_the_page_in_docs_tells_of_tests_that_are_there() -> None:
    root = Path(__file__).resolve().parents[2]
    for test in rows(PAGE):
        file, _, name = test.strip("`").partition("::")
        assert f"def {name.partition('[')[0]}(" in (root / file).read_text(), test
