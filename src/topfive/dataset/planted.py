"""What was planted in a twin: `planted.parquet`, the key to its troubles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from topfive.dataset._twin_plan import KINDS
from topfive.records import BadInput, replacing, unreadable

_FILE = "planted.parquet"
_SCHEMA = pa.schema(
    {
        "image_id": pa.string(),
        "split": pa.string(),
        "kind": pa.string(),
        "class_index": pa.int32(),
        "true_classes": pa.list_(pa.int32()),
        "partner": pa.string(),
        "detail": pa.string(),
    }
)


@dataclass(frozen=True)
class Planted:
    """One row a planted fact: a picture that is a copy and is mislabelled has two.

    `kind` is one of label_error_class, label_error_picture, two_labels, no_label, duplicate_exact, duplicate_near;
    `class_index` int32 is the label as given, `true_classes` the right ones; `partner` is the image_id that a
    duplicate copies, else ""; `detail` says how. `classes` is the ClassList's digest.
    """

    classes: str
    image_id: NDArray[np.object_]
    split: NDArray[np.object_]
    kind: NDArray[np.object_]
    class_index: NDArray[np.int32]
    true_classes: tuple[tuple[int, ...], ...]
    partner: NDArray[np.object_]
    detail: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.image_id)

    def take(self, rows: NDArray[np.bool_]) -> Planted:
        """The rows where this mask is true."""
        return Planted(
            classes=self.classes,
            image_id=self.image_id[rows],
            split=self.split[rows],
            kind=self.kind[rows],
            class_index=self.class_index[rows],
            true_classes=tuple(self.true_classes[row] for row in np.flatnonzero(rows)),
            partner=self.partner[rows],
            detail=self.detail[rows],
        )

    def ids(self, kind: str, split: str | None = None) -> tuple[str, ...]:
        """The image ids of one kind (of one split); `label_error` stands for both kinds of label error."""
        if kind not in (*KINDS, "label_error"):
            raise BadInput(f"is no kind of planting: {kind!r}", where="kind", fix=f"Kinds: {', '.join(KINDS)}")
        wanted = np.array([name == kind or name.startswith(f"{kind}_") for name in self.kind], dtype=bool)
        if split is not None:
            wanted &= self.split == split
        return tuple(str(image_id) for image_id in self.image_id[wanted])

    def write(self, path: Path) -> None:
        """Write `planted.parquet` durably."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in _SCHEMA.names}
        arrays = [pa.array(columns[name], type=_SCHEMA.field(name).type) for name in _SCHEMA.names]
        table = pa.table(arrays, schema=_SCHEMA.with_metadata({"topfive.classes": self.classes}))
        with replacing(path) as part:
            pq.write_table(table, part, compression="zstd")


def read_planted(folder: Path) -> Planted:
    """Read `planted.parquet` of a twin's folder (or that file itself); raises BadInput where there is none."""
    path = Path(folder)
    path = path / _FILE if path.is_dir() else path
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(
            "what was planted",
            path,
            error,
            fix="Only a twin has it, and its test rows move to the vault when labels are sealed",
        ) from error
    digest = (table.schema.metadata or {}).get(b"topfive.classes", b"").decode()
    if not table.schema.remove_metadata().equals(_SCHEMA) or not digest:
        raise BadInput("has other columns than planted.parquet", where=path, fix="Make the twin again")
    kinds = np.array(table["kind"].to_pylist(), dtype=object)
    unknown = [row for row, kind in enumerate(kinds) if kind not in KINDS]
    if unknown:
        raise BadInput(f"has the unknown kind {kinds[unknown[0]]!r}", where=path, row=unknown[0])
    text = {
        name: np.array(table[name].to_pylist(), dtype=object) for name in ("image_id", "split", "partner", "detail")
    }
    return Planted(
        classes=digest,
        kind=kinds,
        class_index=np.asarray(table["class_index"].to_numpy(), dtype=np.int32),
        true_classes=tuple(tuple(labels) for labels in table["true_classes"].to_pylist()),
        **text,
    )
