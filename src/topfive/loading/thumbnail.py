"""Small pictures for pages: decoded and encoded anew, so that a stranger's bytes never reach a browser."""

from __future__ import annotations

import io

from PIL import Image

from topfive.loading.decode import decode


def thumbnail(data: bytes, size_px: int) -> bytes:
    """A JPEG of at most `size_px` a side, aspect kept; raises BadImage as `decode` does."""
    picture = Image.fromarray(decode(data))
    picture.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
