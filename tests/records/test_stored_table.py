"""A manifest that stays in its file says the same as one in memory, and names damage wherever it is read."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from topfive.records import BadInput, ClassList, Manifest, StoredTable

N, GROUP = 100, 16


@pytest.fixture
def pair(tmp_path: Path, three: ClassList, monkeypatch: pytest.MonkeyPatch) -> tuple[Manifest, Manifest]:
    """The same rows in memory, and in a file of seven row groups."""
    rows = Manifest.from_columns(
        {
            "image_id": [f"image {i} ä" for i in range(N)],
            "class_index": np.arange(N) % 3,
            "split": ["train"] * 60 + ["val"] * 30 + ["test"] * 10,
            "country": [None if i % 7 == 0 else f"c{i % 4}" for i in range(N)],
            "score": np.linspace(0, 1, N),
        },
        three,
    )
    monkeypatch.setattr("topfive.records.manifest.ROW_GROUP", GROUP)
    rows.write(tmp_path / "manifest.parquet")
    stored = Manifest.read(tmp_path / "manifest.parquet", three)
    assert isinstance(stored.source, StoredTable)
    return rows, stored


def test_it_reads_as_the_table_in_memory(pair: tuple[Manifest, Manifest]) -> None:
    rows, stored = pair
    assert len(stored) == N
    assert stored.ids == rows.ids
    assert stored.digest == rows.digest
    assert stored.splits() == rows.splits()
    assert stored.table.equals(rows.table)
    assert [len(batch) for batch in stored.batches(["split"])] == [16] * 6 + [4]
    assert pa.concat_tables(stored.batches()).equals(pa.concat_tables(rows.batches()))
    for name in ("image_id", "country", "score"):
        assert stored.column(name).tolist() == rows.column(name).tolist()
    for split in ("train", "val", "test"):
        assert stored.rows(split).table.equals(rows.rows(split).table)
    with pytest.raises(BadInput, match="no images in split 'dev'"):
        stored.rows("dev")
    with pytest.raises(BadInput, match="no column 'land'"):
        stored.column("land")


@pytest.mark.parametrize("positions", [[0], [3, 17, 18, 99], [99, 0, 50], [5, 5], []])
def test_take_in_any_order(pair: tuple[Manifest, Manifest], positions: list[int]) -> None:
    rows, stored = pair
    at = np.array(positions, dtype=np.int64)
    assert stored.take(at).table.equals(rows.take(at).table)


def test_take_reads_the_row_groups_it_needs_once(
    pair: tuple[Manifest, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, stored = pair
    read: list[int] = []
    plain = StoredTable._group

    def group(self: StoredTable, number: int, *args: Any) -> Any:
        read.append(number)
        return plain(self, number, *args)

    monkeypatch.setattr(StoredTable, "_group", group)
    for start in range(0, 96, 6):
        at = np.arange(start, start + 6)
        assert stored.take(at).table.equals(rows.take(at).table)
    assert read == [0, 1, 2, 3, 4, 5]
    changed = stored.with_column("split", ["new"] * N)
    assert changed.take(np.array([95])).table["split"].to_pylist() == ["new"]
    assert stored.take(np.array([95])).table["split"].to_pylist() != ["new"]


def test_replaced_and_added_columns(pair: tuple[Manifest, Manifest], tmp_path: Path, three: ClassList) -> None:
    rows, stored = pair
    coded = pa.array(["a", "b"] * 50).dictionary_encode()
    changed = [one.with_column("split", coded).with_column("n", np.arange(N)) for one in (rows, stored)]
    assert isinstance(changed[1].source, StoredTable)
    assert changed[0].digest == changed[1].digest
    assert changed[1].rows("b").ids == changed[0].rows("b").ids
    assert changed[1].column("n").tolist() == list(range(N))
    changed[1].write(tmp_path / "other.parquet")
    assert Manifest.read(tmp_path / "other.parquet", three).digest == changed[0].digest
    assert stored.digest == rows.digest, "the first is as it was"
    with pytest.raises(ValueError, match="3 values for 100 rows"):
        stored.with_column("n", [1, 2, 3])


def test_checks_walk_the_row_groups(tmp_path: Path, pair: tuple[Manifest, Manifest], three: ClassList) -> None:
    _, stored = pair
    again = stored.with_column("image_id", [*stored.ids[:98], stored.ids[2], stored.ids[1]])
    with pytest.raises(BadInput, match=r"row 98: image_id 'image 2 ä' stands twice \(first in row 2\)"):
        again.check()
    holes = stored.with_column("source", pa.array(["x"] * 40 + [None] + ["x"] * 59))
    with pytest.raises(BadInput, match="row 40: column 'source' is empty"):
        holes.check()
    with pytest.raises(BadInput, match="row 70: class_index 3 is not among"):
        stored.with_column("class_index", pa.array([0] * 70 + [3] * 30, pa.int32())).check()


def test_it_is_pickled_as_a_table(pair: tuple[Manifest, Manifest]) -> None:
    rows, stored = pair
    assert pickle.loads(pickle.dumps(stored)).table.equals(rows.table)


def test_a_new_file_under_its_name_changes_nothing(
    pair: tuple[Manifest, Manifest], tmp_path: Path, three: ClassList
) -> None:
    rows, stored = pair
    rows.with_column("country", ["other"] * N).write(tmp_path / "manifest.parquet")
    assert stored.column("country").tolist() == rows.column("country").tolist()


def test_every_flipped_bit_is_refused_or_harmless(
    pair: tuple[Manifest, Manifest], tmp_path: Path, three: ClassList
) -> None:
    rows, _ = pair
    whole = (tmp_path / "manifest.parquet").read_bytes()
    path = tmp_path / "flipped.parquet"
    rng = np.random.default_rng(0)
    caught = 0
    for at in rng.integers(len(whole), size=150).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1 :])
        try:
            found = Manifest.read(path, three).table
        except BadInput as error:
            caught += 1
            assert str(path) in str(error)
        else:
            # What no checksum covers is the file's own notes: statistics, encodings; the cells must be right.
            if found.num_rows == N and found.column_names == rows.table.column_names:
                assert found.to_pydict() == rows.table.to_pydict()
    assert caught > 75
