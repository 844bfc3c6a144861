from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from topfive.records import BadInput, ClassList
from topfive.taxonomy import (
    NAMED,
    ilsvrc_classes,
    imagenet12k_classes,
    imagenet21k_classes,
    imagenet21k_google_classes,
    imagenet21k_microsoft_classes,
    imagenet21kp_fall2011_classes,
    imagenet21kp_winter2021_classes,
    timm_info,
    wordnet,
)

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="pip install timm")
TEDDY = "n04399382"


@needs_timm
@pytest.mark.parametrize(
    ("classes", "n", "n_missing", "in_order"),
    [
        (imagenet21k_classes, 21_841, 1, True),
        (imagenet21k_google_classes, 21_843, 1, True),
        (imagenet21k_microsoft_classes, 21_842, 0, False),
        (imagenet21kp_fall2011_classes, 11_221, 9, True),
        (imagenet21kp_winter2021_classes, 10_450, 9, True),
        (imagenet12k_classes, 11_821, 7, True),
    ],
)
def test_every_list(classes: Callable[[], ClassList], n: int, n_missing: int, in_order: bool) -> None:
    found = classes()
    found.check()
    assert len(found) == n
    assert all(wnid in wordnet() for wnid in found.wnids)
    assert (list(found.wnids) == sorted(found.wnids)) is in_order
    assert len(set(ilsvrc_classes().wnids) - set(found.wnids)) == n_missing
    assert classes() is found


@needs_timm
def test_how_the_lists_differ() -> None:
    plain = set(imagenet21k_classes().wnids)
    assert set(ilsvrc_classes().wnids) - plain == {TEDDY}
    assert set(imagenet21k_google_classes().wnids) == plain | {"n03931044", "n09859684"}
    assert set(imagenet21k_microsoft_classes().wnids) == plain | {TEDDY}


@needs_timm
def test_counts_below_in_the_list_of_21841() -> None:
    wnids = set(imagenet21k_classes().wnids)
    above = [wordnet().ancestors(wnid) for wnid in wnids]
    counts = {
        "n00007846": 2_836,  # person
        "n02084071": 190,  # dog
        "n01503061": 856,  # bird
        "n00015388": 3_822,  # animal
        "n00021939": 7_895,  # artifact
        "n00017222": 3_776,  # plant
    }
    for wnid, n in counts.items():
        assert sum(wnid in closure for closure in above) == n, wnid
    directly = {parent for wnid in wnids for parent in wordnet().parents(wnid)}
    assert len(wnids - directly) == 17_294


@needs_timm
def test_names_are_first_lemmas() -> None:
    found = imagenet21k_classes()
    assert found.names[found.index["n02084071"]] == "dog"


def test_every_list_has_a_name_and_kinds_are_no_instances() -> None:
    kinds = NAMED["wordnet"]()
    assert len(kinds) == 82_115 - 7_730
    assert "n09174718" not in kinds.index  # Etna
    assert {"ilsvrc", "21k", "12k", "wordnet"} <= set(NAMED)


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topfive.taxonomy.imagenet21k.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="timm is not installed") as caught:
        timm_info("imagenet_synsets.txt")
    assert caught.value.fix is not None


@needs_timm
def test_a_timm_without_the_file() -> None:
    with pytest.raises(BadInput, match="does not have the file"):
        timm_info("none.txt")
