"""Opening models: run folders, real weights, timm with a file, a function of one's own, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from topfive.records import BadInput, ClassList, Dataset, Run, View, WorkFailed
from topfive.systems.features.linear_svm import Linear
from topfive.systems.linear_probe import FittedProbe
from topfive.systems.models import OpenModel, contamination, open_model
from topfive.taxonomy import ilsvrc_classes
from toy.drawn import drawn_set, pictures

CALLABLE = """
import numpy as np
from topfive.records import ClassList, View

VIEW = View(32, 32)
CLASSES = ClassList(("a", "b"), ("a", "b"))

def build():
    return lambda images: np.stack([images.mean((1, 2, 3)), 255 - images.mean((1, 2, 3))], axis=1)

def none():
    return 5

def broken():
    raise RuntimeError("no weights here")

def muddled():
    return None.weights

def stopped():
    raise SystemExit(3)

def failing():
    def model(images):
        raise ValueError("wants pictures of 64 px")
    return model

def three():
    return lambda images: np.zeros((len(images), 3))

def short():
    return lambda images: np.zeros((len(images) - 1, 2))
"""

MODULE = """
import torch
from topfive.records import ClassList, View

VIEW = View(8, 8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
CLASSES = ClassList(("r", "g", "b"), ("r", "g", "b"))

class Mean(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3))

def build():
    return Mean().train()
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=1, tune=1, val=3)


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def test_a_function_on_pixels_is_opened_with_its_view_and_classes(drawn: Dataset, tmp_path: Path) -> None:
    model = open_model(f"py:{written(tmp_path, CALLABLE)}:build")
    val = pictures(drawn, "val", labels=False)
    assert model.view == View(32, 32)
    assert model.classes.wnids == ("a", "b")
    scores = model.scores(val, batch_size=4)
    bright = val.arrays(View(32, 32)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(scores, np.stack([bright, 255 - bright], axis=1), rtol=1e-5)
    assert scores.dtype == np.float32
    assert contamination(model) == "unknown"
    other = open_model(f"py:{tmp_path / 'mine.py'}:build", view=View(16, 16))
    assert other.view == View(16, 16)


def test_a_module_sees_normalised_pixels_in_evaluation_mode(drawn: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = open_model(f"py:{written(tmp_path, MODULE)}:build")
    val = pictures(drawn, "val", labels=False)
    expected = val.arrays(View(8, 8)).mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(model.scores(val), expected, atol=1e-5)
    np.testing.assert_array_equal(model.scores(val, batch_size=1), model.scores(val))


def test_without_statements_of_its_own_a_file_has_the_declared_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "def build():\n    return len\n")
    model = open_model(f"py:{path}:build")
    assert model.view == View(256, 224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert model.classes == ilsvrc_classes()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "returned a int"),
        ("broken", "failed with RuntimeError: no weights here"),
        ("absent", "has no function 'absent'. Define absent"),
        ("VIEW", "has no function 'VIEW'"),
        ("muddled", "failed with AttributeError: 'NoneType' object has no attribute 'weights'"),
        ("stopped", "failed with SystemExit: 3"),
        ("", "names no file and function"),
    ],
)
def test_a_file_that_gives_no_model_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=reason):
        open_model(f"py:{written(tmp_path, CALLABLE)}:{name}")


def test_a_file_that_is_missing_wrong_or_states_nonsense_is_refused(tmp_path: Path) -> None:
    for text, reason in (
        ("def build(:\n", "failed with SyntaxError"),
        ("VIEW = 5\ndef build():\n    return len\n", "VIEW is no View"),
        ("CLASSES = ['a']\ndef build():\n    return len\n", "CLASSES is no ClassList"),
    ):
        with pytest.raises(BadInput, match=reason):
            open_model(f"py:{written(tmp_path, text)}:build")
    with pytest.raises(BadInput, match="names no file and function"):
        open_model(f"py:{tmp_path / 'gone.py'}:build")


def test_a_file_may_import_its_neighbours_and_hold_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("N = 2\n")
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport numpy as np\n"
        "from neighbour_of_mine import N\n@dataclass\nclass Model:\n    n: int = N\n"
        "    def __call__(self, images: np.ndarray) -> np.ndarray:\n        return np.zeros((len(images), self.n))\n"
        "def build():\n    return Model()\n"
    )
    before = list(sys.path)
    model = open_model(f"py:{written(tmp_path, text)}:build", classes=ClassList(("a", "b"), ("a", "b")))
    assert isinstance(model, OpenModel)
    (found,) = model.run(iter([np.zeros((3, 8, 8, 3), np.uint8)]), View(8, 8))
    assert found.shape == (3, 2)
    assert sys.path == before


def test_a_model_that_fails_on_pictures_is_named_with_its_line(drawn: Dataset, tmp_path: Path) -> None:
    model = open_model(f"py:{written(tmp_path, CALLABLE)}:failing")
    with pytest.raises(
        WorkFailed, match=r"failing: fails on pictures of 32 px, run by python \(ValueError: wants .* mine\.py, line \d"
    ):
        model.scores(pictures(drawn, "val", labels=False))


@pytest.mark.parametrize(("name", "reason"), [("three", r"gives scores \[18, 3\]"), ("short", "gives 17 rows")])
def test_scores_of_another_shape_are_refused(name: str, reason: str, drawn: Dataset, tmp_path: Path) -> None:
    model = open_model(f"py:{written(tmp_path, CALLABLE)}:{name}")
    with pytest.raises(BadInput, match=reason):
        model.scores(pictures(drawn, "val", labels=False))


def test_a_run_folder_is_opened_by_its_landmark(tmp_path: Path) -> None:
    classes = ClassList(("a", "b"), ("a", "b"))
    linear = Linear(np.ones((1280, 2), np.float32), np.zeros(2, np.float32))
    (tmp_path / "run" / "weights").mkdir(parents=True)
    FittedProbe(linear, classes, View(64, 64)).save(tmp_path / "run" / "weights")
    Run("linear_probe", {}, 0, "set", classes.digest, View(64, 64).digest).write(tmp_path / "run" / "run.json")
    opened = open_model(str(tmp_path / "run"))
    assert isinstance(opened, FittedProbe)
    assert contamination(opened) == "likely"
    with pytest.raises(BadInput, match="a view and classes of its own"):
        open_model(str(tmp_path / "run"), view=View(32, 32))
    with pytest.raises(BadInput, match=r"no run\.json"):
        open_model(str(tmp_path))


def test_what_a_model_has_learnt_from_is_as_bad_as_its_worst_member() -> None:
    clean, unknown, likely = (SimpleNamespace(contaminated=word) for word in ("no", "unknown", "likely"))
    assert contamination(SimpleNamespace()) == "no"  # type: ignore[arg-type]
    assert contamination(SimpleNamespace(members=[clean, unknown])) == "unknown"  # type: ignore[arg-type]
    nested = SimpleNamespace(members=[SimpleNamespace(members=[likely]), unknown])
    assert contamination(nested) == "likely"  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", ["efficientnet_lite3", "resnet18", "keras:resnet50", ""])
def test_other_models_are_refused_with_what_is_accepted(spec: str) -> None:
    every = (
        r"a run folder, efficientnet_lite0, .*timm:NAME, torchvision:NAME, open_clip:NAME/TAG, onnx:FILE, py:FILE\.py:"
    )
    with pytest.raises(BadInput, match=f"Accepted: {every}"):
        open_model(spec)


def test_the_nearest_name_is_said() -> None:
    with pytest.raises(BadInput, match="Did you mean efficientnet_lite1"):
        open_model("eficientnet_lite1")


@pytest.mark.parametrize("spec", ["efficientnet_lite0", "onnx:a.onnx", "py:a.py:build", len])
def test_weights_belong_to_libraries_of_networks(spec: object, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="takes no file of weights"):
        open_model(spec, weights=tmp_path / "a.safetensors")


def test_a_callable_a_module_and_an_open_model_are_taken_as_they_are(drawn: Dataset) -> None:
    torch = pytest.importorskip("torch")
    two = ClassList(("a", "b"), ("a", "b"))

    def bright(images: np.ndarray) -> np.ndarray:
        return np.stack([images.mean((1, 2, 3)), 255 - images.mean((1, 2, 3))], axis=1)

    val = pictures(drawn, "val", labels=False)
    called = open_model(bright, view=View(16, 16), classes=two)
    assert isinstance(called, OpenModel)
    assert (called.name, called.runtime, called.precision, called.network) == ("bright", "python", "fp32", None)
    np.testing.assert_allclose(called.scores(val), bright(val.arrays(View(16, 16))), rtol=1e-6)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2)).train()
    opened = open_model(network, view=View(16, 16), classes=two)
    assert isinstance(opened, OpenModel)
    assert not opened.network.training
    assert network.training, "whoever evaluates while training goes on training"
    assert all(weight.requires_grad for weight in network.parameters())
    assert open_model(opened, view=View(32, 16)) is opened
    assert opened.view == View(32, 16)
    with pytest.raises(BadInput, match="has classes of its own"):
        open_model(opened, classes=ClassList(("b", "a"), ("b", "a")))
    with pytest.raises(BadInput, match="is a int"):
        open_model(5)


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(2, 2)
    network.seen = network.weight * 2  # no tensor of its own: the trace of a calculation
    with pytest.raises(BadInput, match=r"Linear: cannot be copied .*Give a function on pixels that calls it"):
        open_model(network, view=View(16, 16), classes=ClassList(("a", "b"), ("a", "b")))


def test_how_a_model_runs_can_be_replaced(drawn: Dataset) -> None:
    two = ClassList(("a", "b"), ("a", "b"))
    model = open_model(lambda images: np.zeros((len(images), 2)), view=View(16, 16), classes=two)
    assert isinstance(model, OpenModel)
    model.use(lambda batches, view: (np.ones((len(images), 2)) for images in batches), "other", "bf16")
    assert (model.runtime, model.precision) == ("other", "bf16")
    assert model.scores(pictures(drawn, "val", labels=False)).min() == 1.0


def test_a_model_from_elsewhere_cannot_be_saved(tmp_path: Path) -> None:
    model = OpenModel(
        "name", lambda batches, view: [], ilsvrc_classes(), View(8, 8), runtime="python", contaminated="unknown"
    )
    with pytest.raises(BadInput, match="nothing to save"):
        model.save(tmp_path)
