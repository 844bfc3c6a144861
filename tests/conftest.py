"""Fixtures that many rooms use: real data where it lies beside the checkout, a tiny class list, drawn pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.records import ClassList

_REAL = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that want it skip where it is missing."""
    if not (_REAL / "data").is_dir():
        pytest.skip("no folder `shared/data` beside the checkout: real data is not here")
    return _REAL


@pytest.fixture
def three() -> ClassList:
    """Three real classes in sorted order."""
    return ClassList(("n01440764", "n01443537", "n01484850"), ("tench", "goldfish", "great white shark"))


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    """Encode uint8 RGB pixels as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
