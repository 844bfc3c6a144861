from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from topfive.labelling import read_gold
from topfive.records import BadInput


def test_csv_and_parquet_read_alike(tmp_path):
    (tmp_path / "gold.csv").write_text("task,label,note\n001,yes,x\n2,no,\n")
    pq.write_table(pa.table({"task": ["001", "2"], "label": ["yes", "no"]}), tmp_path / "gold.parquet")
    expected = {"001": "yes", "2": "no"}
    assert read_gold(tmp_path / "gold.csv") == expected
    assert read_gold(tmp_path / "gold.parquet") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,label\n1,yes\n,no\n", r"gold\.csv, row 3: task is empty"),
        ("task,label\n1,\n", r"row 2: label is empty"),
        ("task,label\n1,yes\n1,no\n", r"row 3: task '1' stands twice"),
        ("task,answer\n1,yes\n", "lacks the column 'label'"),
        ("task,label\n", "has no gold questions"),
        ("", "cannot be read as gold questions"),
    ],
)
def test_what_is_no_gold_file_is_refused(tmp_path, text, message):
    (tmp_path / "gold.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_gold(tmp_path / "gold.csv")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"none\.parquet: there is no such file"):
        read_gold(tmp_path / "none.parquet")
