"""What a report shows: every number, label and picture is handed in; the report computes none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from topfive.records import Board, Interval, Published


class Label(NamedTuple):
    """A class as people see it: its key and its name."""

    wnid: str
    name: str


@dataclass(frozen=True)
class Picture:
    """An image file as it is stored, the label given with it, and the other label where two disagree."""

    image_id: str
    image: bytes
    given: Label
    guessed: Label | None = None
    note: str = ""


@dataclass(frozen=True)
class SetFacts:
    """The image set that was measured on; `images` maps each split to its number of images.

    `difficulty_note` says what was tuned. A `synthetic` set is called one wherever its results stand.
    """

    name: str
    n_classes: int
    images: Mapping[str, int]
    synthetic: bool
    difficulty_note: str = ""


@dataclass(frozen=True)
class Making:
    """What made the report: the command that makes it again, seed, wall time, run ids, machine, versions."""

    command: str
    seed: int
    seconds: float
    started: str = ""
    runs: tuple[str, ...] = ()
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Confusion:
    """`system` called `n` of the `of` images labelled `given` by the name of `guessed`; pictures of some of them."""

    system: str
    given: Label
    guessed: Label
    n: int
    of: int
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class PairTest:
    """A paired test of two systems on the same images: `difference` is top-1 error of `first` less that of `second`."""

    first: str
    second: str
    difference: float
    interval: Interval
    p_value: float
    n_discordant: int
    separates: bool


@dataclass(frozen=True)
class PlantedKind:
    """One kind of planted noise: `n_found` of `n_planted` are among the suspects.

    `precision` is the share of suspects that are of this kind (None where the audit cannot be blamed by kind).
    """

    kind: str
    n_planted: int
    n_found: int
    recall: float | None
    recall_interval: Interval | None = None
    precision: float | None = None
    precision_interval: Interval | None = None


@dataclass(frozen=True)
class LabelAudit:
    """The audit of the set's own labels, judged against what was planted; `kinds` is empty where nothing is known.

    `method` names the filter and where the probabilities come from. `suspects` are shown in order.
    """

    split: str
    n: int
    n_suspects: int
    noise_rate: float
    method: str
    precision: float | None = None
    precision_interval: Interval | None = None
    kinds: tuple[PlantedKind, ...] = ()
    suspects: tuple[Picture, ...] = ()


class WorstClass(NamedTuple):
    """A class whose original label is not among the reassessed ones for `wrong` of `of` images."""

    label: Label
    wrong: int
    of: int


class LabelPair(NamedTuple):
    """Two classes that are right together on `n` images."""

    first: Label
    second: Label
    n: int


@dataclass(frozen=True)
class ImageNetAudit:
    """ImageNet's own validation labels against the reassessed ones of `source`.

    `n` images have a reassessed label, `n_several` of them more than one, `n_without_label` further ones have none;
    `agreement` is the share of the n whose original label is among the reassessed.
    """

    n: int
    n_several: int
    n_without_label: int
    agreement: float
    agreement_interval: Interval
    source: str
    worst: tuple[WorstClass, ...] = ()
    pairs: tuple[LabelPair, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page. `published` holds winners, entries, human and agreement levels; parts may be missing."""

    board: Board
    published: tuple[Published, ...]
    dataset: SetFacts
    making: Making
    tests: tuple[PairTest, ...] = ()
    order_note: str = ""
    confusions: tuple[Confusion, ...] = ()
    label_audit: LabelAudit | None = None
    imagenet: ImageNetAudit | None = None
