"""SHA256SUMS: the digests of a dataset folder's own files, so that a changed bit in them is found too."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from topfive.dataset.reports import Problem
from topfive.records import write_text

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS about the files that lie directly in a folder, in the form that `sha256sum -c` reads."""
    lines = [f"{_digest(path)}  {path.name}\n" for path in _files(folder)]
    write_text(folder / NAME, "".join(lines))


def check_sums(folder: Path) -> list[Problem]:
    """What is not as SHA256SUMS says, by file name; nothing where the folder has none."""
    if not (folder / NAME).exists():
        return []
    stated: dict[str, str] = {}
    for row, line in enumerate((folder / NAME).read_bytes().decode("utf-8", "replace").split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in stated:
            return [Problem(NAME, f"line {row} is no digest and file name: {line[:100]!r}")]
        stated[match[2]] = match[1]
    problems = []
    for path in _files(folder):
        if path.name in stated and stated.pop(path.name) != (now := _digest(path)):
            problems.append(Problem(path.name, f"its bytes have changed (SHA-256 {now[:12]}, {NAME} says otherwise)"))
    return problems + [Problem(name, f"stands in {NAME} and is not there") for name in stated]


def _files(folder: Path) -> list[Path]:
    """The set's own files: hidden ones are somebody else's, and SHA256SUMS cannot hold its own digest."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != NAME and path.name[0] != ".")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
