"""Sealing: a split's labels go to the vault, and the public dataset says nothing of them."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import tarfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.challenge.vault import Vault
from topfive.records import (
    COLUMNS,
    UNKNOWN,
    BadInput,
    ClassList,
    Dataset,
    Manifest,
    Progress,
    Truth,
    counted,
    new_folder,
    replacing,
    silent,
)

_SUFFIX = {b"\xff\xd8": ".jpg", b"\x89P": ".png"}


def seal(
    dataset: Dataset,
    split: str,
    *,
    vault: Path,
    public: Path,
    salt: bytes,
    keep: Sequence[str] = (),
    progress: Progress = silent,
) -> Dataset:
    """Move a split's labels to the vault and write the public dataset, which is returned; the other splits stay.

    A sealed row keeps its picture's bytes, size, digest and licence. Everything else that could speak is replaced: ids
    become opaque (keyed by `salt`, 16 secret random bytes or more), rows are in the order of those ids, the pictures
    are packed anew in that order into `sealed/<split>.tar`, a group holds one row, `source` is empty, and user columns
    are empty unless named in `keep` (refused where a value names a class). The vault keeps the rows as they were.

    `public` may be `dataset.root`: then the set is sealed in place, and what `planted.parquet` says of the split moves
    to the vault. Vault first, public second, the manifest last, so that an interrupted sealing is finished by the same
    call. Raises BadInput where the split has no labels, a picture cannot be read, or one folder is inside the other.
    """
    rows = dataset.manifest.rows(split)
    if (rows.class_index == UNKNOWN).all():
        raise BadInput(
            f"split {split!r} has no labels", where=dataset.root, fix="It is sealed already, or never had any"
        )
    box = Vault(Path(vault))
    _check_apart(box.folder, Path(public))
    _check_kept(rows, keep)
    box.make()
    secret = box.keep_salt(split, salt)

    ids = _opaque_ids(rows.ids, split, secret)
    order = np.argsort(np.array(ids))
    hidden = rows.take(order).with_column("public_id", [ids[row] for row in order])
    truth = Truth.single(hidden.column("public_id").tolist(), hidden.class_index, dataset.classes)
    box.keep_split(split, truth, hidden)
    rest, planted = _divide_planted(dataset.root / "planted.parquet", set(rows.ids))
    if planted is not None:
        box.keep_planted(split, planted)

    in_place = Path(public).resolve() == dataset.root.resolve()
    with nullcontext(dataset.root) if in_place else new_folder(Path(public)) as folder:
        tar = _pack(dataset, hidden, folder / "sealed" / f"{split}.tar", progress)
        manifest = _public_manifest(dataset, hidden, split, tar, keep, in_place)
        about = _public_about(dataset, manifest, split, tar, box.commitment(split), in_place)
        if in_place and rest is not None:
            with replacing(dataset.root / "planted.parquet") as part:
                pq.write_table(rest, part, compression="zstd")
        Dataset(folder, manifest, about).write(folder)
    return Dataset.read(Path(public))


@dataclass(frozen=True)
class _Tar:
    """The packed pictures: name in the dataset folder, length, digest, and where each picture begins."""

    name: str
    size: int
    sha256: str
    offsets: list[int]


def _check_apart(vault: Path, public: Path) -> None:
    inner, outer = vault.resolve(), public.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise BadInput(
            f"lies within or around the public folder {public}", where=vault, fix="Keep the vault in a folder apart"
        )


def _check_kept(rows: Manifest, keep: Sequence[str]) -> None:
    names_a_class = _class_pattern(rows.classes)
    for name in ("licence", *keep):
        if name != "licence" and name in COLUMNS:
            raise BadInput(f"{name!r} is no user column", where="keep")
        values = set(rows.column(name).tolist())
        for value in values if len(values) > 1 else ():  # one value for all rows tells them apart in nothing
            if names_a_class.search(_plain(str(value))):
                raise BadInput(f"column {name!r} names a class ({value!r})", where="manifest", fix="Do not keep it")


def _class_pattern(classes: ClassList) -> re.Pattern[str]:
    words = sorted({_plain(word) for word in (*classes.wnids, *classes.names)} - {" "}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)))


def _plain(text: str) -> str:
    """Lower case with single spaces round each word, so that a search finds whole words only."""
    words = re.sub(r"[\W_]+", " ", text.lower()).strip()
    return f" {words} " if words else " "


def _opaque_ids(ids: Sequence[str], split: str, secret: bytes) -> list[str]:
    """Without the secret nobody can try out names like n01440764_18; 80 bits keep a million ids apart."""
    made = [f"{split}_{hmac.new(secret, f'id {i}'.encode(), hashlib.sha256).hexdigest()[:20]}" for i in ids]
    assert len(set(made)) == len(made)
    return made


def _pack(dataset: Dataset, rows: Manifest, target: Path, progress: Progress) -> _Tar:
    """Copy the pictures in the order of `rows` into one archive, each under its public id, without times or owners."""
    offsets = []
    names = ("public_id", "image_id", "container", "offset", "size", "sha256")
    listed = list(zip(*(rows.column(name).tolist() for name in names), strict=True))
    with replacing(target) as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for public_id, image_id, container, offset, size, sha256 in counted(
                listed, "sealing", len(listed), progress, "images"
            ):
                data = _read(dataset.container_path(container), offset, size, sha256, image_id)
                member = tarfile.TarInfo(public_id + _SUFFIX.get(data[:2], ""))
                member.size = len(data)
                offsets.append(tar.offset + tarfile.BLOCKSIZE)
                tar.addfile(member, io.BytesIO(data))
        size = part.stat().st_size
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _Tar(f"{target.parent.name}/{target.name}", size, digest, offsets)


def _read(path: Path, offset: int, size: int, sha256: str, image_id: str) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=path, row=image_id) from error
    if len(data) != size or size == 0:
        raise BadInput(f"has {len(data)} bytes of this image's {size}", where=path, row=image_id)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise BadInput("has other bytes than the manifest says", where=path, row=image_id, fix="Import the set anew")
    return data


def _public_manifest(
    dataset: Dataset, hidden: Manifest, split: str, tar: _Tar, keep: Sequence[str], in_place: bool
) -> Manifest:
    table = dataset.manifest.table
    others = table.filter(pc.not_equal(table["split"], split))
    if not in_place:
        others = _set(others, "container", [_outside(dataset, c) for c in others["container"].to_pylist()])
    n, ids = len(hidden), hidden.column("public_id").tolist()
    told: dict[str, Any] = {
        "image_id": ids,
        "container": [tar.name] * n,
        "offset": tar.offsets,
        "class_index": [UNKNOWN] * n,
        "group": ids,
        "source": [""] * n,
    }
    told |= {name: [None] * n for name in table.column_names if name not in COLUMNS and name not in keep}
    sealed = hidden.table.select(table.column_names)
    for name, values in told.items():
        sealed = _set(sealed, name, values)
    return Manifest(pa.concat_tables([others, sealed]).combine_chunks(), dataset.classes)


def _outside(dataset: Dataset, container: str) -> str:
    return str(dataset.container_path(container).resolve())


def _set(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, type=table.schema.field(at).type))


def _public_about(
    dataset: Dataset, manifest: Manifest, split: str, tar: _Tar, commitment: str, in_place: bool
) -> dict[str, Any]:
    """`dataset.json` with the archives that public rows lie in, and the commitment under `sealed`."""
    used = set(manifest.table["container"].to_pylist())
    moved = {c: c if in_place else _outside(dataset, c) for c in dataset.manifest.table["container"].to_pylist()}
    files: list[dict[str, Any]] = []
    gone = set()
    for entry in dataset.about.get("distribution", []):
        url = moved.get(str(entry.get("contentUrl")))
        if url is not None and url not in used:
            gone.add(entry.get("@id"))
        else:
            files.append(entry if url is None else entry | {"contentUrl": url})
    files = [kept for entry in files if (kept := _without(entry, gone)) is not None]
    packed = {"@id": tar.name, "name": tar.name, "contentUrl": tar.name, "encodingFormat": "application/x-tar"}
    inside = {"@id": f"{tar.name}:pictures", "name": f"{tar.name}:pictures", "containedIn": {"@id": tar.name}}
    files += [
        {"@type": "cr:FileObject", **packed, "contentSize": f"{tar.size} B", "sha256": tar.sha256},
        {"@type": "cr:FileSet", **inside, "encodingFormat": "image/jpeg", "includes": "**/*"},
    ]
    told = {"n": len(tar.offsets), "commitment": commitment}
    return dataset.about | {"distribution": files, "sealed": dataset.about.get("sealed", {}) | {split: told}}


def _without(entry: dict[str, Any], gone: set[Any]) -> dict[str, Any] | None:
    """The entry without references to archives that are gone; None where it described nothing else."""
    refers = entry.get("containedIn", [])
    several = refers if isinstance(refers, list) else [refers]
    left = [one for one in several if one.get("@id") not in gone]
    if len(left) == len(several):
        return entry
    return entry | {"containedIn": left} if left else None


def _divide_planted(path: Path, sealed: set[str]) -> tuple[pa.Table | None, pa.Table | None]:
    """What was planted, without and with the rows that name a sealed image in any text column."""
    if not path.is_file():
        return None, None
    table = pq.read_table(path)
    names = pa.array(sorted(sealed), type=pa.string())
    told: NDArray[np.bool_] = np.zeros(table.num_rows, dtype=bool)
    for column in table.itercolumns():
        if pa.types.is_string(column.type):
            told |= pc.is_in(column, value_set=names).to_numpy()
    return table.filter(pa.array(~told)), table.filter(pa.array(told))
