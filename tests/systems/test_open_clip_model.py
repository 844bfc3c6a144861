"""Models of open_clip: the classifier is open_clip's own, weights come from disk or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topfive.records import BadInput, ClassList, View
from topfive.taxonomy import ilsvrc_classes, wordnet

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from safetensors.torch import save_file  # noqa: E402

from topfive.systems.features.class_names import class_names, templates  # noqa: E402
from topfive.systems.weights import open_clip_model as models  # noqa: E402
from topfive.systems.weights.open_clip_model import class_embeddings, open_pair, open_zero_shot, view_of  # noqa: E402

NAME = "tiny-test"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
THREE = ClassList(("n02123045", "n02012849", "x"), ("tabby", "crane", "thing"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """A model of open_clip's own making, small enough to be made in a moment."""
    from open_clip import factory

    factory._MODEL_CONFIGS[NAME] = CONFIG
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    del factory._MODEL_CONFIGS[NAME]
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pair() -> Any:
    state = torch.random.get_rng_state()
    made = open_clip.CLIP(**CONFIG).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    torch.random.set_rng_state(state)
    return made


@pytest.fixture
def file(pair: Any, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in pair.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("which", ["openai", "simple"])
def test_the_classifier_is_open_clips_own(pair: Any, which: str) -> None:
    names = [*open_clip.IMAGENET_CLASSNAMES[:23], "a class of six words in all"]
    sentences = templates(which)
    tokenizer = open_clip.SimpleTokenizer()
    theirs = open_clip.build_zero_shot_classifier(pair, tokenizer, names, sentences)
    ours = class_embeddings(pair, tokenizer, [[name] for name in names], sentences)
    assert ours.shape == (24, 16)
    assert float((ours - theirs.T).abs().max()) < 1e-5
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(24))


def test_phrases_are_averaged_with_the_sentences_by_hand(pair: Any) -> None:
    tokenizer = open_clip.SimpleTokenizer()
    found = class_embeddings(pair, tokenizer, [["cat", "pet"], ["dog"]], (str.upper, "the {}".format))
    with torch.no_grad():
        one = pair.encode_text(tokenizer(["CAT", "the cat", "PET", "the pet"]), normalize=True).mean(0)
    torch.testing.assert_close(found[0], one / one.norm(), atol=1e-6, rtol=0)
    for phrases, sentences in (([["cat"], []], (str,)), ([["cat"]], ())):
        with pytest.raises(BadInput, match="no prompt for some class"):
            class_embeddings(pair, tokenizer, phrases, sentences)


def test_templates_are_those_of_the_package() -> None:
    assert templates("openai") == tuple(open_clip.OPENAI_IMAGENET_TEMPLATES)
    assert (len(templates("openai")), len(templates("simple"))) == (80, 7)
    with pytest.raises(BadInput, match="openai, simple"):
        templates("mine")


def test_curated_names_stand_in_the_order_of_the_ilsvrc_classes() -> None:
    """958 of the 1,000 share a word with a lemma of their wnid; shifted by one place 21 would."""
    classes = ilsvrc_classes()

    def words(text: str) -> set[str]:
        return set(text.lower().replace("-", " ").replace("_", " ").replace("'s", "").split())

    lemmas = [words(" ".join(wordnet().lemmas(wnid))) for wnid in classes.wnids]
    names = class_names(classes)
    assert names == tuple(open_clip.IMAGENET_CLASSNAMES)
    shared = [sum(bool(mine & words(names[(i + shift) % 1000])) for i, mine in enumerate(lemmas)) for shift in (0, 1)]
    assert shared[0] == 958
    assert shared[1] < 200


def test_names_are_looked_up_by_wnid_and_strangers_keep_their_own() -> None:
    assert class_names(ClassList(("n03126707", "x", "n02012849"), ("crane", "thing", "crane"))) == (
        "construction crane",
        "thing",
        "crane bird",
    )


# Opening


def test_a_model_with_a_file_of_weights_gives_open_clips_logits(pair: Any, file: Path) -> None:
    state = torch.random.get_rng_state()
    network, view = open_zero_shot(f"open_clip:{NAME}", file, classes=THREE)
    assert torch.equal(state, torch.random.get_rng_state())
    assert view == View(32, 32, "bicubic", mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD)
    pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, 32, 32)).astype(np.float32))
    with torch.inference_mode():
        ours = network(pixels)
        head = open_clip.build_zero_shot_classifier(
            pair, open_clip.SimpleTokenizer(), class_names(THREE), open_clip.OPENAI_IMAGENET_TEMPLATES
        )
        theirs = pair.logit_scale.exp() * pair.encode_image(pixels, normalize=True) @ head
    assert ours.shape == (5, 3)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    assert not any(p.requires_grad for p in network.parameters())
    other = View(40, 32)
    assert open_zero_shot(NAME, file, classes=THREE, view=other)[1] == other


def test_what_cannot_be_opened_is_named(file: Path, tmp_path: Path) -> None:
    for spec, reason in (
        ("ViT-B-33", "ViT-B-33: is no model of open_clip. Nearest: ViT-B-32"),
        ("ViT-B-32/openay", "has no weights 'openay'. Tags: openai"),
        ("ViT-B-32", "names no weights"),
        ("ViT-B-16-SigLIP/webli", "tokenizer that is fetched"),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", "tokenizer that is fetched"),
        ("", "is no model of open_clip"),
    ):
        with pytest.raises(BadInput, match=reason.replace(".", r"\.")):
            open_pair(spec, cache=tmp_path)
    for data in (b"", b"not weights", file.read_bytes()[:5000]):
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"damaged\.safetensors: cannot be read as the weights"):
            open_pair(NAME, path)
    with pytest.raises(BadInput, match="cannot be read as the weights"):
        open_pair(NAME, tmp_path / "gone.safetensors")


def test_weights_that_do_not_fit_are_refused(pair: Any, tmp_path: Path) -> None:
    good = {name: tensor.contiguous() for name, tensor in pair.state_dict().items()}
    for change, reason in (
        ({"ln_final.bias": None}, "cannot be read as the weights"),
        ({"ln_final.bias": torch.zeros(3)}, "cannot be read as the weights"),
        ({"stranger": torch.zeros(3)}, "cannot be read as the weights"),
        ({"ln_final.bias": torch.full((16,), torch.nan)}, "not finite"),
    ):
        path = tmp_path / "weights.safetensors"
        save_file({k: v for k, v in (good | change).items() if v is not None}, path)
        with pytest.raises(BadInput, match=reason):
            open_pair(NAME, path)


def test_a_pickle_from_strangers_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(BadInput, match="cannot be read as the weights"):
        open_pair(NAME, path)
    assert not (tmp_path / "ran").exists()


def test_the_cache_of_open_clip_is_looked_into_and_nothing_fetched(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"open_clip:RN50/yfcc15m: has no weights on this machine, and nothing is"):
        open_pair("RN50/yfcc15m", cache=tmp_path)
    # The layout of huggingface_hub: refs/main names the revision, snapshots/REVISION holds the files.
    hub = open_clip.get_pretrained_cfg("ViT-L-14-336", "openai")["hf_hub"].rstrip("/")
    folder = tmp_path / f"models--{hub.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"x")
    assert models._cached("ViT-L-14-336", "openai", tmp_path) == snapshot / "open_clip_model.safetensors"
    plain = Path(open_clip.get_pretrained_cfg("RN50", "yfcc15m")["url"]).name
    (tmp_path / plain).write_bytes(b"x")
    assert models._cached("RN50", "yfcc15m", tmp_path) == tmp_path / plain


def test_what_cannot_be_fetched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(models.open_clip(), "download_pretrained", offline)
    with pytest.raises(BadInput, match=r"cannot be fetched \(no route to host\)\. Fetch it yourself: --weights FILE"):
        models._cached("RN50", "yfcc15m", tmp_path, download=True)


def test_views_are_those_of_the_tag(pair: Any) -> None:
    found = view_of(pair, {"resize_mode": "squash", "mean": [0.5] * 3, "std": (0.5,) * 3}, "here")
    assert found == View(32, 32, "bicubic", squash=True)
    with pytest.raises(BadInput, match="here: sees 32 x 32 px by 'longest'"):
        view_of(pair, {"resize_mode": "longest"}, "here")
