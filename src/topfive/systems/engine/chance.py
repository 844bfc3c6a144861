"""Chance inside torch (initial weights, dropout) as a function of the seed, leaving torch's own stream untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, *path: str | int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Run the body on a stream of its own that starts from (seed, path); the caller's stream goes on as it was."""
    place = torch.device(device)
    metal = torch.mps.get_rng_state() if place.type == "mps" else None
    try:
        with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
            reseed(seed, *path, device=place)
            yield
    finally:
        if metal is not None:
            torch.mps.set_rng_state(metal)


def reseed(seed: int, *path: str | int, device: str | torch.device = "cpu") -> None:
    """Start the stream anew from (seed, path); call it inside `seeded` only.

    `torch.manual_seed` is not used: it would seed every CUDA device, and `fork_rng` restores only those it is told of.
    """
    digest = hashlib.blake2b(":".join(map(str, (seed, *path))).encode(), digest_size=8).digest()
    value = int.from_bytes(digest, "little") >> 1
    torch.default_generator.manual_seed(value)
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.manual_seed(value)
    elif kind == "mps":
        torch.mps.manual_seed(value % 2**63)
