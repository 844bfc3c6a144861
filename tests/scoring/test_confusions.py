from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import ClassList, Predictions, Truth
from topfive.scoring import Confusion, confusions

CLASSES = ClassList(("n1", "n2", "n3"), ("one", "two", "three"))


def test_by_hand() -> None:
    logits = np.array([[0, 5, 1], [0, 9, 1], [7, 0, 0], [0, 0, 3], [0, 2, 1]], dtype=np.float32)
    predictions = Predictions.from_logits(("a", "b", "c", "d", "e"), logits, CLASSES)
    truth = Truth.from_sets(["e", "d", "c", "b", "a"], [[1], [0, 1], [], [0], [0]], CLASSES)
    found = confusions(predictions, truth, 5)
    assert found == (Confusion("n1", "n2", 2, ("b", "a")), Confusion("n1", "n3", 1, ("d",)))
    assert confusions(predictions, truth, 1) == found[:1]
    # An image without a label, wherever it stands, moves no other image's label.
    moved = Truth.from_sets(["c", "e", "d", "b", "a"], [[], [1], [0, 1], [0], [0]], CLASSES)
    assert confusions(predictions, moved, 5) == found
    assert found[0].to_json() == {"given": "n1", "guessed": "n2", "n": 2, "ids": ["b", "a"]}


def test_nothing_wrong() -> None:
    predictions = Predictions.from_logits(("a",), np.array([[1, 0, 0]], dtype=np.float32), CLASSES)
    assert confusions(predictions, Truth.single(["a"], np.array([0], dtype=np.int32), CLASSES), 3) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_equals_a_dictionary(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"i{i}" for i in range(n)]
    predictions = Predictions.from_logits(tuple(ids), rng.integers(0, 4, (n, 3)).astype(np.float32), CLASSES)
    sets = [[int(rng.integers(3))] for _ in range(n)]
    truth = Truth.from_sets(ids, sets, CLASSES)
    groups: dict[tuple[int, int], list[tuple[float, int, str]]] = defaultdict(list)
    for row, image_id in enumerate(ids):
        guess = int(predictions.top_index[row, 0])
        if guess not in sets[row]:
            groups[sets[row][0], guess].append((-float(predictions.top_score[row, 0]), row, image_id))
    expected = [
        (CLASSES.wnids[g], CLASSES.wnids[h], len(rows), tuple(i for *_, i in sorted(rows)))
        for (g, h), rows in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    assert [(c.given, c.guessed, c.n, c.ids) for c in confusions(predictions, truth, 99)] == expected
