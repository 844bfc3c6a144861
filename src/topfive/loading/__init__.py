"""Bytes to pixels: decoding by one set of rules, Views, Pictures of a split, order and augmentation without state."""

from topfive.loading.augment import area_boxes, crop_flip, cut, mirrors, scale_boxes
from topfive.loading.containers import Containers
from topfive.loading.crops import Crop, CroppedPictures, crops, show, size_of
from topfive.loading.decode import decode
from topfive.loading.headers import MAX_BYTES, MAX_PIXELS, BadImage, Header, read_header
from topfive.loading.order import draws, integers, order, uniform
from topfive.loading.pictures import Pictures
from topfive.loading.thumbnail import thumbnail
from topfive.loading.views import apply_view

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "BadImage",
    "Containers",
    "Crop",
    "CroppedPictures",
    "Header",
    "Pictures",
    "apply_view",
    "area_boxes",
    "crop_flip",
    "crops",
    "cut",
    "decode",
    "draws",
    "integers",
    "mirrors",
    "order",
    "read_header",
    "scale_boxes",
    "show",
    "size_of",
    "thumbnail",
    "uniform",
]
