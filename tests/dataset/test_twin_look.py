from __future__ import annotations

import numpy as np
import pytest

from topfive.dataset._twin_look import CHOICES, TRAITS, Kinship, Look, choose, looks
from topfive.taxonomy import ilsvrc_classes, wordnet

CATS = ("n02123045", "n02123159", "n02124075")
FAR = ("n01440764", "n04254680", "n07745940")


def _apart(a: Look, b: Look) -> float:
    return float(np.abs(a.traits - b.traits).mean() + (a.choices != b.choices).mean())


@pytest.fixture(scope="module")
def every() -> dict[str, Look]:
    return looks(wordnet(), ilsvrc_classes().wnids)


def test_all_thousand_come_from_one_rule(every: dict[str, Look]) -> None:
    assert len(every) == 1000
    kinds = np.array(list(CHOICES.values()))
    for look in every.values():
        assert look.choices.shape == kinds.shape
        assert look.traits.shape == (len(TRAITS),)
        assert np.all((look.choices >= 0) & (look.choices < kinds))
        assert np.all((look.traits >= 0.0) & (look.traits <= 1.0))
    drawn = np.array([np.concatenate([look.choices, look.traits]) for look in every.values()])
    assert len(np.unique(drawn, axis=0)) == 1000
    for at, n in enumerate(kinds):
        assert len({int(look.choices[at]) for look in every.values()}) == n


def test_a_class_looks_the_same_in_every_set(every: dict[str, Look]) -> None:
    alone = looks(wordnet(), CATS[:1])[CATS[0]]
    assert np.array_equal(alone.traits, every[CATS[0]].traits)
    assert np.array_equal(alone.choices, every[CATS[0]].choices)


def test_near_synsets_look_alike_and_far_ones_do_not(every: dict[str, Look]) -> None:
    wnids = ilsvrc_classes().wnids
    kin = Kinship(wordnet(), wnids)
    near, far = [], []
    for a in range(0, len(wnids), 20):
        like = kin.row(a)
        near += [_apart(every[wnids[a]], every[wnids[b]]) for b in np.flatnonzero(like > 0.85) if b != a]
        far += [_apart(every[wnids[a]], every[wnids[b]]) for b in np.flatnonzero(like < 0.4)]
    assert min(len(near), len(far)) > 100
    assert np.mean(near) < 0.6 * np.mean(far)


def test_distance_zero_keeps_the_parents_traits() -> None:
    near = looks(wordnet(), CATS, 0.1)
    usual = looks(wordnet(), CATS, 1.0)
    assert _apart(near[CATS[0]], near[CATS[1]]) < _apart(usual[CATS[0]], usual[CATS[1]])


def test_variation_stays_in_range_and_keeps_the_choices(every: dict[str, Look]) -> None:
    look, rng = every[CATS[0]], np.random.default_rng(0)
    for _ in range(20):
        varied = look.varied(rng, 0.5)
        assert np.array_equal(varied.choices, look.choices)
        assert np.all((varied.traits >= 0.0) & (varied.traits <= 1.0))
    assert np.array_equal(look.varied(rng, 0.0).traits, look.traits)


def test_between_two_looks(every: dict[str, Look]) -> None:
    a, b, rng = every[CATS[0]], every[FAR[0]], np.random.default_rng(0)
    assert np.array_equal(a.towards(b, 0.0, rng).choices, a.choices)
    assert np.array_equal(a.towards(b, 1.0, rng).choices, b.choices)
    middle = a.towards(b, 0.5, rng)
    assert np.allclose(middle.traits, (a.traits + b.traits) / 2)
    assert np.all((middle.choices == a.choices) | (middle.choices == b.choices))


def test_likeness_equals_the_definition() -> None:
    graph, wnids = wordnet(), (*CATS, *FAR)
    table = Kinship(graph, wnids).table()
    for i, a in enumerate(wnids):
        for j, b in enumerate(wnids):
            common = max(graph.depth(c) for c in graph.ancestors(a) & graph.ancestors(b))
            expected = 1.0 if a == b else min(1.0, 2 * common / (graph.depth(a) + graph.depth(b)))
            assert table[i, j] == pytest.approx(expected)
    assert np.array_equal(table, table.T)


def test_chosen_classes_hold_kin_and_strangers() -> None:
    graph, leaves = wordnet(), ilsvrc_classes().wnids
    for seed in range(5):
        chosen = choose(graph, leaves, 20, np.random.default_rng(seed))
        assert chosen == sorted(set(chosen))
        assert len(chosen) == 20
        table = Kinship(graph, chosen).table()
        np.fill_diagonal(table, 0.0)
        assert np.count_nonzero(table.max(axis=1) > 0.7) >= 10
        assert table.mean() < 0.5
    assert choose(graph, leaves, 20, np.random.default_rng(0)) != choose(graph, leaves, 20, np.random.default_rng(1))
    assert choose(graph, leaves, 2, np.random.default_rng(0)) != []
    assert choose(graph, leaves[:7], 7, np.random.default_rng(0)) == sorted(leaves[:7])
