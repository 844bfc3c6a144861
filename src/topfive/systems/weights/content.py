"""What a file of weights is, by its bytes; one that could run code, or is none of the known, is refused unopened.

The ending says nothing: a pickle called `.safetensors` is a pickle. torch's own reader of tensors runs no code either;
it is given only files that have passed here.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from topfive.records import BadInput

Content = Literal["safetensors", "zip", "legacy"]
"""`zip` and `legacy` are torch's formats since and before version 1.6: pickles of tensors."""

MAX_HEADER = 1 << 20
"""Bytes of a safetensors header: 10,000 tensors take fewer. More only cost the reader time and memory."""
MAX_TENSORS = 10_000
_MAX_PICKLE = 64 << 20
"""Bytes of one pickle inside a checkpoint; the tensors lie outside it."""
_DTYPES = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"})
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number that begins every checkpoint of torch before 1.6."""
_N_LEGACY = 5
"""Its pickles: that number, the protocol, the machine, the tensors, their keys."""
_NAMES = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"})
_FIX = "Write the tensors alone: safetensors.torch.save_file(model.state_dict(), FILE)"


def content_of(path: Path) -> Content:
    """Which of the formats of tensors a file is; raises BadInput for anything that holds more than tensors."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_LEGACY))
            size = file.seek(0, io.SEEK_END)
            if start[8:9] == b"{":
                _check_header(file, size, path)
                return "safetensors"
            if start == _LEGACY:
                file.seek(0)
                _check_pickles(file, _N_LEGACY, path)
                return "legacy"
            file.seek(0)
            if start[:1] == b"\x80" or _is_old_pickle(file, start):
                file.seek(0)
                _check_pickles(file, 1, path)
                raise BadInput("is a pickle, not a file of tensors", where=path, fix=_FIX)
        if zipfile.is_zipfile(path):
            _check_zip(path)
            return "zip"
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror or error})", where=path) from error
    reason = "is empty (0 bytes)" if not start else f"cannot be read as safetensors (it begins with {start[:8]!r})"
    raise BadInput(reason, where=path, fix="Name a .safetensors file, or a checkpoint of tensors by torch.save")


def header_of(path: Path) -> dict[str, dict[str, object]]:
    """The JSON header of a safetensors file that has passed `content_of`."""
    with path.open("rb") as file:
        return dict(json.loads(file.read(int.from_bytes(file.read(8), "little"))))


def _check_header(file: IO[bytes], size: int, path: Path) -> None:
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > min(MAX_HEADER, size - 8):
        raise BadInput(
            f"cannot be read as safetensors (a header of {length} bytes in a file of {size}, at most {MAX_HEADER})",
            where=path,
        )
    try:
        header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        kinds = {str(entry["dtype"]) for entry in tensors.values()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"cannot be read as safetensors (its header is damaged: {error})", where=path) from error
    if len(tensors) > MAX_TENSORS:
        raise BadInput(f"holds {len(tensors)} tensors, more than {MAX_TENSORS}", where=path)
    if unknown := sorted(kinds - _DTYPES):
        raise BadInput(f"holds tensors of the kind {unknown[0]}", where=path, fix=f"Use {', '.join(sorted(_DTYPES))}")


def _check_zip(path: Path) -> None:
    """One pickle of tensors and their bytes, each member once whatever its case; nothing that is a program."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            (often, uses), *_ = Counter(name.lower() for name in names).most_common(1) or [("", 0)]
            if uses > 1:
                raise BadInput(f"holds the member {often!r} twice", where=path, fix=_FIX)
            program = next((name for name in names if "/code/" in name or name.endswith(".py")), None)
            if program is not None:
                raise BadInput(f"is a program of TorchScript (it holds {program!r})", where=path, fix=_FIX)
            pickles = [name for name in names if name.lower().endswith((".pkl", ".pickle"))]
            if len(pickles) != 1 or pickles[0].partition("/")[2] != "data.pkl":
                raise BadInput(f"is a zip archive, but no checkpoint of tensors: {pickles[:3]}", where=path, fix=_FIX)
            if archive.getinfo(pickles[0]).file_size > _MAX_PICKLE:
                raise BadInput(f"holds a pickle of more than {_MAX_PICKLE} bytes", where=path, fix=_FIX)
            _check_pickles(io.BytesIO(archive.read(pickles[0])), 1, path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadInput(f"is a damaged zip archive ({error})", where=path, fix="Get the file again") from error


def _check_pickles(file: IO[bytes], n: int, path: Path) -> None:
    """Read the opcodes without doing what they say; raises BadInput for the first that is more than tensors."""
    try:
        for _ in range(n):
            for named in _named(file):
                if not _is_of_tensors(named):
                    raise BadInput(f"is a pickle that would call {named} when it is opened", where=path, fix=_FIX)
    except (ValueError, IndexError, pickle.UnpicklingError, UnicodeDecodeError, OverflowError) as error:
        raise BadInput(f"is a damaged pickle ({str(error)[:100]})", where=path, fix=_FIX) from error


def _named(file: IO[bytes]) -> Iterator[str]:
    """Everything that a pickle would look up, as `module.name`; what is put together on its stack is one of them."""
    texts: list[str] = []
    for opcode, value, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(value).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif opcode.name in ("EXT1", "EXT2", "EXT4", "PERSID"):
            yield f"{opcode.name} {value}"
        elif isinstance(value, str):
            texts.append(value)


def _is_of_tensors(named: str) -> bool:
    module, _, name = named.rpartition(".")
    return (
        (module == "torch._utils" and name in _NAMES)
        or (module == "torch" and (name.endswith("Storage") or name in ("Size", "device")))
        or (module == "torch.storage" and name in ("TypedStorage", "UntypedStorage"))
        or named in ("collections.OrderedDict", "argparse.Namespace", "torch.nn.parameter.Parameter")
    )


def _is_old_pickle(file: IO[bytes], start: bytes) -> bool:
    """Protocols 0 and 1 have no mark of their own: the file begins as lists, mappings and calls do, and ends."""
    if start[:1] not in (b"(", b"c", b"]", b"}"):
        return False
    try:
        return [opcode.name for opcode, _, _ in pickletools.genops(file)][-1:] == ["STOP"]
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError):
        return False
