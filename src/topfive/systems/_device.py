"""Is the device that was asked for here?"""

from __future__ import annotations

from topfive.records import BadInput


def check_device(device: str) -> None:
    """Raise BadInput where torch cannot use `device`; the CPU needs no question, and no torch."""
    if device == "cpu":
        return
    import torch

    there = torch.cuda.is_available() if device == "cuda" else device == "mps" and torch.backends.mps.is_available()
    if not there:
        raise BadInput(f"torch finds no {device!r} device here", where="--device", fix="Use --device cpu")
