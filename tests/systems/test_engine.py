"""The engine: schedules, pixels, chance, training to the same weights however it is stopped, fitted networks."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, View, WorkFailed
from topfive.systems import FitLog
from toy.drawn import SHAPES, drawn_set, pictures
from toy.nightly import Count

torch = pytest.importorskip("torch")

from topfive.systems import engine  # noqa: E402
from topfive.systems.engine.chance import reseed, seeded  # noqa: E402
from topfive.systems.engine.checkpoints import newest_checkpoint, save_checkpoint  # noqa: E402
from topfive.systems.engine.feed import Feed  # noqa: E402
from topfive.systems.engine.optimisers import layer, optimiser, set_rate  # noqa: E402
from topfive.systems.engine.pixels import Store, colour_shift, floats, principal_colours  # noqa: E402
from topfive.systems.engine.processes import Processes  # noqa: E402
from topfive.systems.engine.schedules import learning_rate  # noqa: E402

VIEW = View(32, 28, "bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
SETTINGS = engine.Training(
    view=VIEW,
    train_resize_px=32,
    train_crop_px=24,
    epochs=4,
    batch_size=16,
    lr=0.05,
    weight_decay=1e-4,
    schedule="cosine",
    warmup=0.25,
    colour_sigma=0.1,
    smallest_scale=0.8,
    average_decay=0.9,
)


def network(n_classes: int = len(SHAPES), width: int = 8) -> Any:
    """Every kind of layer that has a state or a chance of its own: normalisation and dropout."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, width, 5, 2),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 16, 3, 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16, n_classes),
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=9, tune=3, val=12, px=32)


def trained(drawn: Dataset, settings: engine.Training = SETTINGS, *, seed: int = 3, log: FitLog = FitLog()) -> Any:  # noqa: B008
    with seeded(seed, "initial weights"):
        made = network()
    engine.train(made, pictures(drawn, "train"), pictures(drawn, "tune"), settings, seed=seed, log=log)
    return made


def same(a: Any, b: Any) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Schedules and settings


def test_schedules_by_hand() -> None:
    step = replace(SETTINGS, schedule="step", epochs=10, warmup=0.0, drops=(0.5, 0.8), lr=1.0)
    rates = [learning_rate(step, i, 2) for i in range(20)]
    assert rates == pytest.approx([1.0] * 10 + [0.1] * 6 + [0.01] * 4)
    cosine = replace(step, schedule="cosine", epochs=4)
    assert [learning_rate(cosine, i, 1) for i in range(4)] == pytest.approx(
        [1.0, 0.5 + 0.5 / math.sqrt(2), 0.5, 0.5 - 0.5 / math.sqrt(2)]
    )
    triangle = replace(step, schedule="linear", epochs=6, warmup=1 / 3)
    assert [learning_rate(triangle, i, 1) for i in range(6)] == pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("schedule", ["step", "cosine", "linear"])
def test_rates_stay_positive_and_below_the_peak(schedule: Any) -> None:
    settings = replace(SETTINGS, schedule=schedule, epochs=7, warmup=0.2, lr=0.3)
    rates = [learning_rate(settings, i, 5) for i in range(35)]
    assert min(rates) > 0
    assert max(rates) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("lr", 0.0),
        ("lr", math.nan),
        ("momentum", 1.0),
        ("train_crop_px", 33),
        ("smallest_scale", 0.0),
        ("warmup", 1.0),
        ("drops", (0.8, 0.5)),
        ("optimiser", "lion"),
        ("schedule", "polynomial"),
    ],
)
def test_settings_that_cannot_train_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(BadInput, match=field):
        replace(SETTINGS, **{field: value}).check()


# Chance


def test_seeded_leaves_the_callers_stream_as_it_was() -> None:
    with seeded(0, "outer"):
        before = torch.random.get_rng_state()
        with seeded(5, "weights"):
            first = torch.rand(4)
            reseed(5, "weights")
            assert torch.equal(torch.rand(4), first)
        with seeded(5, "other"):
            assert not torch.equal(torch.rand(4), first)
        assert torch.equal(torch.random.get_rng_state(), before)


# Pixels


def test_floats_equal_the_plain_formula_and_lie_channels_last() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    colour = rng.normal(0, 0.1, (3, 3)).astype(np.float32)
    plain = (images / 255 + colour[:, None, None] - np.array(VIEW.mean)) / np.array(VIEW.std)
    images.setflags(write=False)
    found = floats(images, VIEW, colour=colour)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), plain, atol=2e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert float(floats(np.full((1, 2, 2, 3), 255, np.uint8), VIEW)[0, 0, 0, 0]) == pytest.approx(3.0)


def test_a_store_gives_the_same_pixels_from_memory_and_from_the_files(drawn: Dataset) -> None:
    train = pictures(drawn, "train")
    kept, streamed = Store(train, VIEW, 100), Store(train, VIEW, 0)
    positions = np.array([5, 0, 53, 7, 7, 20])
    for a, b in zip(kept.batches(positions, 4), streamed.batches(positions, 4), strict=True):
        assert len(a) in (4, 2)
        np.testing.assert_array_equal(a, b)


def test_principal_colours_are_eigenvectors_times_eigenvalues(drawn: Dataset) -> None:
    store = Store(pictures(drawn, "train"), VIEW, 100)
    pixels = np.concatenate(list(store.batches(np.arange(54), 54))).reshape(-1, 3) / 255
    covariance = np.cov(pixels.T, bias=True)
    rows = principal_colours(store)
    for row in rows:
        eigenvalue = np.linalg.norm(row)
        np.testing.assert_allclose(covariance @ row, eigenvalue * row, atol=1e-6)
        assert row[np.argmax(abs(row))] > 0
    assert np.linalg.norm(rows, axis=1).sum() == pytest.approx(np.trace(covariance), rel=1e-4)


def test_colour_shifts_belong_to_the_picture_and_have_the_stated_spread() -> None:
    components = np.diag([0.2, 0.02, 0.004])
    positions = np.arange(20_000)
    shifts = colour_shift(components, 0.1, seed=1, epoch=2, positions=positions)
    np.testing.assert_allclose(shifts.std(axis=0), [0.02, 0.002, 0.0004], rtol=0.02)
    np.testing.assert_allclose(shifts.mean(axis=0) / shifts.std(axis=0), 0, atol=0.02)
    assert np.abs(np.corrcoef(shifts.T) - np.eye(3)).max() < 0.02
    some = positions[[7, 3, 9_999]]
    np.testing.assert_array_equal(colour_shift(components, 0.1, seed=1, epoch=2, positions=some), shifts[some])
    assert not np.array_equal(colour_shift(components, 0.1, seed=1, epoch=3, positions=some), shifts[some])


# Optimisers


def test_one_step_of_sgd_by_hand_and_no_decay_on_vectors() -> None:
    layer = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(layer.weight, 2.0)
    torch.nn.init.constant_(layer.bias, 3.0)
    made = optimiser(layer, replace(SETTINGS, lr=0.1, weight_decay=0.5, decay_all=False))
    for _ in range(2):
        made.zero_grad()
        layer(torch.ones(1, 1)).backward()
        made.step()
    # Gradients are 1; the weight's get 0.5 w. First 2 - 0.1 (1 + 1) = 1.8, then momentum 0.9 * 2 + 1 + 0.9 = 3.7.
    assert float(layer.weight.detach()) == pytest.approx(1.8 - 0.37)
    assert float(layer.bias.detach()) == pytest.approx(3.0 - 0.1 - 0.19)


# Training

_TOLD = {"epoch", "step", "loss", "lr", "images_per_s", "waiting_share", "tune_error"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_leaves_no_trace(drawn: Dataset) -> None:
    before = torch.random.get_rng_state()
    rows: list[dict[str, float]] = []
    seen: list[float] = []
    log = FitLog(lambda what, done, total, unit="": seen.append(done), lambda values: rows.append(dict(values)))
    first = trained(drawn, log=log)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(first, trained(drawn))
    assert not same(first, trained(drawn, seed=4))
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert all(row.keys() == _TOLD for row in rows)
    assert seen[-1] == 4 * 54
    assert not first.training


@pytest.mark.slow
def test_memory_at_hand_does_not_change_the_weights(drawn: Dataset) -> None:
    assert same(trained(drawn), trained(drawn, replace(SETTINGS, cache_mb=0)))


class _KilledError(Exception):
    pass


def _killed_after(images: int, folder: Path) -> FitLog:
    def progress(what: str, done: float, total: float | None, unit: str = "") -> None:
        if what == "training" and done >= images:
            raise _KilledError

    return FitLog(progress=progress, checkpoints=folder)


OFTEN = replace(SETTINGS, checkpoint_minutes=0.0)


def killed_and_resumed(
    drawn: Dataset, settings: engine.Training, kills: list[int], folder: Path
) -> tuple[Any, list[float]]:
    """Fit, killed after each of these numbers of pictures, then to the end: the network and the epochs told last."""
    for images in kills:
        with pytest.raises(_KilledError):
            trained(drawn, settings, log=_killed_after(images, folder))
        assert "feed" not in [thread.name for thread in threading.enumerate()]
    epochs: list[float] = []
    log = FitLog(metrics=lambda values: epochs.append(values["epoch"]), checkpoints=folder)
    return trained(drawn, settings, log=log), epochs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sgd", "adamw", "rmsprop", "lars", "lamb"])
def test_a_resumed_fit_equals_one_that_was_never_stopped(drawn: Dataset, tmp_path: Path, kind: Any) -> None:
    settings = replace(OFTEN, optimiser=kind, lr=0.01)
    whole = trained(drawn, settings)
    # 54 pictures in 4 batches an epoch: the first kill is in the second epoch, the next in the fourth.
    resumed, epochs = killed_and_resumed(drawn, settings, [54 + 28, 3 * 54 + 14], tmp_path)
    assert same(resumed, whole)
    assert epochs == [4]
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["step-000000015.json", "step-000000016.json"]


@pytest.mark.slow
def test_a_fit_killed_anywhere_ends_with_the_same_weights(drawn: Dataset, tmp_path: Path, full_count: Count) -> None:
    everything = replace(
        OFTEN, crop="area", jitter=0.3, rand_ops=1, erasing=0.3, mixup=0.2, cutmix=1.0, accumulate=2, sizes=(16, 24)
    )
    whole = trained(drawn, everything)
    rng = np.random.default_rng(7)
    for attempt in range(full_count("fits, each killed twice", 20, 100)):
        kills = sorted(rng.choice(np.arange(1, 4 * 54), size=2, replace=False).tolist())
        resumed, _ = killed_and_resumed(drawn, everything, kills, tmp_path / str(attempt))
        assert same(resumed, whole), kills


@pytest.mark.slow
def test_a_damaged_checkpoint_falls_back_and_another_fits_is_refused(drawn: Dataset, tmp_path: Path) -> None:
    with pytest.raises(_KilledError):
        trained(drawn, OFTEN, log=_killed_after(3 * 54, tmp_path))
    newest = tmp_path / "step-000000011.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    epochs: list[float] = []
    with pytest.warns(UserWarning, match="step-000000011"):
        resumed = trained(
            drawn, OFTEN, log=FitLog(metrics=lambda values: epochs.append(values["epoch"]), checkpoints=tmp_path)
        )
    assert epochs == [3, 4]
    assert same(resumed, trained(drawn))
    with pytest.raises(BadInput, match="another fit"):
        trained(drawn, replace(OFTEN, lr=0.06), log=FitLog(checkpoints=tmp_path))


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_with_the_step_and_spoils_no_checkpoint(drawn: Dataset, tmp_path: Path) -> None:
    wild = replace(SETTINGS, lr=1e30, warmup=0.0)
    with pytest.raises(WorkFailed, match=r"after step \d+ \(epoch 1, lr 9\.9e\+29, images train_"):
        trained(drawn, wild, log=FitLog(checkpoints=tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bfloat16_and_clipping_train_too(drawn: Dataset) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, precision="bf16", clip_norm=1.0, label_smoothing=0.1, nesterov=True)
    trained(drawn, settings, log=FitLog(metrics=lambda values: losses.append(values["loss"])))
    assert losses[-1] < losses[0]


def test_pictures_without_labels_cannot_train(drawn: Dataset) -> None:
    hidden = Pictures(drawn, drawn.manifest.rows("train"), labels=False)
    with pytest.raises(BadInput, match="train: has no labelled images"):
        engine.train(network(), hidden, pictures(drawn, "tune"), SETTINGS, seed=0, log=FitLog())


def test_checkpoints_keep_two_and_give_tensors_back(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path, "fit") is None
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, epoch, {"a.b": torch.full((2, 3), float(epoch)).T}, "fit")
    assert len(list(tmp_path.iterdir())) == 4
    found = newest_checkpoint(tmp_path, "fit")
    assert found is not None
    assert found[0] == 3
    assert torch.equal(found[1]["a.b"], torch.full((3, 2), 3.0))


# Fitted networks


def fitted(drawn: Dataset) -> engine.FittedNetwork:
    with seeded(1, "weights"):
        made = network(width=6)
        torch.nn.init.uniform_(made[1].running_mean, -1, 1)
    return engine.FittedNetwork(made, system="toy", architecture={"width": 6}, classes=drawn.classes, view=VIEW)


def test_scores_are_the_same_bits_for_any_batch_size_and_order(drawn: Dataset) -> None:
    system, val = fitted(drawn), pictures(drawn, "val")
    scores = system.scores(val)
    assert scores.shape == (72, 6)
    assert scores.dtype == np.float32
    for batch_size in (1, 7, 64, 500):
        np.testing.assert_array_equal(system.scores(val, batch_size=batch_size), scores)
    shuffled = np.random.default_rng(0).permutation(72)
    np.testing.assert_array_equal(system.scores(val.take(shuffled)), scores[shuffled])
    with torch.inference_mode():
        plain = system.network(floats(val.arrays(VIEW), VIEW)).numpy()
    np.testing.assert_allclose(scores, plain, atol=1e-5)


def test_a_fitted_network_is_saved_and_loaded_exactly(drawn: Dataset, tmp_path: Path) -> None:
    system, val = fitted(drawn), pictures(drawn, "val")
    system.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.json", "weights.safetensors"]
    loaded = engine.FittedNetwork.load(tmp_path, system="toy", build=network)
    assert (loaded.classes, loaded.view) == (drawn.classes, VIEW)
    np.testing.assert_array_equal(loaded.scores(val), system.scores(val))


def test_files_that_are_no_fitted_network_are_refused(drawn: Dataset, tmp_path: Path) -> None:
    def load(build: Any = network) -> None:
        engine.FittedNetwork.load(tmp_path, system="toy", build=build)

    with pytest.raises(BadInput, match=r"network\.json"):
        load()
    fitted(drawn).save(tmp_path)
    with pytest.raises(BadInput, match="written by 'toy', not by 'resnet'"):
        engine.FittedNetwork.load(tmp_path, system="resnet", build=network)
    with pytest.raises(BadInput, match="weights of this network"):
        load(lambda n_classes, width: network(n_classes, width + 1))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BadInput, match="not the file that was written"):
        load()
    weights.unlink()
    with pytest.raises(BadInput, match=r"weights\.safetensors"):
        load()
    note = tmp_path / "network.json"
    value = json.loads(note.read_text()) | {"classes": 3}
    note.write_text(json.dumps(value))
    with pytest.raises(BadInput, match="cannot be read as a fitted network"):
        load()


# Another device


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the CPU's paths are tested above")
def test_a_cuda_device_learns_in_bfloat16(drawn: Dataset) -> None:
    losses: list[float] = []
    with seeded(3, "initial weights"):
        made = network()
    settings = replace(SETTINGS, precision="bf16", epochs=6)
    log = FitLog(metrics=lambda values: losses.append(values["loss"]))
    weights = engine.train(
        made, pictures(drawn, "train"), pictures(drawn, "tune"), settings, seed=3, log=log, device="cuda"
    )
    assert losses[-1] < losses[0]
    assert all(tensor.device.type == "cpu" for tensor in weights.values())


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(drawn: Dataset) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler: apt-get install g++")
    made = []
    for on in (False, True):
        with seeded(3, "initial weights"):
            made.append(network())
        made[-1][7].p = 0.0  # a compiled dropout draws from the same stream in another order
        settings = replace(SETTINGS, epochs=2, compile=on)
        engine.train(made[-1], pictures(drawn, "train"), pictures(drawn, "tune"), settings, seed=3, log=FitLog())
    plain, compiled = (one.state_dict() for one in made)
    for name, tensor in plain.items():
        assert torch.allclose(tensor, compiled[name], atol=1e-4), name


# Layers and what is told


def test_layers_are_named_up_to_their_first_number_and_get_their_share_of_the_rate() -> None:
    assert [layer(name) for name in ("blocks.3.attn.qkv.weight", "head.bias", "layer1.0.conv1.weight")] == [
        "blocks.3",
        "head",
        "layer1.0",
    ]
    made = optimiser(network(), replace(SETTINGS, layer_decay=0.5, decay_all=False, lr=0.4))
    set_rate(made, 0.4)
    # Four layers with parameters (convolution, normalisation, convolution, full layer), the last at the whole rate.
    rates = sorted({round(group["lr"], 6) for group in made.param_groups})
    assert rates == [0.05, 0.1, 0.2, 0.4]


@pytest.mark.slow
def test_a_spike_is_told_and_named(drawn: Dataset) -> None:
    told: list[dict[str, float]] = []
    wild = replace(SETTINGS, epochs=60, lr=60.0, warmup=0.99, momentum=0.99, schedule="linear")
    with pytest.warns(UserWarning, match="the loss rose from about .* at update"):
        with suppress(WorkFailed):
            trained(drawn, wild, log=FitLog(metrics=lambda values: told.append(dict(values))))
    spikes = [row for row in told if "spike" in row]
    assert spikes and spikes[0]["spike"] > 3 * spikes[0]["usual_loss"]


# What a hostile reader found


@pytest.mark.parametrize(("n", "batch_size"), [(101, 10), (54, 16), (7, 100), (1_281_167, 256)])
def test_batches_are_equal_but_for_one_picture_and_cover_all(n: int, batch_size: int, drawn: Dataset) -> None:
    feed = Feed(Sized(n), replace(SETTINGS, batch_size=batch_size), 0, Processes(0, 1, torch.device("cpu")))  # type: ignore[arg-type]
    bounds = [feed.bounds(place) for place in range(feed.n_steps)]
    sizes = {end - begin for begin, end in bounds}
    assert bounds[0][0] == 0 and bounds[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size


class Sized:
    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n


def test_parts_of_less_than_two_pictures_are_refused() -> None:
    for world, accumulate, fits in ((1, 8, True), (1, 9, False), (2, 4, True), (2, 5, False), (9, 1, False)):
        settings = replace(SETTINGS, batch_size=16, accumulate=accumulate)
        made = Sized(64), settings, 0, Processes(0, world, torch.device("cpu"))
        if fits:
            Feed(*made)  # type: ignore[arg-type]
        else:
            with pytest.raises(BadInput, match="pictures of a batch to a process"):
                Feed(*made)  # type: ignore[arg-type]


@pytest.mark.slow
def test_mixing_of_no_strength_at_first_trains(drawn: Dataset) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, mixup=0.4, sizes=(16, 24), weakest=0.0)
    trained(drawn, settings, log=FitLog(metrics=lambda values: losses.append(values["loss"])))
    assert np.isfinite(losses).all()


def test_saving_removes_later_checkpoints_and_tensors_without_a_note(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        save_checkpoint(tmp_path, step, {"a": torch.ones(2)}, "fit")
    for step in (20, 30):
        (tmp_path / f"step-{step:09d}.safetensors").write_bytes(b"damaged")
    (tmp_path / "step-000000002.safetensors").write_bytes(b"no note")
    save_checkpoint(tmp_path, 5, {"a": torch.zeros(2)}, "fit")
    found = newest_checkpoint(tmp_path, "fit")
    assert found is not None and found[0] == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000005.json", "step-000000005.safetensors"]


@pytest.mark.parametrize("field", ["lr", "weight_decay", "mixup", "colour_sigma", "auxiliary"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_numbers_without_end_are_refused(field: str, value: float) -> None:
    with pytest.raises(BadInput, match=field):
        replace(SETTINGS, **{field: value}).check()  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="drops"):
        replace(SETTINGS, drops=(value,)).check()
