"""What reading some pictures and files has shown, as columns, and as a file that is read again after a stop."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset.reports import Problem
from topfive.records import replacing

State = tuple[int, int]
"""Size and time of change (ns) of a file when it was read."""


@dataclass(frozen=True)
class Seen:
    """Of n pictures `digest` bytes [n, 32] (raw SHA-256, empty where unread), `width` and `height` int32 [n], and
    `reasons` by place; of whole files their `digests` (SHA-256 in hexadecimal) and `problems`.

    `states` are those of the files that were read. `broken` says of a file how many bytes of it could be read, and why
    no more. `readable` is false where a disk or a store failed: to be read again, though no file has changed.
    """

    digest: NDArray[np.bytes_]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    reasons: dict[int, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    readable: bool = True

    @classmethod
    def nothing(cls, n: int) -> Seen:
        """Of n pictures that are not read yet."""
        return cls(np.zeros(n, "S32"), np.zeros(n, np.int32), np.zeros(n, np.int32))

    def put(self, rows: NDArray[np.int64], part: Seen) -> None:
        """Take over what a part has shown, whose pictures are these rows here."""
        self.digest[rows], self.width[rows], self.height[rows] = part.digest, part.width, part.height
        self.reasons.update({int(rows[place]): reason for place, reason in part.reasons.items()})
        self.digests.update(part.digests)

    def write(self, path: Path) -> None:
        """Write all but `broken` durably."""
        files = {"digests": self.digests, "problems": self.problems, "states": self.states}
        table = pa.table(
            {
                "digest": pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(32), len(self.digest), [None, pa.py_buffer(np.ascontiguousarray(self.digest))]
                ),
                "width": pa.array(self.width),
                "height": pa.array(self.height),
                "reason": pa.array([self.reasons.get(place, "") for place in range(len(self.digest))], pa.string()),
            }
        ).replace_schema_metadata({"topfive.files": json.dumps(files)})
        with replacing(path) as aside:
            pq.write_table(table, aside, compression="zstd", write_page_checksum=True)

    @classmethod
    def read(cls, path: Path) -> Seen | None:
        """What `write` wrote; None where there is none or it is damaged."""
        try:
            table = pq.read_table(path, page_checksum_verification=True)
            files = json.loads((table.schema.metadata or {})[b"topfive.files"])
            return cls(
                np.array(table["digest"].to_pylist(), "S32"),
                np.array(table["width"].to_numpy(), np.int32),
                np.array(table["height"].to_numpy(), np.int32),
                {place: reason for place, reason in enumerate(table["reason"].to_pylist()) if reason},
                dict(files["digests"]),
                [Problem(*problem) for problem in files["problems"]],
                {name: (int(size), int(changed)) for name, (size, changed) in files["states"].items()},
            )
        except (OSError, KeyError, ValueError, TypeError, pa.ArrowException):
            return None
