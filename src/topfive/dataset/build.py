"""Build: candidates and what people agreed on of them, to a set of the accepted ones; all others are counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from topfive.dataset.ahead import map_ahead
from topfive.dataset.candidates import Candidates, read_candidates, read_table
from topfive.dataset.croissant import describe, folder
from topfive.dataset.elsewhere import write_elsewhere
from topfive.dataset.reports import Problem, n_classes
from topfive.loading import MAX_BYTES, BadImage, Containers, read_header
from topfive.records import UNKNOWN, BadInput, Dataset, Manifest, Progress, counted, silent

_FIX = "The consensus is what `topfive label consensus` writes: task, label, probability, n_votes, decision"
_DECISIONS = ("accept", "reject", "ask_more")
_SHOWN = 100
_WORKERS = 2


@dataclass(frozen=True)
class BuildReport:
    """Every candidate is in exactly one of: the set, rejected, ask_more, without votes, unused.

    `n_unused` were accepted and left out all the same, each with its reason among `problems`; `n_unknown_tasks` are
    answers about no candidate. `accepted` counts images by class key.
    """

    folder: Path
    n_candidates: int
    n_images: int
    n_classes: int
    n_rejected: int
    n_ask_more: int
    n_without_votes: int
    n_unused: int
    n_unknown_tasks: int
    accepted: dict[str, int]
    splits: dict[str, int]
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields without the folder, and the first 100 problems."""
        names = [name for name in self.__dataclass_fields__ if name not in ("folder", "problems")]
        return {name: getattr(self, name) for name in names} | {
            "n_problems": len(self.problems),
            "problems": [problem._asdict() for problem in self.problems[:_SHOWN]],
        }


class _Answers(NamedTuple):
    """The consensus by task: rows of its file."""

    task: pa.Array
    label: pa.Array
    decision: pa.Array
    probability: NDArray[np.float64]
    n_votes: NDArray[np.int64]


def build_set(
    candidates: Path, consensus: Path, out: Path, *, yes: str | None = None, progress: Progress = silent
) -> BuildReport:
    """Write the accepted candidates as the new dataset folder `out`, about pictures where they lie.

    An accepted label that is a class is the picture's class; one that is none says yes to the candidate's class
    (`yes` names it where it must be told from other accepted labels). Provenance and user columns are carried, and
    `label_probability` and `n_votes` added. Each picture is read and hashed. Raises BadInput.
    """
    offered = read_candidates(Path(candidates))
    answers = _read_answers(Path(consensus))
    at = pc.index_in(offered.task, value_set=answers.task).to_numpy(zero_copy_only=False)
    asked = np.flatnonzero(~np.isnan(at)) if at.dtype.kind == "f" else np.arange(len(at))
    row = np.full(len(at), -1, dtype=np.int64)
    row[asked] = at[asked].astype(np.int64)
    if len(asked) == 0:
        raise BadInput(
            f"is about none of the {len(at):,} candidates (its first task is {answers.task[0].as_py()!r})",
            where=consensus,
            fix="Tasks are the image ids, or what the candidates' column `task` says",
        )
    decision = np.full(len(at), "", dtype=object)
    decision[asked] = np.asarray(answers.decision.to_pylist(), dtype=object)[row[asked]]
    index = _labels(offered, answers, row, decision, yes, Path(consensus))
    accepted = np.flatnonzero(index != UNKNOWN)
    accepted, problems = _once(offered, accepted, index)
    manifest = _accepted(offered, answers, accepted, row, index)
    looks = [
        *counted(_looks(offered, manifest), "reading", len(manifest), progress, "images"),
    ]
    problems += [Problem(one, look.reason) for one, look in zip(manifest.ids, looks, strict=True) if look.reason]
    good = np.array([not look.reason for look in looks], dtype=np.bool_)
    if not good.any():
        raise BadInput("no candidate was accepted", where=consensus, row=None, fix=_remedy(problems))
    for name in ("size", "sha256", "width", "height"):
        manifest = manifest.with_column(name, [getattr(look, name) for look in looks])
    manifest = manifest.take(good)
    made = write_elsewhere(_dataset(offered, manifest, Path(out)), manifest, out, {})
    n_rejected = int(((decision == "reject") | ((decision == "accept") & (index == UNKNOWN))).sum())
    used = Counter(np.asarray(made.classes.wnids, dtype=object)[made.manifest.class_index].tolist())
    return BuildReport(
        folder=Path(out),
        n_candidates=len(at),
        n_images=len(made.manifest),
        n_classes=n_classes(made.manifest),
        n_rejected=n_rejected,
        n_ask_more=int((decision == "ask_more").sum()),
        n_without_votes=len(at) - len(asked),
        n_unused=int((index != UNKNOWN).sum()) - len(made.manifest),
        n_unknown_tasks=len(answers.task) - len(np.unique(row[asked])),
        accepted={wnid: used[wnid] for wnid in made.classes.wnids},
        splits=made.manifest.splits(),
        problems=tuple(problems),
    )


def _read_answers(path: Path) -> _Answers:
    table = read_table(path, _FIX)
    first_row = 1 if path.suffix == ".parquet" else 2
    for name in ("task", "label", "decision"):
        if name not in table.column_names:
            raise BadInput(f"lacks the column {name!r}", where=path, fix=_FIX)
    if table.num_rows == 0:
        raise BadInput("has no answers", where=path, fix=_FIX)
    text = [table[name].cast(pa.string()).combine_chunks() for name in ("task", "label", "decision")]
    task, label, decision = (pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one for one in text)
    wrong = np.flatnonzero(~pc.is_in(decision, value_set=pa.array(_DECISIONS)).to_numpy(zero_copy_only=False))
    if len(wrong):
        raise BadInput(
            f"decision {decision[int(wrong[0])].as_py()!r} is none of {', '.join(_DECISIONS)}",
            where=path,
            row=int(wrong[0]) + first_row,
            fix=_FIX,
        )
    seen = np.unique(np.asarray(task.to_pylist(), dtype=str), return_index=True)[1]
    if len(seen) < len(task):
        again = int(np.setdiff1d(np.arange(len(task)), seen)[0])
        raise BadInput(f"task {task[again].as_py()!r} stands twice", where=path, row=again + first_row, fix=_FIX)
    names = table.column_names
    nothing = np.zeros(len(task))
    probability = table["probability"].to_numpy() if "probability" in names else nothing + np.nan
    n_votes = table["n_votes"].to_numpy() if "n_votes" in names else nothing
    return _Answers(task, label, decision, probability.astype(np.float64), n_votes.astype(np.int64))


def _labels(
    offered: Candidates,
    answers: _Answers,
    row: NDArray[np.int64],
    decision: NDArray[Any],
    yes: str | None,
    where: Path,
) -> NDArray[np.int32]:
    """The class of each accepted candidate, int32 [n]; UNKNOWN for all others."""
    index = np.full(len(row), UNKNOWN, dtype=np.int32)
    mine = np.flatnonzero(decision == "accept")
    labels = np.asarray(answers.label.to_pylist(), dtype=object)[row[mine]]
    classes = offered.manifest.classes
    said = sorted({label for label in labels.tolist() if label not in classes.index})
    if yes is None and len(said) > 1:
        raise BadInput(
            f"accepts the labels {said[0]!r} and {said[1]!r}, which are no classes of the candidates",
            where=where,
            fix="Say with --yes which of them means that the picture shows its candidate class",
        )
    affirmative = yes if yes is not None else (said[0] if said else None)
    given = offered.manifest.class_index[mine]
    index[mine] = [
        given[i] if label == affirmative else classes.index.get(label, UNKNOWN)
        for i, label in enumerate(labels.tolist())
    ]
    return index


def _once(
    offered: Candidates, accepted: NDArray[np.int64], index: NDArray[np.int32]
) -> tuple[NDArray[np.int64], list[Problem]]:
    """The accepted rows with each image once; one that was accepted for two classes is left out and named."""
    ids = offered.manifest.column("image_id")[accepted].astype(str)
    _, code, uses = np.unique(ids, return_inverse=True, return_counts=True)
    if (uses <= 1).all():
        return accepted, []
    labels = index[accepted]
    least, most = np.full(len(uses), 2**31 - 1, np.int32), np.full(len(uses), -1, np.int32)
    np.minimum.at(least, code, labels)
    np.maximum.at(most, code, labels)
    first = np.unique(code, return_index=True)[1]
    wnids = offered.manifest.classes.wnids
    problems = [
        Problem(str(ids[first[i]]), f"is accepted for {wnids[least[i]]} and for {wnids[most[i]]}: left out")
        for i in np.flatnonzero(least != most).tolist()
    ]
    return accepted[np.sort(first[least == most])], problems


def _accepted(
    offered: Candidates,
    answers: _Answers,
    accepted: NDArray[np.int64],
    row: NDArray[np.int64],
    index: NDArray[np.int32],
) -> Manifest:
    manifest = offered.manifest.take(accepted).with_column("class_index", index[accepted])
    manifest = manifest.with_column("label_probability", answers.probability[row[accepted]])
    return manifest.with_column("n_votes", answers.n_votes[row[accepted]])


class _Look(NamedTuple):
    size: int
    sha256: str
    width: int
    height: int
    reason: str


def _looks(offered: Candidates, manifest: Manifest) -> Any:
    """What the bytes of each accepted picture say."""
    store = Containers(offered.root, {})
    names = ("image_id", "container", "offset", "size", "sha256")
    rows = list(zip(*(manifest.column(name).tolist() for name in names), strict=True))

    def look(one: tuple[str, str, int, int, str]) -> _Look:
        image_id, container, offset, size, sha256 = one
        try:
            size = size or (offered.root / container).stat().st_size
            if size > MAX_BYTES:
                return _Look(size, "", 0, 0, f"has {size} bytes, more than the {MAX_BYTES} allowed: left out")
            data = store.read(container, offset, size, keep=offset > 0, row=image_id)
        except OSError as error:
            return _Look(0, "", 0, 0, f"{container} cannot be read ({error.strerror}): left out")
        except BadInput as error:
            return _Look(0, "", 0, 0, f"{container} {error.reason}: left out")
        digest = hashlib.sha256(data).hexdigest()
        if sha256 and digest != sha256:
            return _Look(
                size, digest, 0, 0, f"its bytes have changed (SHA-256 {digest[:12]}, not {sha256[:12]}): left out"
            )
        try:
            header = read_header(data)
        except BadImage as error:
            return _Look(size, digest, 0, 0, f"{error.reason}: left out")
        return _Look(size, digest, header.width, header.height, "")

    return map_ahead(look, rows, _WORKERS)


def _dataset(offered: Candidates, manifest: Manifest, out: Path) -> Dataset:
    if offered.about:
        return Dataset(offered.root, manifest, offered.about)
    text = f"Built from {offered.where.name}: the pictures that people agreed on"
    return Dataset(offered.root, manifest, describe(out.name, text, manifest, folder(offered.root)))


def _remedy(problems: list[Problem]) -> str:
    return f"{problems[0].image_id} {problems[0].reason}" if problems else "Collect more votes"
