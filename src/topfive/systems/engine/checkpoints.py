"""Checkpoints of a fit: durable, with their own digest, two kept; a damaged newest one falls back to the one before."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from topfive.records import BadInput, replacing, write_text

_KEPT = 2


def save_checkpoint(folder: Path, step: int, tensors: dict[str, torch.Tensor], fit: str) -> None:
    """Write the state after `step` updates of the fit with digest `fit`: first the tensors, then the note that counts.

    Then older checkpoints than the one before go, later ones (which were damaged and passed over), and tensors that a
    kill has left without a note.
    """
    path = folder / f"step-{step:09d}.safetensors"
    with replacing(path) as part:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)
    note = {"step": step, "fit": fit, "sha256": _digest(path)}
    write_text(path.with_suffix(".json"), json.dumps(note, indent=1) + "\n")
    kept = [place for place in _notes(folder) if place <= path.with_suffix(".json")][-_KEPT:]
    for place in _notes(folder):
        if place not in kept:
            place.unlink()
    for weights in folder.glob("step-*.safetensors"):
        if weights.with_suffix(".json") not in kept:
            weights.unlink()


def newest_checkpoint(folder: Path, fit: str) -> tuple[int, dict[str, torch.Tensor]] | None:
    """The last whole checkpoint as (updates done, tensors), None where there is none.

    Raises BadInput where it belongs to another fit; warns of each damaged one that is passed over.
    """
    for path in reversed(_notes(folder)):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            step, written_for, digest = int(note["step"]), str(note["fit"]), str(note["sha256"])
            if written_for != fit:
                raise BadInput(
                    "is a checkpoint of another fit (recipe, seed, network or pictures differ)",
                    where=path,
                    fix="Name another folder, or remove this one to begin anew",
                )
            weights = path.with_suffix(".safetensors")
            if _digest(weights) != digest:
                raise ValueError(f"{weights.name} is not the file that was written")
            return step, load_file(weights)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"{path}: damaged checkpoint passed over ({error})", stacklevel=2)
    return None


def _notes(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
