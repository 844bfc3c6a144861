"""ImageNet's siblings, each by its own protocol: which classes count, which two figures there are, what is clean.

A set is named, never guessed: V2, Sketch and the watermarked set have the 1,000 wnids of val, and another set may have
200 classes as A and R do. What is named is then held against the set's own wnids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from topfive.flows.truths import read_truth
from topfive.records import BadInput, ClassList, Dataset, Predictions, Truth, unreadable


@dataclass(frozen=True)
class Sibling:
    """A set whose pictures are labelled with some of ILSVRC's classes; `subset` is timm's list of those, or None."""

    title: str
    source: str
    subset: str | None = None


SIBLINGS: dict[str, Sibling] = {
    "v2": Sibling("ImageNet-V2", "Recht et al. 2019, arXiv 1902.10811"),
    "sketch": Sibling("ImageNet-Sketch", "Wang et al. 2019, arXiv 1905.13549"),
    "a": Sibling("ImageNet-A", "Hendrycks et al. 2021, arXiv 1907.07174", "imagenet_a_synsets.txt"),
    "r": Sibling("ImageNet-R", "Hendrycks et al. 2021, arXiv 2006.16241", "imagenet_r_synsets.txt"),
}
"""Those that `score_sibling` scores; O, W, C and ObjectNet have functions of their own."""

CARTON = "n02971356"
"""The class whose watermark ImageNet-W (Li et al. 2023, arXiv 2212.04825) puts on every picture."""


def score_sibling(
    name: str,
    predictions: Path,
    truth: Path,
    *,
    split: str = "val",
    clean: tuple[Path, Path] | None = None,
) -> dict[str, Any]:
    """Score a set of SIBLINGS among its own classes and among all of the model's.

    `clean` are the same model's predictions on val and val itself: its pictures of the same classes are scored in the
    same two ways beside. Raises BadInput for a set with a class that the named sibling has not.
    """
    from topfive import scoring

    sibling = _named(name)
    made, labels = Predictions.read(predictions), read_truth(truth, split)
    official = official_classes(name)
    subset = official or labels.classes
    result = scoring.both_ways(made, scoring.with_classes(labels, subset, truth), predictions).to_json()
    result = {"sibling": name, "title": sibling.title, "source": sibling.source} | result
    result["subset"] = "official" if official is not None else "the set's own folders"
    if clean is not None:
        val = scoring.only_classes(read_truth(clean[1], split), subset)
        result["clean"] = scoring.both_ways(Predictions.read(clean[0]), val, clean[0]).to_json()
    return result


def official_classes(name: str) -> ClassList | None:
    """The classes of a sibling in sorted order: ILSVRC's, or those of them that timm's wheel lists.

    None where that list is not installed. timm is read as data, never imported.
    """
    from topfive import taxonomy

    every, subset = taxonomy.ilsvrc_classes(), _named(name).subset
    if subset is None:
        return every
    found = find_spec("timm")
    path = None if found is None or found.origin is None else Path(found.origin).parent / "data" / "_info" / subset
    if path is None or not path.is_file():
        return None
    return _of_ilsvrc(sorted(path.read_text(encoding="ascii").split()), path)


def score_objectnet(predictions: Path, dataset: Path, mappings: Path, *, split: str = "val") -> dict[str, Any]:
    """Score ObjectNet (Barbu et al. 2019) on its folders that ImageNet has, with the release's own folder `mappings`.

    `dataset` is the import of `objectnet-1.0/images`. A folder may stand for several ImageNet classes: any of them is
    right. Pictures of folders without one are left out and counted in `dropped`.
    """
    from topfive import scoring

    truth = objectnet_truth(Dataset.read(dataset), mappings, split)
    result = scoring.both_ways(Predictions.read(predictions), truth, predictions).to_json()
    about = {"sibling": "objectnet", "title": "ObjectNet", "source": "Barbu et al. 2019, NeurIPS", "subset": "official"}
    return about | result


def objectnet_truth(dataset: Dataset, mappings: Path, split: str = "val") -> Truth:
    """The allowed ImageNet classes of each picture, in the list of all that any folder is mapped to.

    ObjectNet writes an ImageNet class as WordNet's synonyms, joined by commas; each must be those of exactly one class.
    Raises BadInput for a mapping that names none or two, and for a folder that the mapping does not know.
    """
    from topfive import taxonomy

    every, graph = taxonomy.ilsvrc_classes(), taxonomy.wordnet()
    by_words: dict[frozenset[str], list[str]] = {}
    for wnid in every.wnids:
        words = frozenset(lemma.replace("_", " ").casefold() for lemma in graph.lemmas(wnid))
        by_words.setdefault(words, []).append(wnid)
    labels = _read_json(mappings / "folder_to_objectnet_label.json")
    names = _read_json(mappings / "objectnet_to_imagenet_1k.json")
    wnids: dict[str, list[str]] = {}
    for label, classes in names.items():
        wnids[label] = []
        for written in classes.split("; "):
            found = by_words.get(frozenset(word.strip().casefold() for word in written.split(",")), [])
            if len(found) != 1:
                raise BadInput(
                    f"{written!r} names {len(found)} of ILSVRC's classes, not one",
                    where=mappings / "objectnet_to_imagenet_1k.json",
                    row=f"label {label!r}",
                )
            wnids[label].append(found[0])
    strange = [folder for folder in dataset.classes.wnids if folder not in labels]
    if strange:
        raise BadInput(
            f"has {len(strange)} folders that are not ObjectNet's, the first is {strange[0]!r}",
            where=dataset.root,
            fix=f"Import the release's folder images; {mappings.name} is read beside it",
        )
    classes = _of_ilsvrc(sorted({wnid for found in wnids.values() for wnid in found}), mappings)
    rows = dataset.manifest.rows(split)
    allowed = [[classes.index[w] for w in wnids.get(labels[folder], [])] for folder in dataset.classes.wnids]
    sets = [allowed[index] if index >= 0 else [] for index in rows.class_index.tolist()]
    return Truth.from_sets(rows.ids, sets, classes, "objectnet")


def score_outliers(
    predictions: Path,
    dataset: Path,
    inside: tuple[Path, Path],
    *,
    classes: Path | None = None,
    split: str = "val",
    seed: int = 0,
) -> dict[str, Any]:
    """ImageNet-O (Hendrycks et al. 2021): tell its pictures from val's by the anomaly score; the area under the curve.

    `inside` are the same model's predictions on val and val itself, of which the pictures of `classes` count: a file of
    wnids, one a line, else those that O's own folders name, else the classes that this val has. Raises BadInput where a
    class is not among the model's.
    """
    from topfive import scoring

    outside, within = Predictions.read(predictions), Predictions.read(inside[0])
    strange = Dataset.read(dataset)
    scoring.require_same_ids(outside, strange.manifest.rows(split).ids, predictions)
    val = read_truth(inside[1], split)
    own = _known_classes(strange) if classes is None else None
    subset = own or val.classes if classes is None else _of_ilsvrc(_wnids(classes), classes)
    truth = scoring.only_classes(val, subset)
    scoring.require_same_ids(within, truth.ids, inside[0])
    kept = {image_id for image_id, n in zip(truth.ids, truth.n_labels.tolist(), strict=True) if n}
    if not kept:
        raise BadInput(
            "has no picture of these classes", where=inside[1], fix="Name the classes of val that O is about"
        )
    found = scoring.outliers(outside, _taken(within, kept), subset, seed=seed, where=(predictions, inside[0])).to_json()
    about = {"sibling": "o", "title": "ImageNet-O", "source": "Hendrycks et al. 2021, arXiv 1907.07174"}
    said = "the classes of val here" if own is None else "the set's own folders"
    return about | {"subset": said if classes is None else "given"} | found


def _known_classes(outliers: Dataset) -> ClassList | None:
    """The classes that ImageNet-O's folders name, those that its pictures are taken for; None where none is ILSVRC's.

    Raises BadInput where some are and some are not: nobody can say then what the folders mean.
    """
    from topfive import taxonomy

    every, wnids = taxonomy.ilsvrc_classes(), sorted(outliers.classes.wnids)
    strange = [wnid for wnid in wnids if wnid not in every.index]
    if len(strange) == len(wnids):
        return None
    if strange:
        raise BadInput(
            f"has {len(wnids) - len(strange)} folders of ILSVRC's classes and {len(strange)} of others, the first is "
            f"{strange[0]}",
            where=outliers.root,
            fix="Name the classes of val that count with --classes FILE",
        )
    return _of_ilsvrc(wnids, outliers.root)


def score_watermark(
    marked: Path, truth: Path, clean: Path, *, wnid: str = CARTON, split: str = "val", seed: int = 0
) -> dict[str, Any]:
    """ImageNet-W: what the watermark on every picture does, against the same pictures without it.

    `truth` is val; both predictions are of its pictures, under one View.
    """
    from topfive import scoring

    pair = Predictions.read(marked), Predictions.read(clean)
    scoring.require_one_view([side.view for side in pair], (marked, clean))
    labels = read_truth(truth, split)
    found = scoring.shortcut(*pair, labels, wnid, seed=seed, where=(marked, clean)).to_json()
    return {"sibling": "w", "title": "ImageNet-W", "source": "Li et al. 2023, arXiv 2212.04825"} | found


def score_released_corruptions(
    predictions: Path,
    dataset: Path,
    *,
    split: str = "val",
    clean: tuple[Path, Path] | None = None,
    baseline: Path | None = None,
) -> dict[str, Any]:
    """ImageNet-C on the released JPEGs: errors by corruption and severity, and mCE against AlexNet where all are there.

    `clean` are predictions on val and val itself. `baseline` is JSON of a mean error (a fraction) for each of the 15
    corruptions, in AlexNet's place.
    """
    from topfive import scoring

    rows = Dataset.read(dataset).manifest.rows(split)
    places = pc.extract_regex(
        rows.table["source"].combine_chunks(), pattern=r"(?:^|/)(?P<kind>[a-z_]+)/(?P<severity>[1-5])/n[0-9]{8}/[^/]+$"
    )
    if places.null_count:
        first = rows.ids[int(np.flatnonzero(places.is_null().to_numpy(zero_copy_only=False))[0])]
        raise BadInput(
            f"image {first!r} lies under no corruption and severity",
            where=dataset,
            fix="Import the released folders: corruption/severity/wnid/picture",
        )
    wrong = ~scoring.mark(Predictions.read(predictions), read_truth(dataset, split), where=predictions).correct(1)
    against = None if baseline is None else _baseline(baseline)
    found = scoring.CorruptionErrors(
        scoring.RELEASED, _cells(places, wrong), None if clean is None else _clean(clean, split), against
    )
    return {"sibling": "c", "title": "ImageNet-C", "source": "Hendrycks and Dietterich 2019"} | found.to_json()


def _cells(places: pa.StructArray, wrong: Any) -> dict[tuple[str, int], Any]:
    from topfive import scoring

    coded = pc.binary_join_element_wise(places.field("kind"), places.field("severity"), "/").dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False)
    n, failed = np.bincount(code), np.bincount(code, weights=wrong)
    cells = {}
    for at, name in enumerate(coded.dictionary.to_pylist()):
        kind, _, severity = name.rpartition("/")
        cells[kind, int(severity)] = scoring.Cell(int(failed[at]), int(n[at]))
    return cells


def _clean(clean: tuple[Path, Path], split: str) -> Any:
    from topfive import scoring

    right = scoring.mark(Predictions.read(clean[0]), read_truth(clean[1], split), where=clean[0]).correct(1)
    return scoring.Cell(int(np.count_nonzero(~right)), len(right))


def _baseline(path: Path) -> Mapping[str, float]:
    from topfive import scoring

    found = _read_json(path, float)
    scoring.check_baseline(found, str(path))
    return found


def _named(name: str) -> Sibling:
    if name not in SIBLINGS:
        raise BadInput(f"is no sibling: {name!r}", where="sibling", fix=f"Use {', '.join(SIBLINGS)}")
    return SIBLINGS[name]


def _of_ilsvrc(wnids: list[str], where: Path) -> ClassList:
    """These wnids with their names; raises BadInput for one that is none of ILSVRC's."""
    from topfive import taxonomy

    every = taxonomy.ilsvrc_classes()
    strange = [wnid for wnid in wnids if wnid not in every.index]
    if strange:
        raise BadInput(f"{strange[0]} is none of ILSVRC's 1,000 classes", where=where)
    found = ClassList(tuple(wnids), tuple(every.names[every.index[wnid]] for wnid in wnids))
    found.check(where)
    return found


def _wnids(path: Path) -> list[str]:
    """The first word of each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable("a list of wnids", path, error) from error
    return [line.split()[0] for line in lines if line.strip()]


def _taken(predictions: Predictions, ids: set[str]) -> Predictions:
    rows = np.array([row for row, image_id in enumerate(predictions.ids) if image_id in ids], dtype=np.int64)
    return Predictions(
        tuple(predictions.ids[row] for row in rows),
        predictions.top_index[rows],
        predictions.top_score[rows],
        predictions.classes,
        predictions.view,
        predictions.system,
        predictions.run,
        None if predictions.logits is None else predictions.logits[rows],
    )


def _read_json(path: Path, kind: type = str) -> dict[str, Any]:
    """A JSON object whose values are all of one kind."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable("JSON", path, error) from error
    if not isinstance(value, dict) or not all(type(item) is kind for item in value.values()):
        raise BadInput(f"is no JSON object of names and {kind.__name__} values", where=path)
    return value
