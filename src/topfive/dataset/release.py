"""Release: a set as files for others, the same bytes every time, with a list of digests that finds any changed bit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topfive.dataset.contents import Contents
from topfive.dataset.exporters import Exporter, exporter
from topfive.dataset.reports import Problem, VerifyReport
from topfive.dataset.selection import Selection, select
from topfive.dataset.staging import Staging, staging
from topfive.records import UNKNOWN, BadInput, Dataset, Manifest, Progress, digest_json, digest_parts, silent

FACTS, SUMS = "release.json", "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_TRAILER = "# release "
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ReleaseReport:
    """What was written: `release` is the digest of the list of digests, the name of exactly these bytes."""

    folder: Path
    format: str
    n_images: int
    n_classes: int
    splits: dict[str, int]
    left_out: dict[str, int]
    pictures: str
    release: str

    def to_json(self) -> dict[str, Any]:
        """The fields without the folder."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def export(
    dataset: Dataset,
    out: Path,
    form: str,
    wanted: Selection,
    *,
    per_shard: int = 1000,
    progress: Progress = silent,
) -> ReleaseReport:
    """Write the chosen images as a release in the new folder `out`; `form` is one of `exporters.formats()`.

    No image of a sealed split is written. A stopped export goes on by the same call; where it is done already, it says
    so again. Raises BadInput for a picture whose bytes are not those of the manifest, and where `out` is another set.
    """
    chosen = exporter(form)
    if per_shard < 1:
        raise BadInput(f"{per_shard} images a shard are none", where="per_shard", fix="Give 1 or more")
    out = Path(out)
    picked = select(dataset, wanted, sealed=False)
    manifest, left_out = _with_labels(picked.manifest, chosen, dict(picked.left_out), dataset.root)
    contents = Contents(dataset.name, dataset, manifest, per_shard, progress)
    facts = _facts(contents, form, left_out)
    done = _done(out, facts)
    if done is not None:
        return done
    with staging(out, digest_json(facts)) as stage:
        progress("exporting", 0, len(manifest), "images")
        chosen.write(contents, stage)
        with stage.file("classes.tsv") as part:
            contents.classes.write(part)
        stage.blob(FACTS, (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())
        _write_sums(stage)
    return _report(out, facts)


class _Stated(NamedTuple):
    """What SHA256SUMS says, and what is wrong with the file itself (empty where nothing is)."""

    digests: dict[str, str]
    release: str
    reason: str


def is_release(folder: Path) -> bool:
    """Whether a folder was written by `export`."""
    return (Path(folder) / SUMS).is_file() and (Path(folder) / FACTS).is_file()


def check(folder: Path, progress: Progress = silent) -> list[Problem]:
    """Read every byte of a release; name each file that is changed, missing or not part of it.

    Raises BadInput where the folder is no release.
    """
    folder = Path(folder)
    if not (folder / SUMS).is_file():
        raise BadInput(f"is no release (it has no {SUMS})", where=folder, fix="Name a folder that `export` wrote")
    stated = _stated(folder)
    problems = [Problem(SUMS, stated.reason)] if stated.reason else []
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if not path.is_dir()}
    total = sum(path.stat().st_size for path in there.values() if path.is_file())
    done = 0
    progress("verifying", 0, total, "bytes")
    for name, path in there.items():
        if name == SUMS:
            continue
        if name not in stated.digests:
            problems.append(Problem(name, f"is no part of the release ({SUMS} does not name it)"))
            continue
        now = hashlib.sha256()
        for chunk in _chunks(path):
            now.update(chunk)
            done += len(chunk)
            progress("verifying", done, total, "bytes")
        if now.hexdigest() != stated.digests[name]:
            then = stated.digests[name][:12]
            problems.append(
                Problem(name, f"its bytes have changed (SHA-256 {now.hexdigest()[:12]}, released as {then})")
            )
    missing = sorted(stated.digests.keys() - there.keys())
    return problems + [Problem(name, f"stands in {SUMS} and is not there") for name in missing]


def verify_release(folder: Path, progress: Progress = silent) -> VerifyReport:
    """What `check` found, with the counts that the release states of itself (none where they cannot be read)."""
    problems = check(folder, progress)
    try:
        facts = json.loads((Path(folder) / FACTS).read_text(encoding="utf-8"))
        counts = int(facts["n_images"]), int(facts["n_classes"]), dict(facts["splits"])
    except (OSError, ValueError, KeyError, TypeError):
        counts = 0, 0, {}
    return VerifyReport(Path(folder), *counts, tuple(problems))


def pictures_digest(manifest: Manifest, sha256: list[str] | None = None) -> str:
    """Digest of what a release hands on in any format: id, bytes, class key and split of each image, by id."""
    ids = manifest.column("image_id").astype(str)
    order = np.argsort(ids)
    keys = np.array([*manifest.classes.wnids, ""], dtype=object)  # UNKNOWN is -1: the last
    columns = (
        ids,
        np.asarray(manifest.column("sha256") if sha256 is None else sha256, dtype=object),
        keys[manifest.class_index],
        manifest.column("split"),
    )
    return digest_parts(*([str(value) for value in column[order]] for column in columns))


def _with_labels(
    manifest: Manifest, chosen: Exporter, left_out: dict[str, int], where: Path
) -> tuple[Manifest, dict[str, int]]:
    if not chosen.NEEDS_LABELS:
        return manifest, left_out
    known = manifest.class_index != UNKNOWN
    if not known.any():
        raise BadInput(f"no image has a label, and {chosen.TITLE} need one", where=where, fix="Use another format")
    if known.all():
        return manifest, left_out
    return manifest.take(known), left_out | {"without a label": int((~known).sum())}


def _facts(contents: Contents, form: str, left_out: dict[str, int]) -> dict[str, Any]:
    """`release.json`, which decides every byte of the release."""
    manifest = contents.manifest
    index = manifest.class_index
    return {
        "name": contents.name,
        "format": form,
        "per_shard": contents.per_shard,
        "n_images": len(manifest),
        "n_classes": len(np.unique(index[index != UNKNOWN])),
        "splits": contents.splits,
        "left_out": left_out,
        "classes": manifest.classes.digest,
        "pictures": pictures_digest(manifest),
        "facts": Manifest(contents.facts.sort_by("image_id"), manifest.classes).digest,
    }


def _done(out: Path, facts: dict[str, Any]) -> ReleaseReport | None:
    """The report of a release that is there whole and is this one."""
    if not is_release(out):
        return None
    try:
        same = json.loads((out / FACTS).read_text(encoding="utf-8")) == facts
    except ValueError:
        return None
    return _report(out, facts) if same else None


def _report(out: Path, facts: dict[str, Any]) -> ReleaseReport:
    names = ("format", "n_images", "n_classes", "splits", "left_out", "pictures")
    return ReleaseReport(out, release=_stated(out).release, **{name: facts[name] for name in names})


def _write_sums(stage: Staging) -> None:
    lines = "".join(f"{stage.digest(name)}  {name}\n" for name in stage.names if name != SUMS)
    # `sha256sum -c` passes over a line that begins with #.
    stage.blob(SUMS, f"{lines}{_TRAILER}{hashlib.sha256(lines.encode()).hexdigest()}\n".encode())


def _stated(folder: Path) -> _Stated:
    raw = (folder / SUMS).read_bytes()
    text = raw.decode("utf-8", "replace")
    lines, _, last = text.removesuffix("\n").rpartition("\n")
    lines += "\n"
    release = last.removeprefix(_TRAILER)
    found: dict[str, str] = {}
    reason = ""
    if text != f"{lines}{_TRAILER}{hashlib.sha256(lines.encode()).hexdigest()}\n" or text.encode() != raw:
        reason = "its bytes have changed (they are not what its last line says)"
    for row, line in enumerate(lines.split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            reason = reason or f"line {row} is no digest and file name: {line[:100]!r}"
            continue
        found[match[2]] = match[1]
    return _Stated(found, release, reason)


def _chunks(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
