"""Looking at every picture of a set and at its files, in parts, on as many cores as there are."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import NamedTuple

from topfive.dataset.ahead import map_ahead
from topfive.dataset.behind import Behind
from topfive.dataset.parts import FilePart
from topfive.dataset.partway import Partway
from topfive.dataset.passes import Pass, Picture
from topfive.dataset.pieces import Part, Pieces
from topfive.dataset.reports import Problem
from topfive.dataset.seen import Seen
from topfive.loading import Later, decode, run_parts
from topfive.records import BadInput, Dataset, Progress


def look(
    dataset: Dataset,
    plan: Sequence[FilePart],
    kept: Partway,
    published: Mapping[str, str],
    *,
    workers: int,
    cluster: str,
    progress: Progress,
) -> Seen:
    """What all parts of a set have shown, with their problems in the order of the plan.

    A part that was `kept` is not read; others are read by `run_parts` and kept. The digest of an archive in ranges is
    made behind them in this process.
    """
    pieces = Pieces(dataset)

    def part_of(part: FilePart) -> Part:
        return Part(pieces.of(part.rows, part.files), part.whole)

    cut = Later(part_of, plan)
    before = {at: seen for at in range(len(plan) if kept.some else 0) if (seen := kept.read(cut[at], published))}
    todo = [part for at, part in enumerate(plan) if at not in before and not part.behind]
    results = run_parts(partial(look_at, published), Later(part_of, todo), workers=workers, cluster=cluster)
    archives = {plan[at].files[0]: cut[at].piece for at in range(len(plan)) if plan[at].behind and at not in before}
    found = _Found(dataset, plan)
    late: deque[tuple[int, Future[Seen]]] = deque()

    def keep(at: int, seen: Seen) -> Seen:
        kept.keep(cut[at], published, seen)
        return seen

    progress("verifying", 0, len(dataset.manifest), "images")
    with Behind(archives, published) as behind, closing(results):
        for at, part in enumerate(plan):
            if part.behind and at not in before:
                late.append((at, behind.finish(part.files[0])))
            else:
                found.take(at, before.pop(at) if at in before else keep(at, next(results)))
                if part.files[0] in archives:
                    behind.follow(part.files[0], found.upto(part))
                progress("verifying", found.n_done, len(dataset.manifest), "images")
            while late and (late[0][1].done() or at == len(plan) - 1):
                digest, made = late.popleft()
                found.take(digest, keep(digest, made.result()))
    return found.whole()


def look_at(published: Mapping[str, str], part: Part, threads: int) -> Seen:
    """What one part of a set shows; its pictures are hashed and decoded by so many threads."""
    dataset, whole = part
    manifest = dataset.manifest
    reading = Pass(dataset, published)
    digests, widths, heights = (manifest.column(name) for name in ("sha256", "width", "height"))

    def one(picture: Picture) -> _Looked:
        row, data, reason = picture
        if reason:
            return _Looked(row, b"", 0, 0, reason)
        try:
            data = reading.own_file(row) if data is None else data
        except BadInput as error:
            return _Looked(row, b"", 0, 0, f"{error.where}: {error.reason}")
        digest = hashlib.sha256(data)
        if digests[row] and digest.hexdigest() != digests[row]:
            now, then = digest.hexdigest()[:12], digests[row][:12]
            return _Looked(row, digest.digest(), 0, 0, f"its bytes have changed (SHA-256 {now}, imported as {then})")
        try:
            height, width, _ = decode(data).shape
        except BadInput as error:
            return _Looked(row, digest.digest(), 0, 0, error.reason)
        if widths[row] and (width, height) != (widths[row], heights[row]):
            reason = f"has {width} x {height} px, and the manifest says {widths[row]} x {heights[row]}"
        return _Looked(row, digest.digest(), width, height, reason)

    looked = Seen.nothing(len(manifest))
    for row, digest, width, height, reason in map_ahead(one, reading.pictures(whole=whole), threads):
        looked.digest[row], looked.width[row], looked.height[row] = digest, width, height
        if reason:
            looked.reasons[row] = reason
    return reading.told(looked)


class _Looked(NamedTuple):
    """What a picture's bytes say; the digest is raw."""

    row: int
    digest: bytes
    width: int
    height: int
    reason: str


class _Found:
    """What the parts of a plan have shown, in whatever order they come."""

    def __init__(self, dataset: Dataset, plan: Sequence[FilePart]) -> None:
        self._plan = plan
        self._end = dataset.manifest.column("offset") + dataset.manifest.column("size")
        self._seen = Seen.nothing(len(dataset.manifest))
        self._problems: dict[int, list[Problem]] = {}
        self._broken: dict[str, tuple[int, str]] = {}
        self.n_done = 0

    def take(self, at: int, seen: Seen) -> None:
        """Add a part."""
        self._seen.put(self._plan[at].rows, seen)
        self._problems[at] = seen.problems
        self._broken.update(seen.broken)
        self.n_done += len(self._plan[at].rows)

    def upto(self, part: FilePart) -> int:
        """Where the last picture of a range ends."""
        return int(self._end[part.rows].max())

    def whole(self) -> Seen:
        """All of it. Of an archive that could not be read to its end no picture past that place counts as read, as
        where one process reads it from front to back."""
        for part in self._plan:
            upto, reason = self._broken.get(part.files[0], (0, ""))
            late = part.rows[(self._end[part.rows] > upto) & (self._seen.digest[part.rows] != b"")]
            for row in late.tolist() if reason and not part.whole else ():
                self._seen.digest[row], self._seen.width[row], self._seen.height[row] = b"", 0, 0
                self._seen.reasons[row] = reason
        for at in sorted(self._problems):
            self._seen.problems.extend(self._problems[at])
        return self._seen
