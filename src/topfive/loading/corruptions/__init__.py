"""Fifteen ways in which a picture goes bad, each at five severities, after Hendrycks and Dietterich (ICLR 2019).

Made here from the paper's descriptions; frost is grown, not cut from photographs. Errors under them are therefore not
those on the released JPEGs. Lengths are stated for a crop of 224 px and grow with the crop. Noise, brightness,
contrast, pixelate and JPEG have the released severities (recalled); the others are this project's own.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from topfive.loading.corruptions import blur, digital, noise, weather
from topfive.records import BadInput

Pixels = NDArray[np.float32]
"""[h, w, 3] in [0, 1]."""

CORRUPTIONS: dict[str, Callable[[Pixels, int, np.random.Generator], Pixels]] = {
    "gaussian_noise": noise.gaussian,
    "shot_noise": noise.shot,
    "impulse_noise": noise.impulse,
    "defocus_blur": blur.defocus,
    "glass_blur": blur.glass,
    "motion_blur": blur.motion,
    "zoom_blur": blur.zoom,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": weather.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg,
}
"""By the released set's folder names: noise, blur, weather, digital."""

SEVERITIES = (1, 2, 3, 4, 5)


def corrupt(pixels: NDArray[np.uint8], kind: str, severity: int, *, seed: int, image_id: str) -> NDArray[np.uint8]:
    """The corrupted crop, uint8 [h, w, 3]; chance depends on (seed, kind, image_id) alone.

    The severities of one picture share their draws: the same flakes, thicker. Raises BadInput on an unknown kind or
    severity.
    """
    check_corruption(kind, severity)
    key = hashlib.blake2b(f"{seed}\0{kind}\0{image_id}".encode(), digest_size=16).digest()
    rng = np.random.default_rng(int.from_bytes(key, "little"))
    made = CORRUPTIONS[kind](pixels.astype(np.float32) / np.float32(255), severity - 1, rng)
    return np.asarray(np.rint(made.clip(0, 1) * 255), dtype=np.uint8)


def check_corruption(kind: str, severity: int) -> None:
    """Raise BadInput unless there is such a kind and severity."""
    if kind not in CORRUPTIONS:
        close = difflib.get_close_matches(kind, CORRUPTIONS, n=1)
        fix = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(CORRUPTIONS)}"
        raise BadInput(f"is no corruption: {kind!r}", where="corruption", fix=fix)
    if severity not in SEVERITIES:
        raise BadInput(f"has the severity {severity}", where=f"corruption {kind}", fix="Severities are 1 to 5")


def parse_corruption(text: str) -> tuple[str, int]:
    """`KIND:SEVERITY` as a pair; raises BadInput."""
    kind, colon, severity = text.partition(":")
    if not colon or not (severity.isascii() and severity.isdigit()):
        raise BadInput(f"is {text!r}", where="corruption", fix="Write KIND:SEVERITY, as in gaussian_noise:3")
    check_corruption(kind, int(severity))
    return kind, int(severity)
