"""Models of open_clip as classifiers: image and text towers, class embeddings from prompts, weights already at hand.

Nothing is downloaded. Weights come from a file, or from the caches into which open_clip itself downloads.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from topfive.records import BadInput, ClassList, Progress, View, silent
from topfive.systems._arrays import read_arrays, write_arrays
from topfive.systems.engine import FittedNetwork
from topfive.systems.features.class_names import Template, class_names, open_clip, templates
from topfive.systems.weights.content import content_of

Tokenizer = Callable[[list[str]], torch.Tensor]
_FILE = "open_clip.npz"
_PROMPTS = 800
"""Prompts that the text tower sees at once, as in open_clip's own classifier (ten classes of 80)."""


class Prompted(nn.Module):
    """A pair of towers and one embedding a class: [n, 3, h, w] to the temperature's inverse times the cosines [n, K].

    The head is linear without bias; `set_classes` fills it, no gradient does.
    """

    def __init__(self, pair: nn.Module, n_classes: int, embed_dim: int) -> None:
        super().__init__()
        self.pair: Any = pair
        # Nothing is drawn for weights that `set_classes` fills: torch's own stream stays as it was.
        self.head = nn.utils.skip_init(nn.Linear, embed_dim, n_classes, bias=False)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.head.weight.requires_grad_(False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, K]; the head sees image embeddings of unit length."""
        return self.head(self.pair.encode_image(x, normalize=True))  # type: ignore[no-any-return]

    @torch.no_grad()
    def set_classes(self, embeddings: torch.Tensor) -> None:
        """Take class embeddings of unit length, float [K, d]."""
        self.head.weight.copy_(self.pair.logit_scale.exp() * embeddings)


@torch.no_grad()
def class_embeddings(
    pair: Any,
    tokenizer: Tokenizer,
    phrases: Sequence[Sequence[str]],
    sentences: Sequence[Template],
    *,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> torch.Tensor:
    """Each class's prompts (its phrases x sentences) embedded at unit length, averaged, scaled to unit length: [K, d].

    Radford et al. 2021, section 3.1.4. The pair must be in evaluation mode.
    """
    prompts = [sentence(phrase) for mine in phrases for phrase in mine for sentence in sentences]
    if not sentences or not all(phrases):
        raise BadInput("have no prompt for some class", where="prompts")
    found = []
    for start in range(0, len(prompts), _PROMPTS):
        tokens = tokenizer(prompts[start : start + _PROMPTS]).to(device)
        found.append(pair.encode_text(tokens, normalize=True).float())
        progress("reading prompts", min(start + _PROMPTS, len(prompts)), len(prompts), "prompts")
    parts = torch.split(torch.cat(found), [len(mine) * len(sentences) for mine in phrases])
    return functional.normalize(torch.stack([part.mean(dim=0) for part in parts]), dim=1)


@dataclass(frozen=True)
class Opened:
    """A pair of towers with its weights, its tokenizer, its view, and the SHA-256 of the file they came from."""

    name: str
    pair: Any
    tokenizer: Tokenizer
    view: View
    weights: Path
    sha256: str


def open_pair(spec: str, weights: Path | None = None, *, cache: Path | None = None, download: bool = False) -> Opened:
    """Open `NAME/TAG` from open_clip's cache, or `NAME` (or `NAME/TAG`) with a file of weights, in evaluation mode.

    With `download` open_clip fetches what its cache lacks.

    The tag decides mean, deviation and activation. Raises BadInput for unknown names and tags, for weights that are
    not there or do not fit, and for models whose tokenizer or text tower would have to be fetched.
    """
    package = open_clip()
    name, tag = _known(spec)
    about = package.get_pretrained_cfg(name, tag) if tag else {}
    path = weights or _cached(name, tag, cache, download)
    with _quiet(), torch.random.fork_rng(devices=[]):
        # Random weights first; load_checkpoint then fills every tensor or raises.
        pair = package.create_model(
            name,
            pretrained=None,
            pretrained_text=False,
            force_quick_gelu=bool(about.get("quick_gelu")),
        )
        try:
            sha256 = _digest(path)
            content_of(path)
            package.load_checkpoint(pair, str(path), strict=True, weights_only=True)
        except BadInput as error:
            raise BadInput(
                f"cannot be read as the weights of {name} ({error.reason})", where=path, fix=error.fix
            ) from error
        except Exception as error:  # torch, safetensors, pickle and zip each raise kinds of their own
            reason = str(error).strip().split("\n")[0][:200]
            raise BadInput(f"cannot be read as the weights of {name} ({reason})", where=path) from error
        tokenizer = package.get_tokenizer(name)
    if not all(bool(p.isfinite().all()) for p in pair.parameters()):
        raise BadInput("holds numbers that are not finite", where=path)
    return Opened(name, pair.eval().requires_grad_(False), tokenizer, view_of(pair, about, spec), path, sha256)


class OpenedClassifier(FittedNetwork):
    """An opened model with embeddings of classes, float [K, d]; nobody says which pictures it has learnt from."""

    contaminated: Literal["unknown"] = "unknown"

    def __init__(
        self, opened: Opened, embeddings: torch.Tensor, classes: ClassList, *, system: str, device: str = "cpu"
    ) -> None:
        network = Prompted(opened.pair, *embeddings.shape).to(embeddings.device)
        network.set_classes(embeddings)
        super().__init__(network, system=system, architecture={}, classes=classes, view=opened.view, device=device)
        self.opened, self.embeddings = opened, embeddings

    def save(self, folder: Path) -> None:
        """Write `open_clip.npz` into an existing folder; the model stays where it is, named with its SHA-256."""
        about = {
            "model": self.opened.name,
            "weights": str(self.opened.weights),
            "sha256": self.opened.sha256,
            "classes": [self.classes.wnids, self.classes.names],
        }
        write_arrays(folder / _FILE, about, {"embeddings": self.embeddings.cpu().numpy()})

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether `save` has written into this folder."""
        return (Path(folder) / _FILE).is_file()

    @classmethod
    def open(cls, folder: Path, *, system: str) -> OpenedClassifier:
        """Read what `save` wrote; raises BadInput where the model is gone or another, or the file is damaged."""
        path = Path(folder) / _FILE
        about, arrays = read_arrays(path)
        try:
            model, weights, sha256 = str(about["model"]), Path(about["weights"]), about["sha256"]
            classes = ClassList(*(tuple(part) for part in about["classes"]))
            embeddings = torch.from_numpy(arrays["embeddings"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"cannot be read as a fitted system ({error})", where=path, fix="Fit it anew") from error
        classes.check(path)
        if embeddings.ndim != 2 or len(embeddings) != len(classes):
            raise BadInput(f"has embeddings {list(embeddings.shape)} for {len(classes)} classes", where=path)
        opened = open_pair(model, weights)
        if opened.sha256 != sha256:
            raise BadInput("holds other weights than those that were used", where=weights, fix="Fit it anew")
        return cls(opened, embeddings, classes, system=system)


def open_zero_shot(
    spec: str,
    weights: Path | None = None,
    *,
    classes: ClassList,
    view: View | None = None,
    device: str = "cpu",
    download: bool = False,
    progress: Progress = silent,
) -> tuple[Prompted, View]:
    """A network from pictures to the classes' logits, made of a model's towers and prompts, and what it sees."""
    opened = open_pair(spec, weights, download=download)
    pair = opened.pair.to(device)
    phrases = [[name] for name in class_names(classes)]
    found = class_embeddings(pair, opened.tokenizer, phrases, templates("openai"), device=device, progress=progress)
    network = Prompted(pair, *found.shape).to(device)
    network.set_classes(found)
    return network.eval(), view or opened.view


def architecture(name: str) -> nn.Module:
    """A CLIP of open_clip by name without its weights, on any torch device; it is not for prompts on `meta`."""
    made: nn.Module = open_clip().CLIP(**open_clip().get_model_config(name))
    return made


def view_of(pair: Any, about: dict[str, Any], where: str) -> View:
    """What open_clip's own evaluation shows the model; `about` is its entry for the tag."""
    package = open_clip()
    size = pair.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    mode = about.get("resize_mode", "shortest")
    if height != width or mode not in ("shortest", "squash"):
        raise BadInput(f"sees {width} x {height} px by {mode!r}, which is no View", where=where)
    found = View(
        height,
        height,
        about.get("interpolation", "bicubic"),
        squash=mode == "squash",
        mean=tuple(about.get("mean", package.OPENAI_DATASET_MEAN)),
        std=tuple(about.get("std", package.OPENAI_DATASET_STD)),
    )
    found.check()
    return found


def _known(spec: str) -> tuple[str, str]:
    """Name and tag of a spec, both known to open_clip (the tag may be empty)."""
    package = open_clip()
    name, _, tag = spec.removeprefix("open_clip:").partition("/")
    config = package.get_model_config(name)
    if config is None:
        near = difflib.get_close_matches(name, package.list_models(), n=3, cutoff=0.3)
        raise BadInput("is no model of open_clip", where=spec, fix=f"Nearest: {', '.join(near) or 'none'}")
    text = config["text_cfg"]
    if "hf_model_name" in text or "hf_tokenizer_name" in text or "siglip" in name.lower():
        raise BadInput(
            "has a tokenizer that is fetched from the network, and nothing is downloaded",
            where=spec,
            fix="Use a model with CLIP's own tokenizer, as ViT-L-14-336/openai",
        )
    tags = package.list_pretrained_tags_by_model(name)
    if tag and not package.get_pretrained_cfg(name, tag):
        raise BadInput(f"has no weights {tag!r}", where=spec, fix=f"Tags: {', '.join(tags) or 'none'}")
    return name, tag


def _cached(name: str, tag: str, cache: Path | None, download: bool = False) -> Path:
    """Where open_clip keeps the weights that it has downloaded before."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    spec = f"open_clip:{name}/{tag}" if tag else f"open_clip:{name}"
    if not tag:
        raise BadInput("names no weights", where=spec, fix="Add a tag (NAME/TAG) or --weights FILE")
    about = open_clip().get_pretrained_cfg(name, tag)
    repository, _, file = about.get("hf_hub", "").rpartition("/")
    files = [str(Path(file).with_suffix(".safetensors")), file] if file else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    for candidate in files if repository else ():
        found = try_to_load_from_cache(repository, candidate, cache_dir=cache)
        if isinstance(found, str):
            return Path(found)
    path = (cache or Path.home() / ".cache" / "clip") / Path(about.get("url") or "none").name
    if path.is_file():
        return path
    if download:
        try:
            return Path(open_clip().download_pretrained(about, cache_dir=None if cache is None else str(cache)))
        except Exception as error:  # the hub's, the transport's and the file system's
            reason = str(error).strip().split("\n")[0][:200]
            raise BadInput(
                f"cannot be fetched ({reason})", where=spec, fix="Fetch it yourself: --weights FILE"
            ) from error
    raise BadInput(
        "has no weights on this machine, and nothing is downloaded",
        where=spec,
        fix=f"Add --download, or fetch {repository or about.get('url')} yourself and add --weights FILE",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip reports on the root logger, and warns that it has loaded nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
