"""Weights that a library has fetched before, where it keeps them; fetched by it where that is asked for."""

from __future__ import annotations

import urllib.error
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

import torch

from topfive.records import BadInput


def from_hub(
    repository: str, files: Sequence[str], *, cache: Path | None = None, download: bool = False
) -> Path | None:
    """The first of these files of a Hugging Face repository in that library's cache (or in `cache`), else None."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(repository, file, cache_dir=cache)
        if isinstance(found, str):
            return Path(found)
    for file in files if download else ():
        try:
            return Path(hf_hub_download(repository, file, cache_dir=cache))
        except Exception as error:  # the hub's, the transport's and the file system's; another file may be there
            failed = error
    if download and files:
        raise BadInput(f"cannot be fetched ({failed})", where=repository, fix="Fetch it yourself: --weights FILE")
    return None


def from_url(url: str, *, cache: Path | None = None, download: bool = False) -> Path | None:
    """The file of an address in the cache of torch's hub (or in `cache`), else None."""
    name = Path(urlparse(url).path).name
    path = (cache or Path(torch.hub.get_dir()) / "checkpoints") / name
    if path.is_file():
        return path
    if not download:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        raise BadInput(f"cannot be fetched ({error})", where=url, fix="Fetch it yourself: --weights FILE") from error
    return path
