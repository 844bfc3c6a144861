"""Bytes to pixels: decoding by one set of rules, Views, Pictures of a split, order and augmentation without state."""

from topfive.loading.augment import crop_flip
from topfive.loading.containers import Containers
from topfive.loading.decode import decode
from topfive.loading.headers import MAX_BYTES, MAX_PIXELS, BadImage, Header, read_header
from topfive.loading.order import draws, integers, order
from topfive.loading.pictures import Pictures
from topfive.loading.thumbnail import thumbnail
from topfive.loading.views import apply_view

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "BadImage",
    "Containers",
    "Header",
    "Pictures",
    "apply_view",
    "crop_flip",
    "decode",
    "draws",
    "integers",
    "order",
    "read_header",
    "thumbnail",
]
