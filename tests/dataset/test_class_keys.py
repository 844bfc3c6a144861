"""Lists of class keys as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from topfive.dataset.class_keys import read_class_keys
from topfive.records import BadInput, ClassList


def test_keys_stand_in_the_file_s_order_with_or_without_remarks(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("c1 # one\n\nred fox\ttwo\nc#\nn01440764 tench, Tinca tinca\nn01440764\nc1\n# nothing\n")
    said = ("c1", "red fox", "c#", "n01440764", "n01440764", "c1")
    assert read_class_keys(path) == said, "repeated ones too: numbers may stand for places in the list"
    ClassList(("b", "a"), ("B", "A")).write(path)
    assert read_class_keys(path) == ("b", "a")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"# nothing\n", "names no class"), (b"", "names no class"), (b"a\n\xff", "no text.*byte 2")],
)
def test_lists_that_are_none(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(BadInput, match=reason):
        read_class_keys(tmp_path / "list")
    for wrong in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            BadInput, match=r"cannot be read as a list of classes .* Write one wnid or class name a line"
        ):
            read_class_keys(wrong)
