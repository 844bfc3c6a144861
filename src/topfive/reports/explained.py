"""What a system looks at, as one PNG: pictures side by side, each under its title."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, replacing

_SIDE_PX = 288
_GAP_PX = 16
_TEXT_PX = 14
_COLUMNS = 4
_WRAP = 40
"""Characters a line: as many as a picture is wide in the default font at this size."""


def explained_sheet(parts: Sequence[tuple[str, NDArray[np.uint8]]], path: Path) -> None:
    """Write titles and pictures uint8 [h, w, 3] in reading order; small pictures are enlarged without smoothing."""
    from PIL import Image, ImageDraw, ImageFont

    if not parts:
        raise BadInput("has nothing to show", where=path)
    columns = min(_COLUMNS, len(parts))
    titles = [textwrap.wrap(title, _WRAP) for title, _ in parts]
    head = max(map(len, titles)) * (_TEXT_PX + 4) + 8
    cell = (_SIDE_PX + _GAP_PX, _SIDE_PX + head + _GAP_PX)
    rows = -(-len(parts) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP_PX, rows * cell[1] + _GAP_PX), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT_PX)
    for i, (lines, (_, picture)) in enumerate(zip(titles, parts, strict=True)):
        left, top = _GAP_PX + i % columns * cell[0], _GAP_PX + i // columns * cell[1]
        pen.multiline_text((left, top), "\n".join(lines), fill="#1c1e21", font=font, spacing=4)
        image = Image.fromarray(np.ascontiguousarray(picture))
        ratio = _SIDE_PX / max(image.size)
        # Filters and descriptors are a few pixels wide: their pixels are what there is to see.
        method = Image.Resampling.NEAREST if ratio > 2 else Image.Resampling.LANCZOS
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        sheet.paste(image.resize(size, method), (left, top + head))
    with replacing(path) as part:
        sheet.save(part, "PNG")
