from __future__ import annotations

import numpy as np

from topfive.audit import precision_recall


def test_counts_by_hand():
    planted = {"class": ["a", "b", "c"], "picture": ["c", "d"], "duplicate": []}
    found = precision_recall(["a", "c", "x", "x"], planted)
    assert (found.n_found, found.any_kind.n_hit, found.any_kind.n_planted) == (3, 2, 4)
    assert found.precision == 2 / 3
    assert found.to_json() == {
        "n_found": 3,
        "n_planted": 4,
        "n_hit": 2,
        "recall": 0.5,
        "precision": 2 / 3,
        "by_kind": {
            "class": {"n_planted": 3, "n_hit": 2, "recall": 2 / 3},
            "picture": {"n_planted": 2, "n_hit": 1, "recall": 0.5},
            "duplicate": {"n_planted": 0, "n_hit": 0, "recall": None},
        },
    }


def test_nothing_found_and_nothing_planted():
    found = precision_recall([], {})
    assert found.precision is None
    assert found.any_kind.recall is None
    assert precision_recall([], {"class": ["a"]}).any_kind.recall == 0.0


def test_it_equals_membership_one_by_one():
    rng = np.random.default_rng(0)
    for _ in range(30):
        ids = [str(i) for i in range(20)]
        found_ids = [i for i in ids if rng.random() < 0.4]
        planted = {kind: [i for i in ids if rng.random() < 0.3] for kind in "xyz"}
        found = precision_recall(found_ids, planted)
        assert found.any_kind.n_hit == sum(any(i in p for p in planted.values()) for i in found_ids)
        assert all(found.by_kind[kind].n_hit == sum(i in found_ids for i in p) for kind, p in planted.items())
