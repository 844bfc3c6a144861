from __future__ import annotations

import json

import numpy as np
import pytest

from topfive.challenge import PUBLISHED, agreement_levels
from topfive.records import ClassList, Truth
from topfive.scoring import agreement


def figures(kind: str, metric: str) -> dict[str, float]:
    return {f"{p.name} {p.year}": p.claim.value for p in PUBLISHED if (p.kind, p.claim.metric) == (kind, metric)}


def test_every_figure_has_its_conditions() -> None:
    for item in PUBLISHED:
        item.claim.check(item.name)
        assert item.name and 2010 <= item.year <= 2026
        if item.claim.edition != "ILSVRC2012":
            assert item.year < 2012 and item.claim.edition == f"ILSVRC{item.year}"
        assert item.claim.split in ("val", "test")
        assert ("recalled" in item.note) == item.claim.source.endswith("(recalled)")
    assert len({(p.name, p.year, p.claim.metric, p.claim.split) for p in PUBLISHED}) == len(PUBLISHED)
    json.dumps([p.to_json() for p in PUBLISHED], allow_nan=False)


def test_the_winners() -> None:
    winners = [p for p in PUBLISHED if p.kind == "winner"]
    assert [p.year for p in winners] == list(range(2010, 2018))
    assert [p.claim.value for p in winners] == [0.28191, 0.2577, 0.16422, 0.11743, 0.06656, 0.03567, 0.02991, 0.02251]
    assert {p.claim.split for p in winners} == {"test"}
    assert not [p for p in winners if "extra data" in p.claim.protocol]


def test_figures_that_are_often_told_wrong() -> None:
    entries, top1 = figures("entry", "top5_error"), figures("entry", "top1_error")
    assert (entries["SuperVision + 2012"], entries["ISI 2012"]) == (0.153, 0.262)
    assert (entries["Clarifai + 2013"], entries["ZFNet 2013"], entries["VGG 2014"]) == (0.112, 0.148, 0.073)
    assert (top1["ViT-H/14 2020"], top1["ViT-G/14 2021"]) == (0.1145, 0.0955)
    assert (entries["ResNet-152 2015"], top1["ResNet-152 2015"]) == (0.0449, 0.1938)


def test_people_have_their_sample() -> None:
    first, second = (p for p in PUBLISHED if p.kind == "human")
    assert (first.claim.value, second.claim.value) == (0.051, 0.12)
    assert first.interval is not None and second.interval is not None
    assert [round(100 * end, 2) for end in first.interval] == [4.13, 6.37]
    assert [round(100 * end, 1) for end in second.interval] == [8.6, 16.6]
    assert first.note.startswith("n = 1,500;") and second.note.startswith("n = 258;")


def test_agreement_levels_for_each_metric() -> None:
    classes = ClassList(("n1", "n2"), ("one", "two"))
    original = Truth.single(["a", "b"], np.array([0, 1], dtype=np.int32), classes)
    reviewed = Truth.from_sets(["a", "b"], [[0, 1], [0]], classes, "ReaL")
    levels = agreement_levels(
        [agreement(original, reviewed, k=k) for k in (1, 5)],
        edition="ILSVRC2012",
        split="val",
        year=2020,
        source="computed",
    )
    assert [(p.kind, p.claim.metric, p.claim.value) for p in levels] == [
        ("agreement", "top1_error", 0.5),
        ("agreement", "top1_error", 0.75),
        ("agreement", "top5_error", 0.5),
    ]
    for level in levels:
        level.claim.check()
        assert level.interval is not None
        assert level.interval[0] <= level.claim.value <= level.interval[1]
        assert level.interval == pytest.approx(level.interval)
