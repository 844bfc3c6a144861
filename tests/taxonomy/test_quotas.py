from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput
from topfive.taxonomy import Quota, read_quota
from topfive.taxonomy.quotas import Kinds, conflict


@pytest.mark.parametrize(
    ("text", "quota", "again"),
    [
        ("n02084071=10", Quota("n02084071", 10, 10), "n02084071=10"),
        ("n02084071=5..10", Quota("n02084071", 5, 10), "n02084071=5..10"),
        ("n02084071=5..", Quota("n02084071", 5, None), "n02084071=5.."),
        ("n02084071=..10", Quota("n02084071", 0, 10), "n02084071=..10"),
        ("n02084071=0", Quota("n02084071", 0, 0), "n02084071=0"),
    ],
)
def test_reading(text: str, quota: Quota, again: str) -> None:
    assert read_quota(text) == quota
    assert str(quota) == again


@pytest.mark.parametrize(
    "text", ["", "n02084071", "n02084071=", "n02084071=..", "=3", "n1=a", "n1=-3", "n1=1.5", "n1=9..3"]
)
def test_what_is_no_quota(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_quota(text)
    assert caught.value.where == "--quota"


def obvious(kinds: Kinds, quotas: list[Quota], n: int | None, taken: list[int]) -> int | None:
    """Try all numbers of each kind."""
    best = None
    for numbers in product(*(range(low, int(size) + 1) for low, size in zip(taken, kinds.sizes, strict=True))):
        inside = [sum(k for k, m in zip(numbers, kinds.member[:, q], strict=True) if m) for q in range(len(quotas))]
        fits = all(
            quota.least <= k and (quota.most is None or k <= quota.most)
            for quota, k in zip(quotas, inside, strict=True)
        )
        if fits and (n is None or sum(numbers) == n):
            best = max(sum(numbers), -1 if best is None else best)
    return best


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_most_equals_trying_all(data: st.DataObject) -> None:
    n_kinds, n_quotas = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    row = st.lists(st.booleans(), min_size=n_quotas, max_size=n_quotas)
    member = np.array([data.draw(row) for _ in range(n_kinds)])
    sizes = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n_kinds, max_size=n_kinds)))
    kinds = Kinds(member, sizes)
    quotas = []
    for q in range(n_quotas):
        least = data.draw(st.integers(0, 4))
        quotas.append(Quota(str(q), least, data.draw(st.none() | st.integers(least, 5))))
    n = data.draw(st.none() | st.integers(0, 6))
    taken = [data.draw(st.integers(0, 1)) for _ in range(n_kinds)]
    assert kinds.most(quotas, np.array(taken), n) == obvious(kinds, quotas, n, taken)
    if kinds.most(quotas, n=n) is None and (n is None or n <= sizes.sum()):
        fighting = conflict(kinds, quotas, n)
        assert kinds.only(fighting).most([quotas[k] for k in fighting], n=n) is None
        for k in fighting:
            rest = [other for other in fighting if other != k]
            assert kinds.only(rest).most([quotas[other] for other in rest], n=n) is not None


def test_no_kinds() -> None:
    none = Kinds(np.zeros((0, 1), dtype=np.bool_), np.zeros(0, dtype=np.int64))
    assert none.most([Quota("a", 0, 3)]) == 0
    assert none.most([Quota("a", 1, 3)]) is None
    assert none.most([Quota("a", 0, 3)], n=1) is None
