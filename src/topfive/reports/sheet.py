"""The contact sheet: many pictures with a line of text under each, as one PNG to look at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from topfive.records import BadInput, replacing

_MOST_COLUMNS = 10
_GAP_PX = 8
_TEXT_PX = 14


def contact_sheet(pictures: Sequence[bytes], labels: Sequence[str], path: Path, *, size_px: int = 112) -> None:
    """Write pictures (encoded images) in reading order; a label too long for its cell ends in an ellipsis."""
    from PIL import Image, ImageDraw, ImageFont

    if len(pictures) != len(labels) or not pictures:
        raise BadInput(f"{len(pictures)} pictures and {len(labels)} labels make no contact sheet", where=path)
    columns = min(_MOST_COLUMNS, len(pictures))
    cell, line = size_px + _GAP_PX, _TEXT_PX + 6
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * cell + _GAP_PX, rows * (cell + line) + _GAP_PX), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT_PX)
    for i, (data, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = _GAP_PX + i % columns * cell, _GAP_PX + i // columns * (cell + line)
        try:
            with Image.open(io.BytesIO(data)) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadInput(f"does not decode ({error})", where=label, row=i) from error
        picture.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left + (size_px - picture.width) // 2, top + (size_px - picture.height) // 2))
        shown = label
        while shown and font.getlength(shown) > size_px:
            shown = shown.removesuffix("…")[:-1] + "…" if len(shown) > 1 else ""
        pen.text((left, top + size_px + 2), shown, fill="#1c1e21", font=font)
    with replacing(path) as part:
        sheet.save(part, "PNG")
