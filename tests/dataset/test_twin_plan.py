from __future__ import annotations

import numpy as np
import pytest

from topfive.dataset._twin_plan import Troubles, _counts, _drawn, _weighted, make_plan
from topfive.records import UNKNOWN

TROUBLES = Troubles(
    label_noise=0.06,
    picture_share=0.4,
    two_labels=0.03,
    no_label=0.015,
    duplicates=0.02,
    leaks=0.01,
    imbalance=0.25,
)
LIKE = np.kron(np.eye(5), np.full((2, 2), 0.6)) + 0.3
np.fill_diagonal(LIKE, 1.0)
SHARES = np.array([0.6, 0.3, 0.1])


def _plan(seed: int = 0, troubles: Troubles = TROUBLES, per_class: tuple[int, int, int] = (400, 100, 200)):
    return make_plan(per_class, LIKE, troubles, SHARES, np.random.default_rng(seed))


def test_totals_are_nominal_and_only_train_is_unbalanced() -> None:
    plan = _plan()
    assert np.bincount(plan.split).tolist() == [4000, 1000, 2000]
    train = np.bincount(plan.first[(plan.split == 0) & (plan.first != UNKNOWN)])
    assert 1.4 < train.max() / train.min() < 4
    plain = (plan.split == 2) & (plan.first != UNKNOWN) & (plan.second == UNKNOWN)
    assert np.ptp(np.bincount(plan.first[plain])) < 30


def test_shares_are_met_in_every_split() -> None:
    plan = _plan()
    for split, n in enumerate((4000, 1000, 2000)):
        here = plan.split == split
        one = here & (plan.first != UNKNOWN) & (plan.second == UNKNOWN)
        wrong = one & (plan.given != plan.first)
        assert wrong.sum() == round(0.06 * n)
        assert (wrong & plan.by_looks).sum() == round(0.4 * round(0.06 * n))
        assert (here & (plan.second != UNKNOWN)).sum() == round(0.03 * n)
        assert (here & (plan.first == UNKNOWN)).sum() == round(0.015 * n)
        copies = here & (plan.copy_of >= 0)
        assert copies.sum() == round(0.02 * n) + (round(0.01 * n) if split else 0)
        leaked = copies & (plan.split[plan.copy_of] != split)
        assert leaked.sum() == (round(0.01 * n) if split else 0)
        assert np.all(plan.split[plan.copy_of[leaked]] == 0)


def test_a_copy_shows_what_its_original_shows() -> None:
    plan = _plan()
    copies = np.flatnonzero(plan.copy_of >= 0)
    originals = plan.copy_of[copies]
    assert np.all(plan.first[copies] == plan.first[originals])
    assert np.all(plan.place[copies] == plan.place[originals])
    assert np.all(plan.copy_of[originals] == -1)
    assert np.all((plan.way > 0) == (plan.copy_of >= 0))


def test_errors_are_mostly_among_kin_and_follow_class_or_picture() -> None:
    plan = _plan()
    wrong = (plan.first != UNKNOWN) & (plan.second == UNKNOWN) & (plan.given != plan.first)
    assert (LIKE[plan.first[wrong], plan.given[wrong]] > 0.5).mean() > 0.9
    by_looks = wrong & plan.by_looks
    assert np.all(plan.given[by_looks] == plan.towards[by_looks])
    assert plan.share[by_looks].mean() > 0.35
    assert plan.share.max() <= 0.5
    rates = np.array([(wrong & ~plan.by_looks & (plan.first == c)).sum() / (plan.first == c).sum() for c in range(10)])
    assert rates.max() > 2 * rates.min()


def test_two_labels_are_different_and_one_is_given() -> None:
    plan = _plan()
    two = plan.second != UNKNOWN
    assert np.all(plan.first[two] != plan.second[two])
    assert np.all(plan.given[two] == plan.first[two])


def test_planted_lists_each_trouble_once_with_its_kind() -> None:
    plan = _plan()
    entries = plan.planted()
    kinds = [kind for _, kind, _, _ in entries]
    assert kinds.count("label_error_picture") == plan.by_looks.sum()
    assert kinds.count("duplicate_exact") == (plan.way == 1).sum()
    assert kinds.count("duplicate_near") == (plan.way > 1).sum()
    assert kinds.count("two_labels") == (plan.second != UNKNOWN).sum()
    assert len({(row, kind) for row, kind, _, _ in entries}) == len(entries)


def test_no_troubles_and_the_smallest_set() -> None:
    none = Troubles(0.0, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0)
    plan = _plan(troubles=none, per_class=(3, 2, 1))
    assert plan.planted() == []
    assert np.bincount(plan.given[plan.split == 0]).tolist() == [3] * 10
    assert len(_plan(per_class=(1, 1, 1))) == 30


def test_a_plan_is_a_function_of_the_seed() -> None:
    a, b, c = _plan(3), _plan(3), _plan(4)
    assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))
    assert not np.array_equal(a.given, c.given)


@pytest.mark.parametrize("imbalance", [0.0, 0.25, 3.0])
@pytest.mark.parametrize(("k", "n"), [(2, 1), (7, 3), (20, 100)])
def test_counts_sum_to_the_total(k: int, n: int, imbalance: float) -> None:
    counts = _counts(k, n, imbalance, np.random.default_rng(0))
    assert counts.sum() == k * n
    assert counts.min() >= 1


def test_drawn_follows_the_rows_weights() -> None:
    table = np.array([[0.0, 3.0, 1.0], [1.0, 0.0, 0.0]])
    rows = np.repeat(np.array([0, 1], dtype=np.int32), 20000)
    drawn = _drawn(table, rows, np.random.default_rng(0))
    assert np.bincount(drawn[:20000], minlength=3) / 20000 == pytest.approx([0.0, 0.75, 0.25], abs=0.02)
    assert np.all(drawn[20000:] == 0)


def test_weighted_choice_without_replacement() -> None:
    rows, rng = np.arange(4), np.random.default_rng(0)
    firsts = [int(_weighted(rows, np.array([4.0, 2.0, 1.0, 1.0]), 1, rng)[0]) for _ in range(8000)]
    assert np.bincount(firsts) / 8000 == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.02)
    assert sorted(_weighted(rows, np.ones(4), 9, rng).tolist()) == [0, 1, 2, 3]
    assert _weighted(rows[:0], np.ones(0), 2, rng).size == 0
