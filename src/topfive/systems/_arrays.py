"""A fitted system that is arrays and a few words: one .npz file, written durably; reading it runs nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, replacing


def write_arrays(path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays, and `about` as JSON text in an array of its own."""
    parts: dict[str, Any] = {"about": np.array(json.dumps(about, ensure_ascii=False)), **arrays}
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **parts)


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write_arrays` wrote; raises BadInput for a missing or damaged file (each array has a checksum)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return dict(json.loads(str(arrays.pop("about")))), arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"cannot be read as a fitted system ({error})", where=path, fix="Fit it anew") from error
