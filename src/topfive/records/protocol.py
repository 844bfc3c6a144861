"""Protocol: a test protocol as data: which crops of a picture a system is shown before its answers are averaged."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from topfive.records.digests import digest_json
from topfive.records.errors import BadInput


@dataclass(frozen=True)
class Protocol:
    """Sizes are in crops, so that it fits a system of any View: its crop is always `crop_px` wide.

    `scales` are short sides of the picture (8/7 is 256 px for a crop of 224 px). `squares` are the parts that crops
    are taken from: the `centre` square, `three` squares along the longer side, or the `whole` picture. `crops` in each
    part: `centre`; `corners` (four, and the centre); `corners and square` (also the whole part, shrunk); `grid` (5 x 5,
    evenly spread); `dense` (everywhere: a network that can is shown the whole part at once, any other gets crops a
    seventh of a crop apart). With `mirrored` each is shown mirrored too. `source` says who tested so.
    """

    name: str
    scales: tuple[float, ...]
    squares: Literal["centre", "three", "whole"]
    crops: Literal["centre", "corners", "corners and square", "grid", "dense"]
    mirrored: bool
    source: str

    @cached_property
    def digest(self) -> str:
        """Fingerprint of what decides the answer."""
        decides = asdict(self)
        del decides["name"], decides["source"]
        return digest_json(decides)

    def check(self) -> None:
        """Raise BadInput on scales that no crop fits into."""
        if not self.scales or min(self.scales) < 1:
            raise BadInput(f"has scales {list(self.scales)}: a crop fits into none below 1", where=self.name)


PROTOCOLS: dict[str, Protocol] = {
    made.name: made
    for made in (
        Protocol("flip", (8 / 7,), "centre", "centre", True, "FFCV, airbench"),
        Protocol("10-crop", (8 / 7,), "centre", "corners", True, "Krizhevsky et al. 2012, section 4.1"),
        Protocol(
            "144-crop",
            (8 / 7, 9 / 7, 10 / 7, 11 / 7),
            "three",
            "corners and square",
            True,
            "Szegedy et al. 2015, section 7: short sides 256, 288, 320, 352",
        ),
        Protocol(
            "150-crop",
            (8 / 7, 12 / 7, 16 / 7),
            "whole",
            "grid",
            True,
            "Simonyan and Zisserman 2015, section 3.2: 50 crops at short sides 256, 384, 512",
        ),
        Protocol("dense", (8 / 7,), "whole", "dense", True, "Sermanet et al. 2013; Simonyan and Zisserman 2015"),
        Protocol(
            "multi-scale",
            (1.0, 8 / 7, 12 / 7, 15 / 7, 20 / 7),
            "whole",
            "dense",
            True,
            "He et al. 2016, table 4: dense at short sides 224, 256, 384, 480, 640",
        ),
    )
}
"""Beside them stands `1-crop`: what the View shows, and nothing more."""
