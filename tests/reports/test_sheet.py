from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from topfive.records import BadInput
from topfive.reports import contact_sheet


def test_a_sheet_of_rows_of_ten(picture: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    contact_sheet([picture(i) for i in range(12)], [f"class {i} with a name that is long" for i in range(12)], path)
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.size == (10 * 120 + 8, 2 * 140 + 8)
        assert sheet.getpixel((8 + 50, 8 + 50)) != (255, 255, 255)


def test_one_picture_and_no_label_is_a_sheet(picture: Callable[..., bytes], tmp_path: Path) -> None:
    contact_sheet([picture(0)], [""], tmp_path / "sheet.png", size_px=40)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (56, 76)


def test_bad_input_is_named_and_leaves_nothing(picture: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    with pytest.raises(BadInput, match="no contact sheet"):
        contact_sheet([], [], path)
    with pytest.raises(BadInput, match="no contact sheet"):
        contact_sheet([picture(0)], ["a", "b"], path)
    with pytest.raises(BadInput, match="tench, row 1"):
        contact_sheet([picture(0), b"not an image"], ["goldfish", "tench"], path)
    assert list(tmp_path.iterdir()) == []
