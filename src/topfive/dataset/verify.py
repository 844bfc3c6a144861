"""Verify: read every byte of a set again, decode every picture, and name whatever is wrong; nothing is changed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from topfive.dataset.reports import Problem, VerifyReport, n_classes
from topfive.loading import Pictures, decode
from topfive.records import SPLITS, BadInput, Dataset, Progress, counted, silent

_AHEAD = 32
"""Pictures in work beyond those reported: enough to keep the threads busy in flat memory."""


class _Seen(NamedTuple):
    sha256: str
    reason: str


def verify(dataset: Dataset, progress: Progress = silent, *, workers: int = 2) -> VerifyReport:
    """Check every picture of every split; what is wrong with one is a problem of the report, never an exception.

    Named are: a container that is missing, cut short or changed; bytes whose SHA-256 is not the manifest's; a picture
    that does not decode, or is of another size; and a picture whose bytes stand in another split too (the later of
    train, val, test is named).
    """
    manifest = dataset.manifest
    seen: list[_Seen] = []
    seen.extend(counted(_look(Pictures(dataset, manifest), workers), "verifying", len(manifest), progress, "images"))
    again = _across_splits(dataset, [one.sha256 for one in seen])
    problems = []
    for row, (image_id, one) in enumerate(zip(manifest.ids, seen, strict=True)):
        reasons = [reason for reason in (one.reason, again.get(row, "")) if reason]
        if reasons:
            problems.append(Problem(image_id, "; ".join(reasons)))
    return VerifyReport(dataset.root, len(manifest), n_classes(manifest), manifest.splits(), tuple(problems))


def _look(pictures: Pictures, workers: int) -> Iterator[_Seen]:
    digests = pictures.manifest.column("sha256")
    widths = pictures.manifest.column("width")
    heights = pictures.manifest.column("height")

    def look(row: int) -> _Seen:
        try:
            data = pictures.read(row)
        except BadInput as error:
            return _Seen("", f"{error.where}: {error.reason}")
        digest = hashlib.sha256(data).hexdigest()
        if digests[row] and digest != digests[row]:
            return _Seen(digest, f"its bytes have changed (SHA-256 {digest[:12]}, imported as {digests[row][:12]})")
        try:
            height, width, _ = decode(data).shape
        except BadInput as error:
            return _Seen(digest, error.reason)
        if widths[row] and (width, height) != (widths[row], heights[row]):
            return _Seen(digest, f"has {width} x {height} px, and the manifest says {widths[row]} x {heights[row]}")
        return _Seen(digest, "")

    waiting: deque[Future[_Seen]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        for row in range(len(pictures)):
            waiting.append(pool.submit(look, row))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _across_splits(dataset: Dataset, digests: list[str]) -> dict[int, str]:
    """Row to reason for each picture whose bytes an earlier split has too."""
    splits = dataset.manifest.column("split")
    ids = dataset.manifest.ids
    rank = {name: place for place, name in enumerate(dict.fromkeys((*SPLITS, *sorted(set(splits)))))}
    first: dict[str, int] = {}
    reasons = {}
    for row in sorted(range(len(ids)), key=lambda row: (rank[splits[row]], row)):
        if not digests[row]:
            continue
        other = first.setdefault(digests[row], row)
        if splits[other] != splits[row]:
            reasons[row] = f"has the same bytes as {ids[other]} of {splits[other]}"
    return reasons
