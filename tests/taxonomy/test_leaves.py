from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList
from topfive.taxonomy import (
    NAMED,
    Chosen,
    LeafRules,
    Quota,
    choose_leaves,
    ilsvrc_classes,
    wordnet,
)

DOG, CANINE, PERSON, BIRD = "n02084071", "n02083346", "n00007846", "n01503061"


def chosen(rules: LeafRules, pool: ClassList | None = None, seed: int = 0) -> Chosen:
    return choose_leaves(pool or ilsvrc_classes(), rules, rng=np.random.default_rng(seed))


def n_below(classes: ClassList, wnid: str) -> int:
    return sum(wnid in wordnet().ancestors(leaf) for leaf in classes.wnids)


def listed(*wnids: str) -> ClassList:
    return ClassList(wnids, wnids)


def test_a_hundred_of_the_thousand() -> None:
    found = chosen(LeafRules(100))
    assert (len(found.classes), found.n_pool, found.n_enough, found.n_leaves) == (100, 1000, 1000, 1000)
    assert list(found.classes.wnids) == sorted(set(found.classes.wnids))
    assert set(found.classes.wnids) <= set(ilsvrc_classes().wnids)
    assert found.classes.names[0] == wordnet().name(found.classes.wnids[0])
    assert chosen(LeafRules(100)).classes == found.classes
    assert chosen(LeafRules(100), seed=1).classes != found.classes
    assert set(found.classes.wnids) < set(chosen(LeafRules(101)).classes.wnids)
    assert chosen(LeafRules(1000)).classes == ilsvrc_classes()


def test_none_is_above_another() -> None:
    """Of dog, canine and Chihuahua the lowest alone may be chosen; of dog and canine the dog."""
    assert chosen(LeafRules(1), listed(DOG, CANINE, "n02085620")).classes.wnids == ("n02085620",)
    assert chosen(LeafRules(1), listed(CANINE, DOG)).classes.wnids == (DOG,)
    with pytest.raises(BadInput, match="2 classes wanted, but only 1 can be chosen"):
        chosen(LeafRules(2), listed(DOG, CANINE))


def test_leaves_of_wordnet_equal_the_obvious_search() -> None:
    rng = np.random.default_rng(4)
    wnids = NAMED["wordnet"]().wnids
    pool = [wnids[k] for k in sorted(rng.choice(len(wnids), 3000, replace=False).tolist())]
    above = set().union(*(wordnet().ancestors(wnid) - {wnid} for wnid in pool))
    leaves = [wnid for wnid in pool if wnid not in above]
    assert list(chosen(LeafRules(len(leaves)), listed(*pool)).classes.wnids) == leaves


def test_images_enough() -> None:
    """The dog has too few of its own, so that the canine becomes a leaf."""
    counts = {DOG: 10, CANINE: 50, BIRD: 20}
    found = chosen(LeafRules(2, least_images=20, counts=counts), listed(DOG, CANINE, BIRD, PERSON))
    assert found.classes.wnids == (BIRD, CANINE)
    assert (found.n_pool, found.n_enough, found.n_leaves, found.n_images) == (4, 2, 2, (20, 50))
    with pytest.raises(BadInput, match="only 2 can be chosen") as caught:
        chosen(LeafRules(3, least_images=20, counts=counts), listed(DOG, CANINE, BIRD, PERSON))
    assert "Of 4 classes 2 have at least 20 images, 2 of these have no other below" in str(caught.value)


@pytest.mark.parametrize(
    ("quotas", "dogs"),
    [
        ([Quota(DOG, 10, 10)], {10}),
        ([Quota(DOG, 0, 3)], {0, 1, 2, 3}),
        ([Quota(DOG, 90, None), Quota(PERSON, 0, 0)], set(range(90, 101))),
        ([Quota(DOG, 2, 4), Quota(CANINE, 6, 6), Quota(BIRD, 50, None)], {2, 3, 4}),
    ],
)
def test_quotas_hold(quotas: list[Quota], dogs: set[int]) -> None:
    for seed in range(3):
        found = chosen(LeafRules(100, quotas=quotas), seed=seed)
        assert len(found.classes) == 100
        assert n_below(found.classes, DOG) in dogs
        assert found.in_quotas == tuple(n_below(found.classes, quota.wnid) for quota in quotas)
        for quota, n in zip(quotas, found.in_quotas, strict=True):
            assert quota.least <= n <= (len(found.classes) if quota.most is None else quota.most)


def test_a_loose_quota_changes_nothing() -> None:
    assert chosen(LeafRules(50, quotas=[Quota(DOG, 0, None)])).classes == chosen(LeafRules(50)).classes


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 6), st.integers(0, 6), st.integers(0, 9))
def test_it_fails_only_where_no_choice_is(n: int, least: int, most: int, seed: int) -> None:
    """Three dogs, three wolves (canines too) and four birds: all numbers of each are tried."""
    dogs, wolves = ("n02085620", "n02099601", "n02110185"), ("n02114367", "n02114548", "n02114712")
    pool = listed(*dogs, *wolves, "n01514668", "n01514859", "n01518878", "n01530575")
    rules = LeafRules(n, quotas=[Quota(CANINE, least, None), Quota(DOG, 0, most)])
    possible = any(
        d + w >= least and d <= most and d + w + b == n for d in range(4) for w in range(4) for b in range(5)
    )
    if possible:
        found = chosen(rules, pool, seed).classes
        assert (len(found), n_below(found, CANINE) >= least, n_below(found, DOG) <= most) == (n, True, True)
    else:
        with pytest.raises(BadInput):
            chosen(rules, pool, seed)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (LeafRules(0), "0 classes cannot be chosen"),
        (LeafRules(1001), "1001 classes wanted, but only 1000 can be chosen"),
        (LeafRules(5, least_images=-1), "-1 is no number of images"),
        (LeafRules(5, least_images=10), "no counts to compare with"),
        (LeafRules(5, least_images=10, counts={DOG: 99}), "counts are of none of the classes"),
        (LeafRules(5, quotas=[Quota("n99999999", 1, None)]), "no noun synset"),
        (LeafRules(200, quotas=[Quota(DOG, 119, None)]), r"119 wanted under n02084071=119.. \(dog\), but only 118"),
        (LeafRules(20, quotas=[Quota(DOG, 5, None), Quota(CANINE, 0, 3)]), r"\(dog\) and .* cannot be met together"),
        (LeafRules(20, quotas=[Quota(DOG, 15, None), Quota(BIRD, 15, None)]), r"cannot be met with 20 classes"),
        (LeafRules(900, quotas=[Quota("n00001740", 0, 50)]), "the quotas leave 50 classes at most, not 900"),
        (LeafRules(2000, quotas=[Quota(DOG, 0, 5)]), "2000 classes wanted, but only 1000"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_met_say_why(rules: LeafRules, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        chosen(rules)


def test_a_pool_of_no_synsets_and_of_none() -> None:
    with pytest.raises(BadInput, match="no noun synset"):
        chosen(LeafRules(1), listed("dog"))
    with pytest.raises(BadInput, match="only 0 can be chosen"):
        choose_leaves(listed(), LeafRules(1), rng=np.random.default_rng(0))
