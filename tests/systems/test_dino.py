"""DINO against its paper: counts, parts by hand and by slow oracles, a backbone without labels, a fit that goes on."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.records import BadInput, Dataset, View, WorkFailed
from topfive.systems import FitLog, get
from toy.drawn import drawn_set, pictures

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from timm.models.vision_transformer import VisionTransformer  # noqa: E402

from topfive.systems import dino  # noqa: E402
from topfive.systems.dino import TINY, Dino, FittedDino, attention  # noqa: E402
from topfive.systems.engine import seeded  # noqa: E402
from topfive.systems.engine.multicrop import Crops, Look, blurring, crops, recolour, resampling  # noqa: E402
from topfive.systems.engine.self_distillation import Projection, cosine, cross_view_loss, distil  # noqa: E402
from topfive.systems.engine.transfer import take_weights  # noqa: E402

SMALL = replace(
    TINY, view=View(16, 16), train_resize_px=16, global_px=16, local_px=8, n_local=2, shape=(12, 2, 3), epochs=2,
    batch_size=8, hidden=16, bottleneck=8, prototypes=12,
)  # fmt: skip
PLAIN = Look((0.0, 0.0, 0.0, 0.0), 0.0, 0.0)


def small(**changes: object) -> Dino:
    with seeded(3, "test"):
        return Dino(6, **replace(SMALL, **changes).architecture()).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=4, tune=2, val=3, px=20)


# The network


@pytest.mark.parametrize(
    ("variant", "backbone", "total", "giga"),
    [
        ("s16", 21_665_664, 22_050_664, 4.60),
        ("s8", 21_670_272, 22_055_272, 22.41),
        ("b16", 85_798_656, 87_335_656, 17.56),
        ("b8", 85_807_872, 87_344_872, 78.15),
    ],
)
def test_published_counts(variant: str, backbone: int, total: int, giga: float) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    system = get("dino")
    with torch.device("meta"):
        network = Dino(1000, **system.variants[variant].architecture()).eval()
    counted = {name: p.numel() for name, p in network.named_parameters()}
    assert sum(counted.values()) == total
    assert sum(n for name, n in counted.items() if not name.startswith("head.")) == backbone
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert round(counter.get_total_flops() / 2e9, 2) == giga
    assert system.n_parameters == 87_344_872


@pytest.mark.parametrize("mean_patch", [False, True])
def test_it_is_timms_network_with_the_papers_inputs_to_the_head(mean_patch: bool) -> None:
    ours = small(mean_patch=mean_patch)
    theirs = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=6, dynamic_img_size=True
    ).eval()
    weights = {name: tensor for name, tensor in ours.state_dict().items() if not name.startswith("head.")}
    theirs.load_state_dict(theirs.state_dict() | weights)
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        tokens = theirs.forward_features(x)
        seen = torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1) if mean_patch else tokens[:, 0]
        torch.testing.assert_close(ours(x), seen @ ours.head.weight.T + ours.head.bias)
        torch.testing.assert_close(ours.embed(x), tokens[:, 0])


def test_initial_weights_have_the_stated_deviation() -> None:
    with seeded(0, "test"):
        network = Dino(10, **TINY.architecture())
    assert float(network.blocks[0].mlp.fc1.weight.detach().std()) == pytest.approx(0.057, rel=0.03)
    with seeded(0, "test"):
        projection = Projection(2048, replace(TINY, hidden=2048))
    assert float(projection.layers[0].weight.detach().std()) == pytest.approx(0.02, rel=0.03)


# The loss and its parts


def test_the_projection_gives_cosines_times_lengths() -> None:
    with seeded(0, "test"):
        unit, free = Projection(12, SMALL).eval(), Projection(12, replace(SMALL, unit_prototypes=False)).eval()
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    assert unit.lengths is None
    assert float(unit(x).detach().abs().max()) <= 1.0 + 1e-6
    free.lengths.data.fill_(3.0)
    inner = torch.nn.functional.normalize(free.layers(x), dim=1).detach()
    slow = [[3.0 * float(v @ w / w.norm()) for w in free.directions.detach()] for v in inner]
    torch.testing.assert_close(free(x).detach(), torch.tensor(slow), atol=1e-5, rtol=1e-4)


def test_the_loss_is_the_mean_over_pairs_of_unlike_views() -> None:
    rng = np.random.default_rng(0)
    said, taught = rng.normal(size=(4, 3, 5)), rng.dirichlet(np.ones(5), size=(2, 3))
    terms = []
    for i in range(2):
        for j in range(4):
            if i != j:
                p = np.exp(said[j] / 0.1)
                p /= p.sum(axis=1, keepdims=True)
                terms.append(-(taught[i] * np.log(p)).sum(axis=1).mean())
    found = cross_view_loss([torch.from_numpy(s) for s in said], [torch.from_numpy(t) for t in taught], 0.1)
    assert len(terms) == 6
    assert float(found) == pytest.approx(np.mean(terms))


def test_schedules_are_half_cosines() -> None:
    assert [round(cosine(1.0, 0.2, done), 6) for done in (-1, 0, 0.5, 1, 2)] == [1.0, 1.0, 0.6, 0.2, 0.2]
    assert cosine(0.996, 1.0, 1 / 3) == pytest.approx(0.997)


# Crops


@pytest.mark.parametrize(
    ("n_in", "start", "length", "n_out"), [(40, 3.3, 30.1, 12), (20, 0.0, 20.0, 20), (9, 2.5, 4.25, 16)]
)
def test_resizing_is_pillows(n_in: int, start: float, length: float, n_out: int) -> None:
    row = np.random.default_rng(0).uniform(size=(1, n_in)).astype(np.float32)
    box = (start, 0, start + length, 1)
    theirs = np.asarray(Image.fromarray(row).resize((n_out, 1), Image.Resampling.BILINEAR, box=box))
    ours = resampling(torch.tensor([start]), torch.tensor([length]), n_in, n_out)[0].numpy() @ row[0]
    np.testing.assert_allclose(ours, theirs[0], atol=1e-5)


def test_blur_is_gaussian_and_none_at_zero() -> None:
    none, some = blurring(torch.tensor([0.0, 1.5]), 31)
    torch.testing.assert_close(none, torch.eye(31))
    torch.testing.assert_close(some.sum(dim=1), torch.ones(31))
    place = np.arange(31) - 15
    slow = np.exp(-(place**2) / (2 * 1.5**2))
    np.testing.assert_allclose(some[15].numpy(), slow / slow.sum(), atol=1e-6)


def test_colours_by_hand() -> None:
    pixels = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    always: Callable[[str], torch.Tensor] = lambda what: torch.full((2,), 0.75)  # noqa: E731
    never: Callable[[str], torch.Tensor] = lambda what: torch.zeros(2)  # noqa: E731
    torch.testing.assert_close(recolour(pixels, PLAIN, always), pixels, atol=1e-6, rtol=0)
    # A third of a turn moves red to green, green to blue, blue to red.
    turned = recolour(pixels, replace(PLAIN, jitter=(0.0, 0.0, 0.0, 2 / 3)), always)
    torch.testing.assert_close(turned, pixels[:, [2, 0, 1]], atol=1e-5, rtol=0)
    grey = recolour(pixels, replace(PLAIN, grey=1.0), never)
    luma = (pixels * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    torch.testing.assert_close(grey, luma.expand(-1, 3, -1, -1))
    inverted = recolour(pixels, replace(PLAIN, solarise=1.0), never)
    torch.testing.assert_close(inverted, torch.where(pixels >= 0.5, 1 - pixels, pixels), atol=1e-6, rtol=0)
    lighter = recolour(0.5 * pixels, replace(PLAIN, jitter=(0.4, 0.0, 0.0, 0.0)), always)
    torch.testing.assert_close(lighter, 0.6 * pixels, atol=1e-6, rtol=0)


def test_a_crop_is_a_function_of_seed_epoch_and_position() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 20, 24, 3), dtype=np.uint8))
    kind = Crops(8, (0.1, 0.9), replace(PLAIN, jitter=(0.4, 0.4, 0.2, 0.1), blur_px=1.0, solarise=0.5))
    places = np.arange(6) + 7
    whole = crops(images, kind, SMALL.view, "view", 1, 2, places)
    assert whole.shape == (6, 3, 8, 8)
    assert bool(torch.isfinite(whole).all())
    some = [4, 1]
    torch.testing.assert_close(crops(images[some], kind, SMALL.view, "view", 1, 2, places[some]), whole[some])
    for other in (("other", 1, 2), ("view", 2, 2), ("view", 1, 3)):
        assert not torch.allclose(crops(images, kind, SMALL.view, *other, places), whole)


def test_the_whole_picture_is_itself_or_its_mirror() -> None:
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (16, 12, 12, 3), dtype=np.uint8))
    seen = crops(
        images, Crops(12, (1.0, 1.0), PLAIN), View(12, 12, mean=(0, 0, 0), std=(1, 1, 1)), "v", 0, 0, np.arange(16)
    )
    plain = images.permute(0, 3, 1, 2).float() / 255
    # The aspect is drawn too, so one side is cut; where it is nearly square the picture or its mirror comes back.
    errors = torch.stack([(seen - plain).abs().mean((1, 2, 3)), (seen - plain.flip(3)).abs().mean((1, 2, 3))])
    assert float(errors.amin(dim=0).min()) < 0.1
    assert set(errors.argmin(dim=0).tolist()) == {0, 1}


# Fits


def learn(dataset: Dataset, recipe: dino.DinoRecipe = SMALL, log: FitLog | None = None) -> FittedDino:
    train, tune = pictures(dataset, "train"), pictures(dataset, "tune")
    return dino.fit(train, tune, recipe, seed=0, log=log or FitLog())


@pytest.mark.slow
def test_the_backbone_reads_no_label(drawn: Dataset) -> None:
    labelled, unlabelled = small(), small()
    distil(labelled, 12, pictures(drawn, "train"), SMALL, seed=0, log=FitLog())
    distil(unlabelled, 12, pictures(drawn, "train", labels=False), SMALL, seed=0, log=FitLog())
    shuffled = drawn.manifest.class_index[np.random.default_rng(0).permutation(len(drawn.manifest))]
    other = replace(drawn, manifest=drawn.manifest.with_column("class_index", shuffled))
    mixed = small()
    distil(mixed, 12, pictures(other, "train"), SMALL, seed=0, log=FitLog())
    before = small().state_dict()
    for name, tensor in labelled.state_dict().items():
        assert torch.equal(unlabelled.state_dict()[name], tensor)
        assert torch.equal(mixed.state_dict()[name], tensor)
    assert not torch.equal(before["blocks.0.attn.qkv.weight"], labelled.state_dict()["blocks.0.attn.qkv.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"head_norm": False, "unit_prototypes": False, "drop_path": 0.2, "n_local": 0}]
)
def test_a_fit_goes_on_from_its_checkpoint(drawn: Dataset, tmp_path: Path, changes: dict[str, object]) -> None:
    recipe = replace(SMALL, epochs=3, **changes)  # type: ignore[arg-type]
    whole = learn(drawn, recipe).network.state_dict()

    class Stop(Exception):
        pass

    def stop(values: object) -> None:
        if values["epoch"] == 3:  # type: ignore[index]
            raise Stop

    with pytest.raises(Stop):
        learn(drawn, recipe, FitLog(checkpoints=tmp_path, metrics=stop))
    lines: list[object] = []
    resumed = learn(drawn, recipe, FitLog(checkpoints=tmp_path, metrics=lines.append)).network.state_dict()
    assert [line["epoch"] for line in lines if "epoch" in line] == [3]  # type: ignore[index,operator]
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name


@pytest.mark.slow
def test_the_head_is_the_regression_on_frozen_features(drawn: Dataset, tmp_path: Path) -> None:
    fitted = learn(drawn)
    val = pictures(drawn, "val")
    weight, bias = (tensor.detach().numpy() for tensor in (fitted.network.head.weight, fitted.network.head.bias))
    features = fitted.features(val)
    assert features.shape == (18, 12)
    np.testing.assert_allclose(fitted.scores(val), features @ weight.T + bias, atol=1e-4)
    fitted.save(tmp_path)
    loaded = dino.load(tmp_path)
    assert isinstance(loaded, FittedDino)
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    (tmp_path / "run" / "weights").mkdir(parents=True)
    fitted.save(tmp_path / "run" / "weights")
    other = VisionTransformer(img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=9)
    assert take_weights(other, tmp_path / "run") == sum(t.numel() for t in other.state_dict().values()) - 9 * 13
    torch.testing.assert_close(other.blocks[1].mlp.fc2.weight, fitted.network.blocks[1].mlp.fc2.weight)


def test_a_loss_that_is_no_number_stops_the_fit(drawn: Dataset) -> None:
    network = small()
    with torch.no_grad():
        network.norm.weight.fill_(float("nan"))
    with pytest.raises(WorkFailed, match="the loss is nan after step 1"):
        distil(network, 12, pictures(drawn, "train"), SMALL, seed=0, log=FitLog())


# Where the class token looks


def test_attention_by_the_slow_way() -> None:
    network = small()
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = attention(network, x)
        tokens = network._pos_embed(network.patch_embed(x))
        block = network.blocks[1]
        given = block.norm1(network.blocks[0](tokens))
        q, k, _ = block.attn.qkv(given).chunk(3, dim=2)
    assert found.shape == (2, 3, 9)
    for picture in range(2):
        for head in range(3):
            part = slice(4 * head, 4 * head + 4)
            weights = np.exp((k[picture, :, part] @ q[picture, 0, part]).numpy() / math.sqrt(4))
            np.testing.assert_allclose(found[picture, head], (weights / weights.sum())[1:], atol=1e-6)


def test_explain_shows_one_picture_a_head(drawn: Dataset) -> None:
    fitted = FittedDino(
        small(), system="dino", architecture=SMALL.architecture(), classes=drawn.classes, view=SMALL.view
    )
    picture = np.full((30, 40, 3), 200, dtype=np.uint8)
    shown = fitted.explain(picture)
    assert [name for name, _ in shown] == [f"head {i} of the last block" for i in (1, 2, 3)]
    for _, image in shown:
        assert image.shape == (16, 16, 3)
        assert image.dtype == np.uint8
        assert 0.2 * 200 - 1 <= image.min() <= image.max() <= 200
    for bad in (picture[..., 0], picture.astype(np.float32)):
        with pytest.raises(BadInput, match=r"is no picture uint8"):
            fitted.explain(bad)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("lr", 0.0), ("global_area", (0.5, 0.4)), ("local_area", (0.0, 0.4)), ("jitter", (0.1, 0.1)),
        ("prototypes", 1), ("momentum", 1.5), ("teacher_temperature", (0.04, 0.0)), ("local_px", 12),
        ("shape", (10, 2, 3)), ("penalties", ()), ("view", View(20, 20)), ("warmup", 1.0),
    ],
)  # fmt: skip
def test_recipes_that_cannot_be_trained_are_refused(name: str, value: object) -> None:
    with pytest.raises(BadInput, match=name):
        replace(SMALL, **{name: value}).check()  # type: ignore[arg-type]


def test_every_variant_can_be_trained() -> None:
    for recipe in get("dino").variants.values():
        recipe.check()


def test_one_update_moves_centre_and_teacher_as_written(drawn: Dataset) -> None:
    from topfive.systems.engine.self_distillation import Joined, _Job

    settings = replace(TINY, frozen=0.1, centre_momentum=0.9)
    with seeded(0, "initial weights"):
        student = Joined(Dino(6, **settings.architecture()), settings.shape[0], settings)
    job = _Job(student, pictures(drawn, "train"), settings, 0, FitLog(), torch.device("cpu"))
    job.centre.copy_(torch.linspace(-0.1, 0.1, settings.prototypes))
    for group in job.optimiser.param_groups:
        group["lr"] = 1e-3
    rng = torch.Generator().manual_seed(1)
    views = [torch.rand(4, 3, settings.global_px, settings.global_px, generator=rng) for _ in range(2)]
    views += [torch.rand(4, 3, settings.local_px, settings.local_px, generator=rng)]
    before = [p.detach().clone() for p in job.teacher.parameters()]
    centre, directions = job.centre.clone(), job.student.projection.directions.detach().clone()
    with torch.no_grad():
        twin = copy.deepcopy(job.teacher)
        scores = twin(torch.cat(views[:2]))
    _, taught = job._update(views, 0)
    temperature = settings.teacher_temperature[0]
    expected = torch.exp((scores - centre) / temperature)
    expected /= expected.sum(1, keepdim=True)
    assert torch.allclose(taught, expected, atol=1e-5)
    assert torch.allclose(job.centre, 0.9 * centre + 0.1 * scores.mean(0), atol=1e-6)
    assert torch.equal(job.student.projection.directions, directions)
    for old, student, teacher in zip(before, job.student.parameters(), job.teacher.parameters(), strict=True):
        assert torch.allclose(teacher, settings.momentum * old + (1 - settings.momentum) * student, atol=1e-6)
