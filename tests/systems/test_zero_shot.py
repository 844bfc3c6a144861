"""CLIP against open_clip: counts, loss, captions and their truth, resuming, and classes that no pair has shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList, Dataset
from topfive.systems import FitLog, get
from topfive.taxonomy import wordnet
from toy.drawn import drawn_set, pictures

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from safetensors.torch import save_file  # noqa: E402

from topfive.systems.features.class_names import captions, nouns, templates  # noqa: E402
from topfive.systems.weights.open_clip_model import architecture, view_of  # noqa: E402
from topfive.systems.zero_shot import SYSTEM, TINY, PairRecipe, Recipe, build, contrastive_loss, fit, load  # noqa: E402

ANIMALS = ClassList(
    ("n02123045", "n02124075", "n02106662", "n03100240"), ("tabby", "Egyptian cat", "German shepherd", "convertible")
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests run side by side; threads that wait for each other on busy cores take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shapes(network: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


# The network


def test_published_counts() -> None:
    with torch.device("meta"):
        found = {
            variant: sum(p.numel() for p in architecture(SYSTEM.variants[variant].model.partition("/")[0]).parameters())
            for variant in ("rn50", "vit_b_32", "vit_b_16", "vit_l_14", "vit_l_14_336")
        }
    # The counts that open_clip's own table of models gives, in millions with two decimals.
    assert {variant: round(n / 1e6, 2) for variant, n in found.items()} == {
        "rn50": 102.01, "vit_b_32": 151.28, "vit_b_16": 149.62, "vit_l_14": 427.62, "vit_l_14_336": 427.94,
    }  # fmt: skip
    assert found["vit_l_14_336"] == get("zero_shot").n_parameters == 427_944_193


def test_with_published_widths_the_tiny_pair_is_clips_smallest() -> None:
    with torch.device("meta"):
        ours = build(3, embed_dim=1024, image_px=224, blocks=(3, 4, 6, 3), width=64, text=(77, 512, 8, 12))
        theirs = architecture("RN50")
    assert shapes(ours.pair) == shapes(theirs)
    assert list(shapes(ours))[-1] == "head.weight"


def test_a_pair_built_without_memory_reads_text_as_the_real_one_does() -> None:
    torch_state = torch.random.get_rng_state()
    real = build(2, **TINY.architecture()).eval()
    torch.random.set_rng_state(torch_state)
    with torch.device("meta"):
        empty = build(2, **TINY.architecture()).eval()
    empty.load_state_dict(real.state_dict(), assign=True)
    tokens = open_clip.SimpleTokenizer(context_length=24)(["a photo of a tabby.", "itap of a crane."])
    with torch.inference_mode():
        torch.testing.assert_close(empty.pair.encode_text(tokens), real.pair.encode_text(tokens))
        plain = open_clip.CLIP(
            128, {"image_size": 64, "layers": (1, 1, 1, 1), "width": 16},
            {"context_length": 24, "width": 64, "heads": 2, "layers": 2},
        )  # fmt: skip
    torch.testing.assert_close(real.pair.attn_mask, plain.attn_mask)


@pytest.mark.parametrize("variant", [name for name in SYSTEM.variants if name != "tiny"])
def test_the_views_are_those_of_the_weights(variant: str) -> None:
    recipe = SYSTEM.variants[variant]
    name, _, tag = recipe.model.partition("/")
    about = open_clip.get_pretrained_cfg(name, tag)
    with torch.device("meta"):
        assert view_of(architecture(name), about, name) == recipe.view


# The loss


def test_with_one_caption_a_picture_the_loss_is_open_clips() -> None:
    rng = np.random.default_rng(0)
    image, text = (
        torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(7, 5))).float(), dim=1) for _ in range(2)
    )
    scale = torch.tensor(14.3)
    theirs = open_clip.ClipLoss()(image, text, scale)
    torch.testing.assert_close(contrastive_loss(scale * image @ text.T, torch.eye(7, dtype=torch.bool)), theirs)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999))
def test_several_true_captions_share_the_wanted_probability(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    logits, true = rng.normal(0, 3, (n, n)), np.eye(n, dtype=bool) | (rng.random((n, n)) < 0.3)
    slow = 0.0
    for table, right in ((logits, true), (logits.T, true.T)):
        for row, wanted in zip(table, right, strict=True):
            logs = row - np.log(np.exp(row).sum())
            slow += -np.mean([logs[j] for j in range(n) if wanted[j]]) / n / 2
    found = contrastive_loss(torch.from_numpy(logits), torch.from_numpy(true))
    assert float(found) == pytest.approx(slow, rel=1e-9)


# Captions


def test_kinds_are_what_some_but_not_all_classes_are() -> None:
    said = nouns(ANIMALS)
    assert said.names == ("tabby cat", "Egyptian Mau", "German Shepherd Dog", "convertible")
    kinds = [[said.words[j] for j in mine] for mine in said.kinds]
    assert kinds[0] == kinds[1]
    assert kinds[0][:3] == ["domestic cat", "cat", "feline"]
    assert {"dog", "animal"} <= set(kinds[2])
    assert {"car", "artifact"} <= set(kinds[3])
    assert not {"entity", "physical entity"} & {word for mine in kinds for word in mine}
    for j, word in enumerate(said.words):
        for k, wnid in enumerate(ANIMALS.wnids):
            above = {wordnet().lemmas(synset)[0].replace("_", " ") for synset in wordnet().ancestors(wnid)}
            assert said.is_a[j, k] <= (word in above)
    assert said.prompted(0, kinds=False) == ["tabby cat"]
    assert said.prompted(0, kinds=True)[:2] == ["tabby cat", "tabby cat, a kind of domestic cat"]
    assert said.prompted(0, kinds=True, named=False)[:2] == ["domestic cat", "cat"]


def test_classes_that_are_no_synsets_have_names_only() -> None:
    said = nouns(ClassList(("disc", "n02123045"), ("disc", "tabby")))
    assert said.kinds[0] == ()
    assert said.prompted(0, kinds=True, named=False) == ["disc"]
    one = nouns(ClassList(("disc", "ring"), ("disc", "ring")))
    assert one.is_a.shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), epoch=st.integers(0, 9), kinds=st.booleans())
def test_captions_are_true_of_the_right_pictures(seed: int, epoch: int, kinds: bool) -> None:
    said = nouns(ANIMALS)
    labels = np.random.default_rng(seed).integers(0, 4, 12)
    positions = np.arange(100, 112)
    same = {"kinds": kinds, "seed": seed, "epoch": epoch}
    told = captions(said, ("a photo of a {}.".format,), labels, positions=positions, **same)
    for i, text in enumerate(told.texts):
        phrase = text.removeprefix("a photo of a ").removesuffix(".")
        name, _, kind = phrase.partition(", a kind of ")
        if name in said.names:
            wanted = labels == said.names.index(name)
            assert not kind or kind in [said.words[j] for j in said.kinds[labels[i]]]
        else:
            assert kinds
            wanted = np.array([name in [said.words[j] for j in said.kinds[label]] for label in labels])
        np.testing.assert_array_equal(told.true[:, i], wanted)
    assert told.true.diagonal().all()
    half = captions(said, ("a photo of a {}.".format,), labels[6:], positions=positions[6:], **same)
    assert half.texts == told.texts[6:]


def test_half_of_the_captions_say_the_name_alone() -> None:
    said, labels = nouns(ANIMALS), np.zeros(4000, dtype=np.int64)
    told = captions(said, templates("simple"), labels, kinds=True, seed=0, epoch=0, positions=np.arange(4000))
    named = np.array(["tabby" in text for text in told.texts])
    with_kind = np.array([", a kind of " in text for text in told.texts])
    assert abs(np.mean(named & ~with_kind) - 0.5) < 0.03
    assert abs(np.mean(named & with_kind) - 0.25) < 0.03
    assert len({text.partition("tabby")[0] for text in np.array(told.texts)[named]}) >= 6


# Fitting

SHORT = replace(TINY, epochs=3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=12, tune=2, val=4)


def test_bad_recipes_are_refused(drawn: Dataset) -> None:
    train, tune = pictures(drawn, "train"), pictures(drawn, "tune")
    for change, row in (
        ({"epochs": 0}, "epochs"), ({"batch_size": 1}, "batch_size"), ({"lr": 0.0}, "lr"),
        ({"text": (24, 65, 2, 2)}, "text"),
        ({"blocks": (1, 1)}, "blocks"), ({"width": 7}, "width"), ({"train_resize_px": 10}, "train_resize_px"),
        ({"templates": "mine"}, "templates"), ({"view": replace(TINY.view, crop_px=60)}, "view"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=f"recipe, {row}: cannot be fitted with"):
            fit(train, tune, replace(TINY, **change), seed=0, log=FitLog())
    with pytest.raises(BadInput, match="recipe, holdout: 'cube' is no class"):
        fit(train, tune, replace(TINY, holdout=("cube",)), seed=0, log=FitLog())
    with pytest.raises(BadInput, match="train: has no labelled images"):
        fit(train, tune, replace(TINY, holdout=drawn.classes.wnids), seed=0, log=FitLog())
    assert SYSTEM.recipe("tiny", {"holdout": "disc,ring"}).holdout == ("disc", "ring")


@pytest.mark.slow
def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(drawn: Dataset, tmp_path: Path) -> None:
    train, tune = pictures(drawn, "train"), pictures(drawn, "tune")
    lines: list[Mapping[str, float]] = []
    state = torch.random.get_rng_state()
    whole = fit(train, tune, SHORT, seed=3, log=FitLog(metrics=lines.append))
    assert torch.equal(state, torch.random.get_rng_state())
    assert [line["epoch"] for line in lines] == [1, 2, 3, 3]
    assert "tune_error" in lines[-1]

    class Stopped(Exception):
        pass

    def stop(values: Mapping[str, float]) -> None:
        if values["epoch"] == 3:
            raise Stopped

    with pytest.raises(Stopped):
        fit(train, tune, SHORT, seed=3, log=FitLog(metrics=stop, checkpoints=tmp_path))
    again = fit(train, tune, SHORT, seed=3, log=FitLog(checkpoints=tmp_path))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    with pytest.raises(BadInput, match="checkpoint of another fit"):
        fit(train, tune, SHORT, seed=4, log=FitLog(checkpoints=tmp_path))


@pytest.mark.slow
def test_held_out_classes_are_in_no_pair(drawn: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from topfive.systems import zero_shot

    seen: set[int] = set()
    plain = zero_shot.captions

    def spy(said: Any, sentences: Any, labels: Any, **rest: Any) -> Any:
        seen.update(labels.tolist())
        return plain(said, sentences, labels, **rest)

    monkeypatch.setattr(zero_shot, "captions", spy)
    recipe = replace(SHORT, epochs=1, holdout=("disc", "cross"))
    fitted = fit(pictures(drawn, "train"), pictures(drawn, "tune"), recipe, seed=0, log=FitLog())
    assert seen == {1, 2, 3, 5}
    val = pictures(drawn, "val")
    features = fitted.features(val)
    assert features.shape == (24, TINY.embed_dim)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-5)
    head = fitted.network.head.weight.detach().numpy()
    np.testing.assert_allclose(fitted.scores(val), features @ head.T, atol=1e-4)


def test_an_opened_model_is_kept_by_name_and_digest(
    drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip import factory

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"width": 16, "heads": 2, "layers": 1},
    }
    monkeypatch.setitem(factory._MODEL_CONFIGS, "small-test", config)
    with torch.random.fork_rng(devices=[]):
        pair = architecture("small-test").eval()

    def write() -> None:
        save_file({name: tensor.contiguous() for name, tensor in pair.state_dict().items()}, weights)

    weights = tmp_path / "small.safetensors"
    write()
    view = replace(SYSTEM.variants["rn50"].view, resize_px=32, crop_px=32)
    recipe = Recipe(view=view, model="small-test", weights=str(weights), templates="simple")
    assert not isinstance(SYSTEM.variants["rn50"], PairRecipe)
    train, tune, val = (pictures(drawn, split) for split in ("train", "tune", "val"))
    with pytest.raises(BadInput, match="not the recipe's"):
        fit(train, tune, replace(recipe, view=replace(view, resize_px=40)), seed=0, log=FitLog())
    state = torch.random.get_rng_state()
    fitted = fit(train, tune, recipe, seed=0, log=FitLog())
    assert torch.equal(state, torch.random.get_rng_state())
    assert fitted.contaminated == "unknown"  # type: ignore[attr-defined]
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["open_clip.npz", "small.safetensors"]
    loaded = load(tmp_path)
    assert (loaded.classes, loaded.view) == (fitted.classes, fitted.view)
    np.testing.assert_array_equal(loaded.scores(val), fitted.scores(val))
    with torch.no_grad():
        pair.ln_final.bias.add_(1.0)
    write()
    with pytest.raises(BadInput, match="other weights"):
        load(tmp_path)
    weights.unlink()
    with pytest.raises(BadInput, match="cannot be read as the weights"):
        load(tmp_path)
