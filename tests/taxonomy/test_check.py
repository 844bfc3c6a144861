from __future__ import annotations

import json
from collections import Counter
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

from topfive.records import BadInput, Finding, read_findings, write_findings
from topfive.taxonomy import (
    CHECKS,
    check,
    class_tree,
    ilsvrc_classes,
    read_devkit,
    read_written,
    timm_info,
    what_it_finds,
    wordnet,
)
from topfive.taxonomy.checks.co_occurrence import together

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="pip install timm")

TOGETHER = {(526, 664): 148, (527, 664): 155, (836, 837): 153, (508, 664): 147, (508, 526): 137, (508, 673): 136}
TOGETHER |= {(620, 681): 135, (508, 527): 132, (526, 673): 128, (664, 673): 126, (638, 639): 87, (664, 782): 88}
TOGETHER |= {(977, 978): 86, (479, 581): 84, (619, 846): 65, (650, 819): 61, (504, 968): 60, (987, 998): 59}
TOGETHER |= {(657, 744): 55, (461, 524): 51, (834, 906): 51, (508, 810): 39}
"""Pairs of class indices that ReaL's reviewers most often found right together, and for how many images."""

WRONG = {848: 33, 266: 27, 885: 17, 282: 27, 663: 22, 899: 24, 381: 21, 706: 23, 285: 24, 718: 21, 947: 24}
WRONG |= {876: 21, 356: 21, 782: 23}
"""Validation images of a class that have ReaL labels, but not the original one among them."""


def of_list(tmp_path: Path, text: str, *kinds: str) -> tuple[Finding, ...]:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    return check(read_written(path), kinds or CHECKS)


def of_ilsvrc(kind: str) -> tuple[Finding, ...]:
    return check(read_written("ilsvrc"), [kind])


def pairs(findings: tuple[Finding, ...]) -> set[tuple[int, ...]]:
    """Class indices of what each finding is about."""
    index = ilsvrc_classes().index
    return {tuple(sorted(index[wnid] for wnid in found.ids)) for found in findings}


def test_ilsvrc_in_all() -> None:
    found = check(read_written("ilsvrc"))
    assert [f.severity for f in found] == sorted((f.severity for f in found), reverse=True)
    counts = Counter(f.evidence["kind"] for f in found)
    assert set(counts) == {"co_occurrence", "near_synonym", "part_of", "people", "shared_lemma", "single_child"}
    assert counts["shared_lemma"] == 19
    for f in found:
        f.check()
        assert f.audit == "class-list"
        assert f.ids
        assert f.summary
        assert all(wnid in wordnet() for wnid in f.ids)
    assert json.loads(json.dumps([f.evidence for f in found]))


@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        ("shared_lemma", 134, 517),  # crane
        ("shared_lemma", 638, 639),  # maillot
        ("shared_lemma", 264, 474),  # cardigan
        ("shared_lemma", 657, 744),  # missile, projectile
        ("co_occurrence", 657, 744),
        ("co_occurrence", 620, 681),  # laptop, notebook
        ("co_occurrence", 836, 837),  # sunglass, sunglasses
        ("near_synonym", 836, 837),
        ("near_synonym", 435, 876),  # bathtub, tub
        ("shared_lemma", 435, 876),
        ("co_occurrence", 101, 385),  # tusker, Indian elephant
        ("co_occurrence", 101, 386),  # tusker, African elephant
        ("co_occurrence", 108, 393),  # sea anemone, anemone fish
        ("co_occurrence", 650, 819),  # microphone, stage
        ("co_occurrence", 664, 782),  # monitor, screen
        ("co_occurrence", 281, 282),  # tabby, tiger cat
        ("co_occurrence", 508, 810),  # computer keyboard, space bar
        ("co_occurrence", 481, 482),  # cassette, cassette player
        ("co_occurrence", 504, 968),  # coffee mug, cup
        ("co_occurrence", 967, 968),  # espresso, cup
        ("co_occurrence", 987, 998),  # corn, ear
        ("co_occurrence", 461, 524),  # breastplate, cuirass
        ("co_occurrence", 834, 906),  # suit, Windsor tie
        ("co_occurrence", 479, 817),  # car wheel, sports car
    ],
)
def test_the_known_pairs_are_found(kind: str, a: int, b: int) -> None:
    assert (a, b) in pairs(of_ilsvrc(kind))


def test_a_car_wheel_is_a_part_of_every_car() -> None:
    classes = ilsvrc_classes()
    wheels = [f for f in of_ilsvrc("part_of") if f.ids[0] == classes.wnids[479]]
    cars = {wnid for wnid in classes.wnids if "n02958343" in wordnet().ancestors(wnid)}
    assert len(cars) == 10
    assert any(cars <= set(f.ids[1:]) for f in wheels)
    bar = next(f for f in of_ilsvrc("part_of") if f.ids == (classes.wnids[810], classes.wnids[878]))
    assert (bar.severity, bar.summary) == (0.6, "space bar is a part of typewriter keyboard, which is a class")


def test_first_names_are_worst() -> None:
    first = {f.evidence["lemma"] for f in of_ilsvrc("shared_lemma") if f.evidence["n_first"] > 1}
    assert first == {"crane", "maillot", "cardigan"}


def test_the_three_people() -> None:
    (found,) = of_ilsvrc("people")
    assert pairs((found,)) == {(981, 982, 983)}


def test_single_children_equal_the_obvious_search() -> None:
    tree = class_tree(ilsvrc_classes())
    below: dict[str, set[str]] = {}
    for node, wnid in enumerate(tree.wnids):
        for parent in tree.parents_of(node):
            below.setdefault(tree.wnids[parent], set()).add(wnid)
    found = of_ilsvrc("single_child")
    for f in found:
        *inner, foot = f.ids
        assert len(inner) >= 2
        assert all(below[a] == {b} for a, b in zip(inner, f.ids[1:], strict=True))
        assert len(below.get(foot, ())) != 1
    only = {wnid for wnid, children in below.items() if len(children) == 1}
    reached = {wnid for f in found for wnid in f.ids[:-1]}
    assert reached <= only
    for wnid in only - reached:  # a chain of one: neither the one child nor a parent has one child
        assert below[wnid].isdisjoint(only)
        assert not any(wnid in below[parent] for parent in only)


def test_the_table_of_pairs() -> None:
    index = ilsvrc_classes().index
    counts = {tuple(sorted((index[a], index[b]))): both for a, b, both, _, _ in together()}
    for pair, both in TOGETHER.items():
        assert counts[pair] == both
    assert len(counts) == len(together()) == 567
    assert all(5 <= both <= min(n_a, n_b) for _, _, both, n_a, n_b in together())


@needs_timm
def test_the_table_equals_a_count_of_the_labels() -> None:
    rows = json.loads(timm_info("imagenet_real_labels.json").read_text())
    counts = Counter(pair for row in rows for pair in combinations(sorted(row), 2))
    alone = Counter(index for row in rows for index in row)
    wnids = ilsvrc_classes().wnids
    for a, b, both, n_a, n_b in together()[::25]:
        pair = (wnids.index(a), wnids.index(b))
        assert (counts[pair], alone[pair[0]], alone[pair[1]]) == (both, n_a, n_b)


@needs_timm
def test_classes_whose_labels_reviewers_reject_most(shared: Path) -> None:
    rows = json.loads(timm_info("imagenet_real_labels.json").read_text())
    kit = read_devkit(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    labels = kit.id_to_index[kit.validation].tolist()
    wrong = Counter(label for label, row in zip(labels, rows, strict=True) if row and label not in row)
    assert {index: wrong[index] for index in WRONG} == WRONG


def test_ancestors(tmp_path: Path) -> None:
    found = of_list(tmp_path, "n02084071\nn02083346\nn02085620\nn01440764\n", "ancestor")
    assert [(f.ids, f.evidence["n_above"]) for f in found] == [
        (("n02084071", "n02083346"), 1),
        (("n02085620", "n02084071"), 2),
    ]
    assert "Chihuahua is a kind of dog" in found[1].summary


def test_unknown_wnids_and_names(tmp_path: Path) -> None:
    found = of_list(tmp_path, "n02084072\ttench\nblorb\nn01440764\n", "unknown")
    assert [(f.severity, f.ids) for f in found] == [(1.0, ("blorb",)), (1.0, ("n02084072",))]
    assert "another WordNet version" in found[1].summary
    assert "'tench' is n01440764" in found[1].summary
    assert "row 1" in found[1].summary
    assert "taxonomy find blorb" in found[0].summary


def test_wrong_names(tmp_path: Path) -> None:
    text = "n01440764 goldfish\nn01443537 Goldfish\nn02084071 my own word\nn02110341 coach dog, dalmatian\n"
    found = of_list(tmp_path, text, "wrong_name")
    assert [f.ids for f in found] == [("n01440764", "n01443537")]
    assert "is 'tench' in WordNet 3.0, but the list calls it 'goldfish'" in found[0].summary


def test_duplicates_and_ambiguous_names(tmp_path: Path) -> None:
    found = of_list(tmp_path, "tench\nn01440764\ncrane\n", "duplicate", "ambiguous")
    assert [(f.evidence["kind"], f.ids[0]) for f in found] == [("duplicate", "n01440764"), ("ambiguous", "n02012849")]
    assert found[0].evidence["rows"] == [1, 2]
    assert "n03126707" in found[1].ids


def test_instances(tmp_path: Path) -> None:
    (found,) = of_list(tmp_path, "n09174718\nn09472597\n", "instance")
    assert found.ids == ("n09174718", "n09472597")
    assert "volcano" in found.summary


def test_near_synonyms_leave_out_what_is_above(tmp_path: Path) -> None:
    """`domestic cat` reads as a kind of `cat` and is one; `sunglasses` is in two lists of lemmas."""
    cats = of_list(tmp_path, "n02121620\nn02121808\n", "near_synonym")
    assert cats == ()
    (found,) = of_list(tmp_path, "n04355933\nn04356056\n", "near_synonym")
    assert (set(found.ids), found.severity) == ({"n04355933", "n04356056"}, 0.8)


def test_a_list_without_any_synset(tmp_path: Path) -> None:
    assert [f.evidence["kind"] for f in of_list(tmp_path, "blorb\n")] == ["unknown"]


def test_a_single_class_forks_nowhere_but_where_it_has_two_parents(tmp_path: Path) -> None:
    """Dog is a canine and a domestic animal, which meet in animal: no fork below that, two above dog."""
    found = of_list(tmp_path, "n02084071\n", "single_child")
    assert {f.ids[-1] for f in found} == {"n00015388", "n02084071"}
    assert all(f.severity <= 0.2 for f in found)


def test_findings_are_written_and_read_back(tmp_path: Path) -> None:
    found = check(read_written("ilsvrc"), ["shared_lemma"])
    write_findings(tmp_path / "findings.jsonl", found)
    assert read_findings(tmp_path / "findings.jsonl") == found


def test_every_check_says_what_it_finds() -> None:
    assert len(CHECKS) == 12
    assert all(what_it_finds(kind) for kind in CHECKS)
    with pytest.raises(BadInput, match="no check is called 'nonsense'") as caught:
        check(read_written("ilsvrc"), ["nonsense"])
    assert "ancestor" in str(caught.value)


@needs_timm
def test_the_whole_of_imagenet() -> None:
    found = check(read_written("21k"))
    counts = Counter(f.evidence["kind"] for f in found)
    assert counts["people"] == 1
    assert next(f for f in found if f.evidence["kind"] == "people").evidence["n"] == 2_836
    wnids = set(read_written("21k").known.wnids)
    assert counts["ancestor"] == sum(len(wordnet().ancestors(wnid) & wnids) > 1 for wnid in wnids)
    assert counts["instance"] == 4
