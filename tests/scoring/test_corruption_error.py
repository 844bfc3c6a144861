"""mCE: by hand, 1 for AlexNet itself, and never on pictures that AlexNet did not see."""

from __future__ import annotations

import json

import pytest

from topfive.loading import CORRUPTIONS
from topfive.records import BadInput
from topfive.scoring import ALEXNET, GENERATED, RELEASED, Cell, CorruptionErrors, check_baseline, wilson


def cells(error_of: dict[str, float], n: int = 1_000_000) -> dict[tuple[str, int], Cell]:
    return {(kind, s): Cell(round(error * n), n) for kind, error in error_of.items() for s in range(1, 6)}


def test_alexnet_has_mce_1() -> None:
    found = CorruptionErrors(RELEASED, cells(ALEXNET))
    assert found.mce() == pytest.approx(1.0, abs=1e-9)
    assert found.missing() == ()
    assert found.to_json()["baseline"] == "AlexNet"


def test_ce_by_hand() -> None:
    # Errors 10, 20, 30, 40 and 50 % of frost: a mean of 30 %, AlexNet's is 82.6572 %.
    rows = {("frost", s): Cell(10 * s, 100) for s in range(1, 6)}
    found = CorruptionErrors(RELEASED, rows, clean=Cell(1, 10))
    assert found.mean_error("frost") == pytest.approx(0.3)
    assert found.corruption_error("frost") == pytest.approx(0.3 / 0.826572)
    assert (found.mce(), len(found.missing()), found.missing()[0]) == (None, 70, "gaussian_noise/1")
    value = json.loads(json.dumps(found.to_json()))
    assert (value["mce"], value["mean_error"], value["clean_error"]) == (None, None, 0.1)
    assert value["corruptions"][0]["severities"][2] == {
        "severity": 3, "n": 100, "error": 0.3, "error_interval": list(wilson(30, 100)),
    }  # fmt: skip


def test_half_of_alexnets_errors_is_half_its_mce() -> None:
    half = CorruptionErrors(RELEASED, cells({kind: error / 2 for kind, error in ALEXNET.items()}))
    assert half.mce() == pytest.approx(0.5, abs=1e-6)


def test_mce_is_the_mean_of_ratios_not_the_ratio_of_means() -> None:
    errors = dict.fromkeys(ALEXNET, 0.5)
    found = CorruptionErrors(RELEASED, cells(errors)).mce()
    assert found == pytest.approx(sum(0.5 / error for error in ALEXNET.values()) / 15, abs=1e-9)
    assert found != pytest.approx(15 * 0.5 / sum(ALEXNET.values()), abs=1e-3)


def test_generated_corruptions_have_raw_errors_alone() -> None:
    found = CorruptionErrors(GENERATED, cells(ALEXNET))
    assert (found.mce(), found.corruption_error("fog")) == (None, None)
    value = found.to_json()
    assert value["protocol"] == "imagenet-c/generated"
    assert "mce" not in value
    assert "ce" not in value["corruptions"][0]
    assert value["mean_error"] == pytest.approx(sum(ALEXNET.values()) / 15, abs=1e-6)


def test_a_missing_severity_leaves_no_mean() -> None:
    rows = cells(ALEXNET)
    del rows["snow", 4]
    found = CorruptionErrors(RELEASED, rows)
    assert (found.mce(), found.missing(), found.corruption_error("snow")) == (None, ("snow/4",), None)
    assert found.corruption_error("fog") == pytest.approx(1.0, abs=1e-5)


def test_extra_corruptions_have_no_part_in_it() -> None:
    found = CorruptionErrors(RELEASED, cells(ALEXNET | {"spatter": 0.0}))
    assert found.mce() == pytest.approx(1.0, abs=1e-9)
    assert found.kinds == (*ALEXNET, "spatter")
    assert found.corruption_error("spatter") is None


def test_the_rooms_mean_the_same_corruptions() -> None:
    assert tuple(ALEXNET) == tuple(CORRUPTIONS)


def test_a_baseline_of_ones_own() -> None:
    own = dict.fromkeys(ALEXNET, 0.25)
    found = CorruptionErrors(RELEASED, cells(dict.fromkeys(ALEXNET, 0.5)), baseline=own)
    assert (found.mce(), found.to_json()["baseline"]) == (pytest.approx(2.0), "given")
    check_baseline(own, "b.json")
    with pytest.raises(BadInput, match=r"b\.json: lacks 14 of the 15 corruptions, the first is shot_noise"):
        check_baseline({"gaussian_noise": 0.5}, "b.json")
    check_baseline(own | {"fog": 1.0}, "b.json")
    for error in (50.0, 1.5, 0.0):
        with pytest.raises(BadInput, match=rf"^b\.json: has the error {error:g} for fog\. Give fractions above 0"):
            check_baseline(own | {"fog": error}, "b.json")


def test_what_the_errors_say() -> None:
    found = CorruptionErrors(RELEASED, {("fog", 2): Cell(1, 4), ("spatter", 1): Cell(0, 4)}, clean=Cell(2, 8))
    said = found.to_json()
    missing = said.pop("missing")
    assert (len(missing), missing[0], "fog/2" in missing, "fog/1" in missing) == (74, "gaussian_noise/1", False, True)
    assert said == {
        "protocol": "imagenet-c/released",
        "clean_error": 0.25,
        "clean_error_interval": list(wilson(2, 8)),
        "mean_error": None,
        "corruptions": [
            {
                "corruption": "fog",
                "mean_error": None,
                "ce": None,
                "severities": [{"severity": 2, "n": 4, "error": 0.25, "error_interval": list(wilson(1, 4))}],
            },
            {
                "corruption": "spatter",
                "mean_error": None,
                "ce": None,
                "severities": [{"severity": 1, "n": 4, "error": 0.0, "error_interval": list(wilson(0, 4))}],
            },
        ],
        "mce": None,
        "baseline": "AlexNet",
    }
    whole = CorruptionErrors(RELEASED, cells(ALEXNET)).to_json()
    assert whole["mce"] == pytest.approx(1.0, abs=1e-5) and whole["missing"] == []
    assert [row["ce"] for row in whole["corruptions"]] == pytest.approx([1.0] * 15, abs=1e-5)
    generated = CorruptionErrors(GENERATED, cells(ALEXNET))
    assert generated.mce() is None and "mce" not in generated.to_json()
    assert "ce" not in generated.to_json()["corruptions"][0]
