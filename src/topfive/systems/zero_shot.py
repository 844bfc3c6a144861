"""Zero-shot classification: a picture gets the class whose description lies nearest to it.

Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), ICML 2021. New was to
learn from pictures with the text beside them, 400 million pairs, by telling in a batch which text belongs to which
picture; a classifier for any list of classes is then made from their names alone. ViT-L/14 at 336 px erred by 23.8 %
(top-1, val) without having seen one labelled ImageNet picture. Later models of this kind reach 15.6 % (DFN, 2023).

    topfive train zero_shot DATASET --out RUN
    topfive train zero_shot:vit_l_14_336 DATASET --out RUN

`tiny` trains a pair of towers on captions made from the class names of `train` and what WordNet says they are a kind
of: CLIP's ResNet and text transformer with smaller widths. Classes named in `holdout` are left out of the pairs and
are described by their kinds alone. The other variants open a model of open_clip whose weights are on this machine;
`fit` then learns nothing and only reads the prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from topfive.loading import Pictures, crop_flip, order
from topfive.records import BadInput, Claim, View, WorkFailed, digest_json, digest_parts
from topfive.systems._labels import labels_of
from topfive.systems._memory import keep_freed_memory
from topfive.systems.engine import FittedNetwork, seeded
from topfive.systems.engine.chance import reseed
from topfive.systems.engine.checkpoints import newest_checkpoint, save_checkpoint
from topfive.systems.engine.pixels import Store, floats
from topfive.systems.features.class_names import (
    TEMPLATES,
    Nouns,
    captions,
    class_names,
    nouns,
    open_clip,
    templates,
)
from topfive.systems.system import FitLog, System
from topfive.systems.weights.open_clip_model import (
    OpenedClassifier,
    Prompted,
    Tokenizer,
    architecture,
    class_embeddings,
    open_pair,
)

_LARGEST_SCALE = math.log(100.0)
"""The logarithm of the inverse temperature stays below this, section 2.5."""


def build(
    n_classes: int,
    *,
    embed_dim: int,
    image_px: int,
    blocks: tuple[int, ...],
    width: int,
    text: tuple[int, int, int, int],
) -> Prompted:
    """open_clip's CLIP with a ResNet of these blocks and widths, and a head without classes yet.

    `image_px` is a multiple of 32. `text` is the longest text in tokens of CLIP's own byte pairs, and the text
    tower's width, heads and layers.
    """
    context, text_width, heads, layers = text
    pair = open_clip().CLIP(
        embed_dim,
        {"image_size": image_px, "layers": tuple(blocks), "width": width},
        {"context_length": context, "width": text_width, "heads": heads, "layers": layers},
    )
    # The mask is not among the weights, so a network built without memory (to be filled from a file) needs a real one.
    mask = torch.full((context, context), -math.inf, device="cpu").triu_(1)
    pair.register_buffer("attn_mask", mask, persistent=False)
    return Prompted(pair, n_classes, embed_dim)


def contrastive_loss(logits: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over rows (a picture chooses among captions) and columns (a caption among pictures).

    `logits` and `true` are [n, n], pictures by captions; each row and column has a true entry. Where several are true,
    each is to get the same probability; where only the diagonal is, this is the paper's loss (figure 3).
    """
    wanted = true.to(logits.dtype)
    rows = -(wanted / wanted.sum(1, keepdim=True) * functional.log_softmax(logits, dim=1)).sum(1).mean()
    columns = -(wanted / wanted.sum(0, keepdim=True) * functional.log_softmax(logits, dim=0)).sum(0).mean()
    return 0.5 * (rows + columns)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An open_clip `model` (NAME/TAG), perhaps a file of `weights`, what it sees and the sentences of its prompts."""

    view: View
    templates: Literal["openai", "simple"] = "openai"
    model: str = ""
    weights: str = ""

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be used."""
        self.view.check()
        if self.templates not in TEMPLATES:
            raise _refused(self, "templates")


@dataclass(frozen=True, kw_only=True)
class PairRecipe(Recipe):
    """The shape of a pair of towers and the numbers of its training (section 2.5: AdamW, cosine, random crops)."""

    train_resize_px: int
    kinds: bool = True
    """Captions and prompts also say what a class is a kind of."""
    holdout: tuple[str, ...] = ()
    """Wnids of classes that no pair shows or names."""
    epochs: int
    batch_size: int
    lr: float
    warmup: float
    weight_decay: float = 0.2
    beta2: float = 0.98
    embed_dim: int
    blocks: tuple[int, ...]
    width: int
    text: tuple[int, int, int, int]
    """Tokens, width, heads and layers of the text tower."""
    cache_mb: int = 4096

    def architecture(self) -> dict[str, Any]:
        """The arguments of `build` besides the number of classes."""
        names = ("embed_dim", "blocks", "width", "text")
        return {"image_px": self.view.crop_px} | {name: getattr(self, name) for name in names}

    def check(self) -> None:
        """Raise BadInput naming the first field that cannot be trained with."""
        super().check()
        fits = {
            "view": self.view.crop_px % 32 == 0,
            "train_resize_px": self.train_resize_px >= self.view.crop_px,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 2,
            "lr": self.lr > 0,
            "warmup": 0 <= self.warmup < 1,
            "weight_decay": self.weight_decay >= 0,
            "beta2": 0 <= self.beta2 < 1,
            "blocks": len(self.blocks) == 4 and min(self.blocks) >= 1,
            "width": self.width >= 2 and self.width % 2 == 0,
            "text": len(self.text) == 4
            and min(self.text) >= 1
            and self.text[0] >= 3
            and self.text[1] % self.text[2] == 0,
        }
        for name, good in fits.items():
            if not good:
                raise _refused(self, name)


def _refused(recipe: Recipe, name: str) -> BadInput:
    return BadInput(f"cannot be fitted with {name} = {getattr(recipe, name)}", where="recipe", row=name)


class _Training:
    """One fit of a pair in progress."""

    def __init__(
        self, network: Prompted, said: Nouns, train: Pictures, recipe: PairRecipe, seed: int, log: FitLog, device: str
    ) -> None:
        self.recipe, self.said, self.seed, self.log = recipe, said, seed, log
        self.device = torch.device(device)
        self.labels, self.ids = labels_of(train, "train"), train.ids
        kept = replace(recipe.view, resize_px=recipe.train_resize_px, crop_px=recipe.train_resize_px)
        self.store = Store(train, kept, recipe.cache_mb, log.progress)
        self.sentences = templates(recipe.templates)
        self.tokenizer: Tokenizer = open_clip().SimpleTokenizer(context_length=recipe.text[0])
        self.pair = network.pair.to(self.device, memory_format=torch.channels_last)
        parameters = list(self.pair.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, recipe.beta2), eps=1e-6, fused=True)
        self.n_steps = math.ceil(len(train) / recipe.batch_size)
        self.batch_size = math.ceil(len(train) / self.n_steps)
        self.fit = digest_json(
            [asdict(recipe), seed, digest_parts(train.ids, self.labels, train.classes.digest), said.names, said.words]
        )

    def run(self) -> None:
        """All epochs that are still to be done."""
        first = self._resume()
        with seeded(self.seed, "training", device=self.device):
            for epoch in range(first, self.recipe.epochs):
                began = self.log.clock()
                measured = {"epoch": epoch + 1} | self._epoch(epoch)
                measured["images_per_s"] = len(self.ids) / max(self.log.clock() - began, 1e-9)
                self.log.metrics(measured)
                if self.log.checkpoints is not None:
                    save_checkpoint(self.log.checkpoints, epoch + 1, self._state(), self.fit)
        self.pair.eval()

    def _epoch(self, epoch: int) -> dict[str, float]:
        self.pair.train()
        total, rate = 0.0, 0.0
        for step, (positions, images) in enumerate(self._batches(epoch), start=epoch * self.n_steps):
            reseed(self.seed, "step", step, device=self.device)
            rate = self._rate(step)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            loss = self._update(images, positions, epoch)
            if not math.isfinite(loss):
                raise WorkFailed(
                    f"training stopped: the loss is {loss} after step {step + 1} (epoch {epoch + 1}, lr {rate:.3g}, "
                    f"image {self.ids[positions[0]]}, ...). Lower lr"
                )
            total += loss * len(positions)
            done = epoch * len(self.ids) + min(len(self.ids), (step % self.n_steps + 1) * self.batch_size)
            self.log.progress("training", done, self.recipe.epochs * len(self.ids), "images")
        scale = float(self.pair.logit_scale.detach().exp())
        return {"loss": total / len(self.ids), "lr": rate, "inverse_temperature": scale}

    def _batches(self, epoch: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        positions = order(len(self.ids), self.seed, epoch)
        for i, images in enumerate(self.store.batches(positions, self.batch_size)):
            yield positions[i * self.batch_size : i * self.batch_size + len(images)], images

    def _rate(self, step: int) -> float:
        """Rising in a line over the warm-up, then falling along a cosine."""
        total = self.recipe.epochs * self.n_steps
        warmup = round(self.recipe.warmup * total)
        if step < warmup:
            return self.recipe.lr * (step + 1) / (warmup + 1)
        return self.recipe.lr * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (total - warmup)))

    def _update(self, images: NDArray[np.uint8], positions: NDArray[np.int64], epoch: int) -> float:
        drawn: dict[str, Any] = {"seed": self.seed, "epoch": epoch, "positions": positions}
        pixels = floats(crop_flip(images, self.recipe.view.crop_px, **drawn), self.recipe.view, self.device)
        told = captions(self.said, self.sentences, self.labels[positions], kinds=self.recipe.kinds, **drawn)
        # A text that stands several times in the batch is read once.
        texts, place = np.unique(told.texts, return_inverse=True)
        read = self.pair.encode_text(self.tokenizer(texts.tolist()).to(self.device), normalize=True)
        read = read[torch.from_numpy(place.reshape(-1)).to(self.device)]
        logits = self.pair.logit_scale.exp() * self.pair.encode_image(pixels, normalize=True) @ read.T
        loss = contrastive_loss(logits, torch.from_numpy(told.true).to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            self.pair.logit_scale.clamp_(max=_LARGEST_SCALE)
        return float(loss.detach())

    def _state(self) -> dict[str, torch.Tensor]:
        """Everything that the next epoch depends on."""
        tensors = {f"pair.{name}": tensor for name, tensor in self.pair.state_dict().items()}
        for i, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"{i}.{name}": tensor for name, tensor in values.items()}
        return tensors

    def _resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the number of epochs done."""
        found = None if self.log.checkpoints is None else newest_checkpoint(self.log.checkpoints, self.fit)
        if found is None:
            return 0
        epoch, tensors = found
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            place, name = key.split(".", 1)
            if place != "pair":
                # Moments lie in memory as their parameter does (channels last): the fused update walks both.
                like = parameters[int(place)]
                moved = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
                moments.setdefault(int(place), {})[name] = moved
        self.pair.load_state_dict({k.removeprefix("pair."): v for k, v in tensors.items() if k.startswith("pair.")})
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        return epoch


def fit(
    train: Pictures, tune: Pictures, recipe: Recipe, *, seed: int, log: FitLog, device: str = "cpu"
) -> FittedNetwork:
    """Train a pair of towers, or open one, and read the classes' prompts; `tune` is measured and chooses nothing."""
    recipe.check()
    if isinstance(recipe, PairRecipe):
        return _fit_pair(train, tune, recipe, seed=seed, log=log, device=device)
    opened = open_pair(recipe.model, Path(recipe.weights) if recipe.weights else None)
    if opened.view != recipe.view:
        raise BadInput(f"sees {opened.view}, not the recipe's {recipe.view}", where=recipe.model)
    opened.pair.to(device)
    phrases = [[name] for name in class_names(train.classes)]
    embeddings = class_embeddings(
        opened.pair, opened.tokenizer, phrases, templates(recipe.templates), device=device, progress=log.progress
    )
    return OpenedClassifier(opened, embeddings, train.classes, system="zero_shot", device=device)


def _fit_pair(
    train: Pictures, tune: Pictures, recipe: PairRecipe, *, seed: int, log: FitLog, device: str
) -> FittedNetwork:
    classes = train.classes
    unknown = [wnid for wnid in recipe.holdout if wnid not in classes.index]
    if unknown:
        raise BadInput(f"{unknown[0]!r} is no class of the set", where="recipe", row="holdout")
    held = [classes.index[wnid] for wnid in recipe.holdout]
    shown = train.take(~np.isin(labels_of(train, "train"), held))
    keep_freed_memory()
    said = nouns(classes)
    with seeded(seed, "initial weights"):
        network = build(len(classes), **recipe.architecture())
    training = _Training(network, said, shown, recipe, seed, log, device)
    training.run()
    phrases = [said.prompted(k, kinds=recipe.kinds, named=k not in held) for k in range(len(classes))]
    network.set_classes(
        class_embeddings(network.pair, training.tokenizer, phrases, training.sentences, device=device).to("cpu")
    )
    fitted = FittedNetwork(
        network,
        system="zero_shot",
        architecture=recipe.architecture(),
        classes=classes,
        view=recipe.view,
        device=device,
    )
    if len(tune):
        wrong = fitted.scores(tune).argmax(axis=1) != labels_of(tune, "tune")
        log.metrics({"epoch": recipe.epochs, "tune_error": float(wrong.mean())})
    return fitted


def load(folder: Path) -> FittedNetwork:
    """Read what `save` wrote; an opened model must still be on this machine, and be the same."""
    if OpenedClassifier.is_in(folder):
        return OpenedClassifier.open(folder, system="zero_shot")
    return FittedNetwork.load(folder, system="zero_shot", build=build)


def _view(resize_px: int, crop_px: int, *, squash: bool = False) -> View:
    """CLIP's mean and deviation."""
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return View(resize_px, crop_px, "bicubic", squash, mean, std)


def _published(model: str, px: int, *, squash: bool = False) -> Recipe:
    return Recipe(view=_view(px, px, squash=squash), model=model)


# CLIP's smallest network, RN50, with a quarter of the width and one block a stage; 64 px crops, as pictures have 64 px.
TINY = PairRecipe(
    view=_view(72, 64),
    templates="simple",
    train_resize_px=72,
    epochs=20,
    batch_size=64,
    lr=2e-3,
    warmup=0.1,
    embed_dim=128,
    blocks=(1, 1, 1, 1),
    width=16,
    text=(24, 64, 2, 2),
)

SYSTEM = System(
    title="CLIP zero-shot",
    year=2021,
    paper="Radford et al., Learning transferable visual models from natural language supervision, ICML 2021",
    claim=Claim(
        metric="top1_error",
        value=0.238,
        edition="ILSVRC2012",
        split="val",
        protocol="CLIP ViT-L/14 at 336 px, zero-shot: 80 prompts a class averaged, 1 crop, no ImageNet label seen",
        source="arXiv:2103.00020, 76.2 % accuracy (recalled)",
        crops="1",
        n_networks=1,
        extra_data="400 million image-text pairs",
    ),
    variants={
        "tiny": TINY,
        "rn50": _published("RN50/openai", 224),
        "vit_b_32": _published("ViT-B-32/openai", 224),
        "vit_b_16": _published("ViT-B-16/openai", 224),
        "vit_l_14": _published("ViT-L-14/openai", 224),
        "vit_l_14_336": _published("ViT-L-14-336/openai", 336),
        "vit_h_14_378": _published("ViT-H-14-378/dfn5b", 378, squash=True),
    },
    fit=fit,
    load=load,
    needs=("torch", "open_clip"),
    n_parameters=427_944_193,
    network=lambda: architecture("ViT-L-14-336"),
)
