"""What has been published: the contest's winners, other figures, people. They stand beside a board, never in it.

Years are the contest's, or of a paper's first public version. Test sets differ: ILSVRC2010 and 2011 have classes and
pictures of their own, and `val` is not `test`. Where a paper and its retellings differ, the paper counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from topfive.records import Claim, Interval, Published
from topfive.scoring import Agreement, wilson

_RESULTS = "official results pages of the contest, as transcribed"
_RECALLED = "figure recalled, not re-read"
_EXTRA = "extra data"


def _contest(
    name: str, year: int, percent: float, protocol: str, source: str, kind: Literal["winner", "entry"] = "winner"
) -> Published:
    """A result of the contest: top-5 error on the hidden test set of its year."""
    crops, n_networks, extra = _CONDITIONS[name]
    # 2013 to 2017 were held on the classes and test pictures of 2012.
    edition = f"ILSVRC{year}" if year < 2012 else "ILSVRC2012"
    claim = Claim("top5_error", _fraction(percent), edition, "test", protocol, source, crops, n_networks, extra)
    return Published(name, year, kind, claim)


def _paper(metric: Literal["top1", "top5"], figure: tuple[str, int, float], protocol: str, source: str) -> Published:
    """A paper's figure (name, year, percent) on the 50,000 validation images of ILSVRC2012."""
    name, year, percent = figure
    full: Literal["top1_error", "top5_error"] = "top1_error" if metric == "top1" else "top5_error"
    note = _RECALLED if source.endswith("(recalled)") else ""
    crops, n_networks, extra = _CONDITIONS[f"{metric} {name}" if f"{metric} {name}" in _CONDITIONS else name]
    claim = Claim(full, _fraction(percent), "ILSVRC2012", "val", protocol, source, crops, n_networks, extra)
    return Published(name, year, "entry", claim, note=note)


def _person(name: str, wrong: int, n: int, percent: float, training: str) -> Published:
    source = "Russakovsky et al., IJCV 2015, arXiv:1409.0575, section 6.4"
    protocol = f"one trained person, up to five guesses among 1000 classes, {n:,} images of the test set"
    claim = Claim("top5_error", _fraction(percent), "ILSVRC2012", "test", protocol, source, "whole picture", 0)
    return Published(name, 2014, "human", claim, wilson(wrong, n), f"n = {n:,}; one person, {training}")


def _fraction(percent: float) -> float:
    return round(percent / 100, 6)


_CONDITIONS: dict[str, tuple[str, int | None, str]] = {
    "NEC-UIUC": ("whole picture", 0, "none"),
    "XRCE": ("whole picture", 0, "none"),
    "ISI": ("whole picture", 0, "none"),
    "SuperVision": ("10", 5, "none"),
    "SuperVision +": ("10", 7, "ImageNet Fall 2011"),
    "Clarifai": ("?", None, "none"),
    "Clarifai +": ("?", None, "5,000 categories of ImageNet"),
    "ZFNet": ("10", 6, "none"),
    "GoogLeNet": ("144", 7, "none"),
    "VGG": ("dense", 7, "none"),
    "top1 VGG": ("dense, 3 scales, and 150", 2, "none"),
    "PReLU-net": ("multi-scale", None, "none"),
    "ResNet (MSRA)": ("dense, 5 scales", 6, "none"),
    "Trimps-Soushen": ("several scales and crops", None, "none"),
    "SENet (WMW)": ("several scales and crops", None, "none"),
    "AlexNet": ("10", 1, "none"),
    "ResNet-152": ("dense, 5 scales", 1, "none"),
    "SENet-154": ("1", 1, "none"),
    "Inception-v4": ("144", 4, "none"),
    "EfficientNet-B7": ("1", 1, "none"),
    "Noisy Student L2": ("1", 1, "JFT-300M, unlabelled"),
    "Meta Pseudo Labels": ("1", 1, "JFT-300M, unlabelled"),
    "ViT-H/14": ("1", 1, "JFT-300M"),
    "CLIP L/14 336": ("1", 1, "400 M pictures with text"),
    "EfficientNetV2-XL": ("1", 1, "ImageNet-21k"),
    "ViT-G/14": ("1", 1, "JFT-3B"),
    "MAE ViT-H": ("1", 1, "none"),
    "ConvNeXt-XL": ("1", 1, "ImageNet-22k"),
    "CoCa": ("1", 1, "JFT-3B and pictures with text"),
    "BASIC-L + Lion": ("1", 1, "pictures with text"),
    "DINOv2 g/14": ("1", 1, "LVD-142M, without labels"),
    "DINOv3 7B": ("1", 1, "1.7 B pictures, without labels"),
}
"""Crops, number of networks (None: several, 0: no network) and extra data of each published figure by name."""

_WINNERS = (
    _contest("NEC-UIUC", 2010, 28.191, "several features, linear SVMs", "Lin et al., CVPR 2011; " + _RESULTS),
    _contest("XRCE", 2011, 25.770, "compressed Fisher vectors, late fusion", _RESULTS),
    _contest("SuperVision", 2012, 16.422, "5 networks, 10 crops, supplied data only", "ILSVRC2012 results page"),
    _contest("Clarifai", 2013, 11.743, "several networks, supplied data only", "ILSVRC2013 results page"),
    _contest("GoogLeNet", 2014, 6.656, "7 networks, 144 crops", "Szegedy et al., arXiv:1409.4842; " + _RESULTS),
    _contest(
        "ResNet (MSRA)", 2015, 3.567, "6 networks, dense at several scales", "He et al., arXiv:1512.03385; " + _RESULTS
    ),
    _contest("Trimps-Soushen", 2016, 2.991, "ensemble; no paper", _RESULTS),
    _contest("SENet (WMW)", 2017, 2.251, "ensemble, several scales and crops", "Hu et al., arXiv:1709.01507"),
)

_CONTEST_ENTRIES = (
    _contest("XRCE", 2010, 33.6, "Fisher vectors, linear SVM", _RESULTS, "entry"),
    _contest(
        "SuperVision +", 2012, 15.3, f"7 networks, {_EXTRA}: ImageNet Fall 2011", "ILSVRC2012 results page", "entry"
    ),
    _contest("ISI", 2012, 26.2, "4 Fisher-vector systems, weighted", "ILSVRC2012 results page", "entry"),
    _contest(
        "Clarifai +", 2013, 11.2, f"several networks, {_EXTRA}: 5000 categories", "ILSVRC2013 results page", "entry"
    ),
    _contest(
        "ZFNet", 2013, 14.8, "6 networks, 10 crops, after the contest", "Zeiler and Fergus, arXiv:1311.2901", "entry"
    ),
    _contest("VGG", 2014, 7.3, "7 networks, dense", "Simonyan and Zisserman, arXiv:1409.1556", "entry"),
    _contest("PReLU-net", 2015, 4.94, "several networks, outside the contest", "He et al., arXiv:1502.01852", "entry"),
)

_TOP5_PAPERS = (
    _paper("top5", ("AlexNet", 2012, 18.2), "1 network, 10 crops", "Krizhevsky et al., NIPS 2012"),
    _paper("top5", ("ResNet-152", 2015, 4.49), "1 network, dense at several scales", "He et al., arXiv:1512.03385"),
    _paper("top5", ("SENet-154", 2017, 4.47), "1 network, 1 crop of 224 px", "Hu et al., arXiv:1709.01507"),
)

_TOP1_PAPERS = (
    _paper("top1", ("AlexNet", 2012, 40.7), "1 network, 10 crops", "Krizhevsky et al., NIPS 2012"),
    _paper("top1", ("ZFNet", 2013, 36.0), "6 networks, 10 crops", "Zeiler and Fergus, arXiv:1311.2901"),
    _paper("top1", ("VGG", 2014, 23.7), "2 networks, dense and 150 crops", "Simonyan and Zisserman, arXiv:1409.1556"),
    _paper("top1", ("ResNet-152", 2015, 19.38), "1 network, dense at several scales", "He et al., arXiv:1512.03385"),
    _paper("top1", ("Inception-v4", 2016, 16.5), "4 networks", "Szegedy et al., arXiv:1602.07261"),
    _paper("top1", ("SENet-154", 2017, 17.28), "1 network, 1 crop of 320 px", "Hu et al., arXiv:1709.01507, retold"),
    _paper("top1", ("EfficientNet-B7", 2019, 15.7), "1 network, 600 px", "Tan and Le, arXiv:1905.11946 (recalled)"),
    _paper("top1", ("Noisy Student L2", 2019, 11.6), f"{_EXTRA}: JFT-300M unlabelled", "Xie et al., arXiv:1911.04252"),
    _paper(
        "top1", ("Meta Pseudo Labels", 2020, 9.8), f"{_EXTRA}: JFT-300M unlabelled", "Pham et al., CVPR 2021, retold"
    ),
    _paper("top1", ("ViT-H/14", 2020, 11.45), f"fine-tuned, {_EXTRA}: JFT-300M", "arXiv:2010.11929, retold"),
    _paper("top1", ("CLIP L/14 336", 2021, 23.8), f"zero-shot, {_EXTRA}: 400 M pairs", "arXiv:2103.00020 (recalled)"),
    _paper("top1", ("EfficientNetV2-XL", 2021, 12.7), f"{_EXTRA}: ImageNet-21k", "Tan and Le, arXiv:2104.00298"),
    _paper("top1", ("ViT-G/14", 2021, 9.55), f"fine-tuned, {_EXTRA}: JFT-3B", "Zhai et al., arXiv:2106.04560"),
    _paper("top1", ("MAE ViT-H", 2021, 12.2), "fine-tuned at 448 px, no extra data", "arXiv:2111.06377, retold"),
    _paper("top1", ("ConvNeXt-XL", 2022, 12.2), f"384 px, {_EXTRA}: ImageNet-22k", "arXiv:2201.03545 (recalled)"),
    _paper("top1", ("CoCa", 2022, 9.0), f"fine-tuned, {_EXTRA}: JFT-3B and pairs", "Yu et al., arXiv:2205.01917"),
    _paper("top1", ("BASIC-L + Lion", 2023, 8.9), f"fine-tuned, {_EXTRA}: pairs", "arXiv:2302.06675, retold"),
    _paper(
        "top1",
        ("DINOv2 g/14", 2023, 13.5),
        f"linear probe, {_EXTRA}: LVD-142M; best of 52 heads on val",
        "arXiv:2304.07193",
    ),
    _paper("top1", ("DINOv3 7B", 2025, 11.6), f"linear probe, {_EXTRA}: 1.7 B images", "arXiv:2508.10104, retold"),
)

_PEOPLE = (
    _person("human A1", 77, 1500, 5.1, "trained on 500 images"),
    _person("human A2", 31, 258, 12.0, "trained on 100 images"),
)

PUBLISHED: tuple[Published, ...] = (*_WINNERS, *_CONTEST_ENTRIES, *_TOP5_PAPERS, *_TOP1_PAPERS, *_PEOPLE)
"""Winners (one a year; 2012 and 2013 with the supplied data only), entries, people."""


def agreement_levels(
    levels: Iterable[Agreement], *, edition: str, split: str, year: int, source: str
) -> tuple[Published, ...]:
    """Computed agreement levels as references: the error of the original labels, and at k = 1 the uniform level."""
    made = []
    for level in levels:
        metric: Literal["top1_error", "top5_error"] = "top1_error" if level.k == 1 else "top5_error"
        named: tuple[tuple[str, float, Interval, str], ...] = (
            (
                f"agreement with {level.reviewed}",
                level.bound_error,
                level.bound_error_interval,
                f"{level.original} labels that reviewers do not confirm",
            ),
            (
                f"{level.reviewed}, drawn evenly",
                level.uniform_error,
                level.uniform_error_interval,
                f"{level.k} of the valid labels named by chance",
            ),
        )
        # With five guesses drawing evenly costs next to nothing (9.98 against 10.04 % on ReaL): one level says it.
        for name, error, interval, protocol in named if level.k == 1 else named[:1]:
            claim = Claim(metric, error, edition, split, protocol, source, "whole picture", 0)
            made.append(Published(name, year, "agreement", claim, interval, f"n = {level.n:,}"))
    return tuple(made)
