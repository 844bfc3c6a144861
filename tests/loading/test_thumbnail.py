"""A thumbnail is a JPEG, small, of the right aspect, and never the bytes that came in."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from topfive.loading import BadImage
from topfive.loading.thumbnail import thumbnail


def test_thumbnail_is_encoded_anew() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((100, 200, 3), 90, dtype=np.uint8)).save(buffer, "PNG")
    small = Image.open(io.BytesIO(thumbnail(buffer.getvalue(), 64)))
    assert (small.format, small.size) == ("JPEG", (64, 32))
    assert abs(int(np.asarray(small)[10, 10, 0]) - 90) <= 2


def test_thumbnail_refuses_what_is_no_picture() -> None:
    with pytest.raises(BadImage):
        thumbnail(b"<html>", 64)
