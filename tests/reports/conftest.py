"""A made-up challenge: plainly test data in the shape of real data, with hostile names where people write names."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from topfive.records import Board, BoardRow, Claim, Published
from topfive.reports import (
    Confusion,
    ImageNetAudit,
    Label,
    LabelAudit,
    LabelPair,
    Making,
    PairTest,
    Picture,
    PlantedKind,
    ReportContent,
    SetFacts,
    WorstClass,
    render_report,
)

HOSTILE = "<script>document.title='owned'</script>"

PUBLISHED = [
    # name, year, kind, metric, value, edition, split, protocol
    ("NEC-UIUC", 2010, "winner", "top5_error", 0.28191, "ILSVRC2010", "test", "several features, combined"),
    ("XRCE", 2010, "entry", "top5_error", 0.33649, "ILSVRC2010", "test", "Fisher vectors"),
    ("XRCE", 2011, "winner", "top5_error", 0.25770, "ILSVRC2011", "test", "Fisher vectors, late fusion"),
    ("SuperVision", 2012, "winner", "top5_error", 0.15315, "ILSVRC2012", "test", "7 networks, extra data"),
    ("SuperVision, supplied data", 2012, "entry", "top5_error", 0.16422, "ILSVRC2012", "test", "5 networks"),
    ("AlexNet", 2012, "entry", "top5_error", 0.182, "ILSVRC2012", "val", "1 network, 10 crops"),
    ("ISI", 2012, "entry", "top5_error", 0.26172, "ILSVRC2012", "test", "4 Fisher-vector systems"),
    ("Clarifai", 2013, "winner", "top5_error", 0.11197, "ILSVRC2013", "test", "several networks, outside data"),
    ("ZF", 2013, "entry", "top5_error", 0.13511, "ILSVRC2013", "test", "5 networks"),
    ("GoogLeNet", 2014, "winner", "top5_error", 0.06656, "ILSVRC2014", "test", "7 networks, 144 crops"),
    ("VGG", 2014, "entry", "top5_error", 0.07325, "ILSVRC2014", "test", "7 networks, dense"),
    ("ResNet", 2015, "winner", "top5_error", 0.03567, "ILSVRC2015", "test", "6 networks, dense"),
    ("ResNet-152", 2015, "entry", "top5_error", 0.0449, "ILSVRC2012", "val", "1 network, dense"),
    ("Trimps-Soushen", 2016, "winner", "top5_error", 0.02991, "ILSVRC2016", "test", "ensemble"),
    ("SENet", 2017, "winner", "top5_error", 0.02251, "ILSVRC2017", "test", "ensemble"),
    ("SENet-154", 2017, "entry", "top5_error", 0.0447, "ILSVRC2012", "val", "1 network, 1 crop"),
    ("Human", 2014, "human", "top5_error", 0.051, "ILSVRC2012-2014", "test", "one trained person"),
    ("NEC-UIUC", 2010, "entry", "top1_error", 0.471, "ILSVRC2010", "test", "several features, combined"),
    ("AlexNet", 2012, "entry", "top1_error", 0.407, "ILSVRC2012", "val", "1 network, 10 crops"),
    ("ZFNet", 2013, "entry", "top1_error", 0.36, "ILSVRC2012", "val", "6 networks"),
    ("VGG", 2014, "entry", "top1_error", 0.237, "ILSVRC2012", "val", "2 networks, dense"),
    ("ResNet-152", 2015, "entry", "top1_error", 0.1938, "ILSVRC2012", "val", "1 network, dense"),
    ("SENet-154", 2017, "entry", "top1_error", 0.1868, "ILSVRC2012", "val", "1 network, 1 crop"),
    ("Noisy Student", 2020, "entry", "top1_error", 0.116, "ILSVRC2012", "val", "extra images"),
    ("ViT-H/14", 2020, "entry", "top1_error", 0.1145, "ILSVRC2012", "val", "JFT-300M"),
    ("CLIP zero-shot", 2021, "entry", "top1_error", 0.238, "ILSVRC2012", "val", "no ImageNet labels"),
    ("EfficientNetV2-XL", 2021, "entry", "top1_error", 0.127, "ILSVRC2012", "val", "ImageNet-21k"),
    ("ViT-G/14", 2021, "entry", "top1_error", 0.0955, "ILSVRC2012", "val", "JFT-3B"),
    ("CoCa", 2022, "entry", "top1_error", 0.09, "ILSVRC2012", "val", "JFT-3B and ALIGN"),
    ("BASIC-L, Lion", 2023, "entry", "top1_error", 0.089, "ILSVRC2012", "val", "extra data"),
    ("DINOv2 g/14 linear", 2023, "entry", "top1_error", 0.135, "ILSVRC2012", "val", "frozen features"),
    ("DINOv3 7B linear", 2025, "entry", "top1_error", 0.116, "ILSVRC2012", "val", "frozen features"),
    ("original against ReaL labels", 2020, "agreement", "top1_error", 0.099772, "ILSVRC2012", "val", "46,837 images"),
    ("original against votes", 2021, "agreement", "top5_error", 0.0583, "ILSVRC2012", "val", "50,000 images"),
]

SYSTEMS = [
    # system, year, title, top1, interval, top5, interval, seconds
    ("linear_probe", 2021, "Frozen EfficientNet-Lite0", 41, (0.0304, 0.0552), 0, (0.0, 0.00383), 21.4),
    ("ensemble", 2016, "Ensemble of the runs before it", 129, (0.1096, 0.1512), 14, (0.0084, 0.0234), 3.2),
    ("resnet", 2015, "Residual network", 141, (0.1208, 0.1640), 16, (0.0099, 0.0258), 44.0),
    ("alexnet", 2012, "AlexNet", 263, (0.2367, 0.2912), 41, (0.0304, 0.0552), 38.7),
    ("sift_fisher", 2010, "Dense SIFT, Fisher vectors, SVM", 394, (0.3642, 0.4246), 88, (0.0720, 0.1072), 17.9),
]

CLASSES = [
    Label("n02229544", "cricket"),
    Label("n02226429", "grasshopper"),
    Label("n02123045", "tabby"),
    Label("n02123159", "tiger cat"),
    Label("n03642806", "laptop"),
    Label("n03832673", HOSTILE),
]


def drawn(seed: int, size_px: int = 96) -> bytes:
    """A picture of a few shapes."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size_px, size_px), tuple(int(v) for v in rng.integers(120, 230, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = (int(v) for v in rng.integers(0, size_px - 30, 2))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + 34, y + 28), fill=tuple(int(v) for v in rng.integers(20, 220, 3)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def published() -> tuple[Published, ...]:
    """Winners, entries, the human level and agreement levels."""
    found = []
    for name, year, kind, metric, value, edition, split, protocol in PUBLISHED:
        claim = Claim(metric, value, edition, split, protocol, "made up for the tests")  # type: ignore[arg-type]
        interval = (0.041, 0.063) if kind == "human" else (0.0971, 0.1025) if metric == "top1_error" else None
        known = interval if kind in ("human", "agreement") else None
        note = "n = 1,500" if kind == "human" else ""
        found.append(Published(name, year, kind, claim, known, note))  # type: ignore[arg-type]
    return tuple(found)


def board() -> Board:
    """Five systems, best first; the best has no top-5 error."""
    rows = []
    for rank, (system, year, title, top1, top1_interval, top5, top5_interval, seconds) in enumerate(SYSTEMS, start=1):
        claim = Claim("top5_error", 0.153, "ILSVRC2012", "test", "7 networks", "made up for the tests")
        rows.append(
            BoardRow(
                rank=rank,
                rank_interval=(2, 3) if rank in (2, 3) else (rank, rank),
                system=system,
                year=year,
                title=title,
                run=f"{system}-{rank:010x}",
                top1_error=top1 / 1000,
                top5_error=top5 / 1000,
                top1_error_interval=top1_interval,
                top5_error_interval=top5_interval,
                n=1000,
                seconds=seconds,
                published_top5_error=claim.value if system == "alexnet" else None,
                published=claim.to_json() if system == "alexnet" else None,
                contaminated="no",
            )
        )
    reference = {"human": None, "chance": {"top1_error": 0.95, "top5_error": 0.75}, "published": [], "agreement": []}
    return Board("Test challenge on a synthetic twin", tuple(rows), reference, {"n_classes": 20})


def suspects() -> tuple[Picture, ...]:
    """Pictures whose label and guess differ."""
    notes = ("planted: near synset", "planted: from the picture", "not planted", "planted: two right labels")
    return tuple(
        Picture(f"test_{i:04d}", drawn(i), CLASSES[i % 6], CLASSES[(i + 1) % 6], notes[i % 4]) for i in range(12)
    )


def content(**changes: object) -> ReportContent:
    """The whole page; `changes` replaces parts."""
    confusions = tuple(
        Confusion(
            "resnet",
            CLASSES[i],
            CLASSES[(i + 1) % 6],
            14 - i,
            50,
            tuple(Picture(f"t{i}{j}", drawn(10 * i + j), CLASSES[i], CLASSES[(i + 1) % 6]) for j in range(4)),
        )
        for i in range(6)
    )
    parts: dict[str, object] = {
        "board": board(),
        "published": published(),
        "dataset": SetFacts(
            "twin-20-0",
            20,
            {"train": 2000, "val": 400, "test": 1000},
            True,
            "Tuned: texture contrast and the share of occluded pictures, until each system erred between 2 % and 80 %.",
        ),
        "making": Making(
            "topfive run --out runs/main --seed 0",
            0,
            187.4,
            "2026-11-24 09:00 UTC",
            tuple(row.run for row in board().rows),
            "2 CPU cores",
            {"topfive": "0.1.0", "numpy": "2.4.6", "torch": "2.14.1"},
        ),
        "tests": (
            PairTest("linear_probe", "ensemble", -0.088, (-0.110, -0.066), 1e-12, 122, True),
            PairTest("ensemble", "resnet", -0.012, (-0.029, 0.005), 0.18, 81, False),
            PairTest("resnet", "alexnet", -0.122, (-0.149, -0.095), 1e-15, 214, True),
            PairTest("alexnet", "sift_fisher", -0.131, (-0.163, -0.099), 2e-14, 280, True),
        ),
        "order_note": "Four of five places are apart; ensemble and resnet tie.",
        "confusions": confusions,
        "label_audit": LabelAudit(
            "test",
            1000,
            71,
            0.063,
            "Confident learning, prune by noise rate, on probabilities of the ensemble.",
            0.831,
            (0.727, 0.901),
            (
                PlantedKind("label error among near synsets", 42, 35, 0.833, (0.693, 0.917)),
                PlantedKind("label error from the picture", 18, 11, 0.611, (0.386, 0.797)),
                PlantedKind("two right labels", 30, 9, 0.3, (0.167, 0.479)),
                PlantedKind("no right label", 0, 0, None),
            ),
            suspects(),
        ),
        "imagenet": ImageNetAudit(
            46837,
            7443,
            3163,
            0.900228,
            (0.8975, 0.9029),
            "Reassessed labels as timm carries them.",
            (
                WorstClass(Label("n04392985", "tape player"), 33, 40),
                WorstClass(Label("n02113712", "miniature poodle"), 27, 44),
                WorstClass(Label("n04525038", "velvet"), 17, 29),
                WorstClass(Label("n02123159", "tiger cat"), 27, 47),
            ),
            (
                LabelPair(Label("n03179701", "desk"), Label("n03782006", "monitor"), 148),
                LabelPair(Label("n04355933", "sunglass"), Label("n04356056", "sunglasses"), 153),
                LabelPair(Label("n03642806", "laptop"), Label("n03832673", "notebook"), 135),
            ),
        ),
    }
    return ReportContent(**(parts | changes))  # type: ignore[arg-type]


@pytest.fixture(name="content", scope="session")
def content_fixture() -> ReportContent:
    """The made-up challenge."""
    return content()


@pytest.fixture
def make_content() -> Callable[..., ReportContent]:
    """The made-up challenge with some parts replaced."""
    return content


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Draws a JPEG from a seed and a size."""
    return drawn


@pytest.fixture
def hostile() -> str:
    """A class name that is a script."""
    return HOSTILE


@pytest.fixture(scope="session")
def page(content: ReportContent) -> str:
    """The report of the made-up challenge, rendered once."""
    return render_report(content)
