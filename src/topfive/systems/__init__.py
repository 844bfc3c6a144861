"""The landmark systems, one file each, found by name; importing this room loads no torch."""

from topfive.systems._device import check_device
from topfive.systems._torchrun import farewell, first_process
from topfive.systems.catalogue import Landmark, describe, get, landmarks, names, parse
from topfive.systems.record import Record, told_once
from topfive.systems.system import FitLog, Fitted, System, override

__all__ = [
    "FitLog",
    "Fitted",
    "Landmark",
    "Record",
    "System",
    "check_device",
    "describe",
    "farewell",
    "first_process",
    "get",
    "landmarks",
    "names",
    "override",
    "parse",
    "told_once",
]
