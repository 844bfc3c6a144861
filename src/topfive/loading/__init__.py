"""Bytes to pixels: decoding by one set of rules, Views, Pictures of a split, order and augmentation without state."""

from topfive.loading.augment import RandomCrop, area_boxes, crop_flip, cut, mirrors, scale_boxes
from topfive.loading.containers import Containers
from topfive.loading.corrupted import CorruptedPictures
from topfive.loading.corruptions import CORRUPTIONS, SEVERITIES, check_corruption, corrupt, parse_corruption
from topfive.loading.crops import Crop, CroppedPictures, crops, show, size_of
from topfive.loading.decode import decode
from topfive.loading.headers import MAX_BYTES, MAX_PIXELS, BadImage, Header, read_header
from topfive.loading.jobs import Later, run_parts
from topfive.loading.order import draws, integers, order, uniform
from topfive.loading.pictures import OnBad, Pictures
from topfive.loading.remote import is_remote, list_files, open_stream, read_range
from topfive.loading.thumbnail import thumbnail
from topfive.loading.views import apply_view

__all__ = [
    "CORRUPTIONS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SEVERITIES",
    "BadImage",
    "Containers",
    "CorruptedPictures",
    "Crop",
    "CroppedPictures",
    "Header",
    "Later",
    "OnBad",
    "Pictures",
    "RandomCrop",
    "apply_view",
    "area_boxes",
    "check_corruption",
    "corrupt",
    "crop_flip",
    "crops",
    "cut",
    "decode",
    "draws",
    "integers",
    "is_remote",
    "list_files",
    "mirrors",
    "open_stream",
    "order",
    "parse_corruption",
    "read_header",
    "read_range",
    "run_parts",
    "scale_boxes",
    "show",
    "size_of",
    "thumbnail",
    "uniform",
]
