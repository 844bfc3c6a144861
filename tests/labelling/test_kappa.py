from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.labelling import fleiss_kappa
from topfive.records import Votes


def votes_of(answers_by_task: list[str]) -> Votes:
    rows = [(f"t{i}", f"w{j}", said) for i, answers in enumerate(answers_by_task) for j, said in enumerate(answers)]
    task, worker, label = zip(*rows, strict=True)
    return Votes.from_columns(task, worker, label)


def slow_kappa(answers_by_task: list[str]) -> float | None:
    said = "".join(answers_by_task)
    chance = sum((said.count(a) / len(said)) ** 2 for a in set(said))
    pairs = [[a == b for a, b in combinations(task, 2)] for task in answers_by_task if len(task) > 1]
    if not pairs or len(set(said)) == 1:
        return None
    return (sum(sum(p) / len(p) for p in pairs) / len(pairs) - chance) / (1 - chance)


def test_the_example_of_fleiss_1971_as_retold_everywhere():
    # 14 raters, 10 subjects, 5 categories: kappa 0.210.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    kappa = fleiss_kappa(votes_of(["".join(a * n for a, n in zip("abcde", row, strict=True)) for row in table]))
    assert kappa == pytest.approx(0.20993, abs=1e-5)


@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_it_equals_counting_pairs(answers_by_task):
    expected = slow_kappa(answers_by_task)
    found = fleiss_kappa(votes_of(answers_by_task))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_perfect_agreement_is_one_and_undefined_cases_are_none():
    assert fleiss_kappa(votes_of(["aaa", "bbb"])) == pytest.approx(1.0)
    assert fleiss_kappa(votes_of(["aaa", "aa"])) is None
    assert fleiss_kappa(votes_of(["a", "b"])) is None
    none = np.empty(0, dtype=np.int32)
    assert fleiss_kappa(Votes((), (), (), none, none, none)) is None
