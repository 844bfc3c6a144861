"""Keys of strings: equal for equal strings, different for different ones, whatever the chunks and lengths."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from topfive.records.text_keys import count_keys, first_repeated, text_keys

TEXTS = st.lists(st.text(alphabet="aäb\0 ", max_size=20), max_size=30)


@given(TEXTS)
def test_keys_are_equal_exactly_where_strings_are(texts: list[str]) -> None:
    keys = text_keys(pa.array(texts, pa.string())).tolist()
    assert len(keys) == len(texts)
    for i, one in enumerate(texts):
        for j in range(i):
            assert (keys[i] == keys[j]) == (one == texts[j])


@given(TEXTS, st.integers(0, 30), st.integers(0, 10))
def test_pieces_and_slices_change_nothing(texts: list[str], cut: int, skip: int) -> None:
    array = pa.array(texts, pa.string())
    whole = text_keys(array)
    chunked = pa.chunked_array([array[:cut], array[cut:]], type=pa.string())
    assert text_keys(chunked).tolist() == whole.tolist()
    assert text_keys(array[skip:]).tolist() == whole[skip:].tolist()


@given(TEXTS, st.integers(1, 7))
def test_the_first_repeated_row(texts: list[str], step: int) -> None:
    expected = next(((i, texts.index(t), t) for i, t in enumerate(texts) if t in texts[:i]), None)
    array = pa.chunked_array([pa.array(texts, pa.string())])
    assert first_repeated(lambda: (array[at : at + step] for at in range(0, len(texts), step))) == expected


@given(st.lists(st.integers(0, 5), max_size=40))
def test_counts(values: list[int]) -> None:
    expected = [values.count(value) for value in sorted(set(values))]
    assert count_keys(np.array(values, dtype=np.uint64)).tolist() == expected


def test_neighbouring_names_have_different_keys() -> None:
    names = [f"n{i:08d}_{j}" for i in range(200) for j in range(500)]
    assert len(np.unique(text_keys(pa.array(names)))) == len(names)


def test_no_string_at_all() -> None:
    assert text_keys(pa.chunked_array([], pa.string())).shape == (0,)
    assert text_keys(pa.array([None, ""], pa.string())).tolist()[0] == text_keys(pa.array([""]))[0]
