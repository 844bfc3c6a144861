"""View: evaluation preprocessing as data, with a digest, so that unlike preprocessing is never compared unseen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, Self

from topfive.records.digests import digest_json
from topfive.records.errors import BadInput

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class View:
    """Resize the short side to `resize_px`, crop the centre `crop_px` square, scale to [0, 1], (x - mean) / std.

    `squash` resizes to resize_px x resize_px whatever the aspect. `decoder` names the pixel rule:
    `reference` is torchvision's transforms on Pillow; `exact` is within one grey level of it on 99 % of pixels.
    The crop stays uint8; mean and std are applied by the system that owns the weights.
    """

    resize_px: int
    crop_px: int
    interpolation: Interpolation = "bicubic"
    squash: bool = False
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    decoder: Literal["reference", "exact"] = "reference"

    @cached_property
    def digest(self) -> str:
        """Fingerprint of every field."""
        return digest_json(asdict(self))

    def check(self) -> None:
        """Raise BadInput on sizes or statistics that no image can be seen through."""
        if not 1 <= self.crop_px <= self.resize_px:
            raise BadInput(f"crop {self.crop_px} px does not fit into resize {self.resize_px} px", where="view")
        if min(self.std) <= 0:
            raise BadInput(f"std {self.std} is not positive", where="view")

    def to_json(self) -> dict[str, object]:
        """A JSON object with every field."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Self:
        """The inverse of `to_json`."""
        fields = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
        view = cls(**fields)  # type: ignore[arg-type]
        view.check()
        return view
