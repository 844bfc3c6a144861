from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import ClassList, Truth


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_taking_images_keeps_their_sets(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    classes = ClassList(("n1", "n2", "n3"), ("a", "b", "c"))
    sets = [rng.permutation(3)[: rng.integers(0, 4)].tolist() for _ in range(n)]
    truth = Truth.from_sets([f"i{i}" for i in range(n)], sets, classes, "real")
    rows = rng.permutation(n)[: rng.integers(0, n + 1)]
    taken = truth.take(rows)
    taken.check()
    assert taken.ids == tuple(f"i{row}" for row in rows)
    assert [taken.of(i).tolist() for i in range(len(rows))] == [sorted(sets[row]) for row in rows]
    assert (taken.name, taken.classes) == ("real", classes)
    assert taken.labels.dtype == np.int32 and taken.offsets.dtype == np.int64


def test_a_truth_may_be_renamed(three: ClassList) -> None:
    truth = Truth.from_sets(["a"], [[1]], three)
    assert truth.renamed("strict").name == "strict" and truth.name == "original"
    assert truth.renamed("strict").digest == truth.digest
