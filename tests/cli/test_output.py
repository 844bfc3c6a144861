from __future__ import annotations

import pytest

from topfive.cli.output import print_facts


def test_facts_read_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"n_images": 50000, "splits": {"train": 12000, "val": 400}, "year": 2012, "resumed": True, "out": "x"})
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [(name, rest.rstrip()) for name, rest in lines] == [
        ("n_images", "50,000"),
        ("splits", "train 12,000, val 400"),
        ("year", "2012"),
        ("resumed", "True"),
        ("out", "x"),
    ]
