from __future__ import annotations

import json

import pytest

from topfive.records import BadInput, ClassList
from topfive.taxonomy import Branch, draw, ilsvrc_classes, wordnet

FELINE, ROOT = "n02120997", "n00001740"


def walk(branch: Branch) -> list[Branch]:
    return [branch, *(found for below in branch.branches for found in walk(below))]


def test_the_felines() -> None:
    drawing = draw(FELINE, ilsvrc_classes(), depth=1)
    root = drawing.root
    assert (root.name, root.n_leaves, root.is_class, root.n_hidden, drawing.n_lines, drawing.cut) == (
        *("feline", 13, False, 0, 3),
        False,
    )
    assert [(b.name, b.n_leaves, b.n_hidden, b.branches) for b in root.branches] == [
        ("cat", 7, 2, ()),
        ("big cat", 6, 6, ()),
    ]


def test_all_of_it_holds_every_class_once() -> None:
    drawing = draw(ROOT, ilsvrc_classes(), depth=30, limit=5000)
    branches = walk(drawing.root)
    assert drawing.n_lines == len(branches)
    assert {b.wnid for b in branches} == {above for w in ilsvrc_classes().wnids for above in wordnet().ancestors(w)}
    assert {b.wnid for b in branches if b.is_class} == set(ilsvrc_classes().wnids)
    assert not any(b.branches for b in branches if b.again)
    assert any(b.again for b in branches)
    first = [b.wnid for b in branches if b.branches]
    assert len(first) == len(set(first)) == 860
    assert json.loads(json.dumps(drawing.to_json()))["tree"]["wnid"] == ROOT


def test_the_limit_cuts() -> None:
    drawing = draw(ROOT, ilsvrc_classes(), depth=30, limit=40)
    assert (len(walk(drawing.root)), drawing.n_lines, drawing.cut) == (40, 40, True)
    assert sum(b.n_hidden for b in walk(drawing.root)) > 0


def test_a_class_with_classes_below_it() -> None:
    pool = ClassList(("n02084071", "n02085620"), ("dog", "Chihuahua"))
    root = draw("n02084071", pool, depth=5).root
    assert (root.is_class, root.n_leaves) == (True, 2)
    assert [b.name for b in walk(root)] == ["dog", "toy dog", "Chihuahua"]


def test_a_single_class() -> None:
    drawing = draw("n02085620", ilsvrc_classes(), depth=0)
    assert (drawing.root.is_class, drawing.root.n_leaves, drawing.root.branches, drawing.n_lines) == (True, 1, (), 1)


def test_what_draws_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="none of the 1000 classes is at or below n09174718"):
        draw("n09174718", ilsvrc_classes())
    with pytest.raises(BadInput, match="draw nothing"):
        draw(ROOT, ilsvrc_classes(), depth=-1)
    with pytest.raises(BadInput, match="draw nothing"):
        draw(ROOT, ilsvrc_classes(), limit=0)
    with pytest.raises(BadInput, match="no noun synset"):
        draw("dog", ilsvrc_classes())
