"""The report: one HTML file that opens offline, without script and without anything to load."""

from __future__ import annotations

import base64
from pathlib import Path

from topfive.loading import BadImage, thumbnail
from topfive.records import BadInput, write_text
from topfive.reports.content import Picture, ReportContent
from topfive.reports.style import environment, style_hash, stylesheet
from topfive.reports.trajectory import trajectory_panels

PICTURE_PX = 256
PICTURES_BYTES = 3_000_000


def write_report(content: ReportContent, path: Path) -> None:
    """Write the page; pictures are shrunk to PICTURE_PX and encoded anew, and left out past PICTURES_BYTES in all.

    Raises BadInput naming an image that does not decode; nothing is written then.
    """
    write_text(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """The page as text; every name in it is escaped, its security policy allows its own style element and no more."""
    content.board.check()
    css = stylesheet()
    page = environment().get_template("report.html")
    return page.render(
        content=content,
        contents=_contents(content),
        trajectory=trajectory_panels(content.published, content.board, content.dataset),
        shown=Shown(PICTURES_BYTES),
        style=css,
        style_source=style_hash(css),
    )


def _contents(content: ReportContent) -> list[tuple[str, str]]:
    parts = [
        ("trajectory", "The trajectory", True),
        ("board", "The board", bool(content.board.rows)),
        ("confusions", "The worst confusions", bool(content.confusions)),
        ("labels", "The labels of this set", content.label_audit is not None),
        ("imagenet", "ImageNet’s own labels", content.imagenet is not None),
        ("making", "How this was made", True),
    ]
    return [(target, words) for target, words, there in parts if there]


class Shown:
    """Pictures as data URIs, until the page's allowance is spent; then None."""

    def __init__(self, allowance: int) -> None:
        self.left = allowance

    def __call__(self, picture: Picture) -> str | None:
        """The picture's URI, or None where it would not fit."""
        data = "data:image/jpeg;base64," + base64.b64encode(small_jpeg(picture.image, picture.image_id)).decode()
        if len(data) > self.left:
            return None
        self.left -= len(data)
        return data


def small_jpeg(image: bytes, image_id: str, size_px: int = PICTURE_PX) -> bytes:
    """The picture within size_px x size_px as a JPEG of our own making, so that no stranger's bytes reach a browser."""
    try:
        return thumbnail(image, size_px)
    except BadImage as error:
        raise BadInput(
            f"does not decode ({error})", where=image_id, fix="Run `topfive dataset verify` on the set"
        ) from error
