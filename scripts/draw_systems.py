"""Draw docs/landmarks/figures/NAME.svg: a network layer by layer from its own code, a classic pipeline step by step.

    python scripts/draw_systems.py [NAME ...]

A network is run on torch's meta device (no memory, no numbers) and drawn as it answers: a bar a layer, as wide as the
layer has channels (logarithmic) and as high as its maps; equal blocks in a row are one bar with their number.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topfive import systems
from topfive.reports.svg import Drawing

OUT = Path(__file__).resolve().parents[1] / "docs" / "landmarks" / "figures"
WIDTH, MIDDLE, LABEL, GAP = 720, 400, 16, 6
STYLE = """<style>
text{font:14px system-ui,sans-serif;fill:#1c1e21}.quiet{fill:#6b7075}.bar{fill:#0072b2}.flat{fill:#d55e00}
.head{font-weight:600}.link{stroke:#9aa0a6}
@media (prefers-color-scheme:dark){text{fill:#e8eaed}.quiet{fill:#9aa0a6}.bar{fill:#56b4e9}.flat{fill:#e69f00}}
</style>"""
PIPELINES: dict[str, tuple[tuple[str, str], ...]] = {
    "nec_uiuc": (
        ("picture", "grey, at several scales"),
        ("dense HOG and LBP", "one descriptor every few pixels"),
        ("two codings", "local coordinates of words; super-vectors of Gaussians"),
        ("spatial pyramid", "maximum or sum in each region"),
        ("linear machines", "one a class, averaged SGD"),
        ("sum of scores", "the class with the largest"),
    ),
    "sift_fisher": (
        ("picture", "grey, at several scales"),
        ("dense SIFT", "128 values every few pixels"),
        ("principal components", "64 values"),
        ("Fisher vector", "gradients of a mixture of Gaussians"),
        ("spatial pyramid", "one vector a region, signed roots, unit length"),
        ("linear machines", "one a class against the rest"),
    ),
    "xrce": (
        ("picture", "grey and colour"),
        ("SIFT and colour moments", "two kinds of descriptor, each with its own mixture"),
        ("Fisher vectors", "spatial pyramid, signed roots, unit length"),
        ("product quantiser", "one bit a value"),
        ("linear machines", "SGD on codes that are decoded on the fly"),
        ("late fusion", "one weight a kind, chosen on tune"),
    ),
    "isi": (
        ("picture", "grey and colour"),
        ("SIFT, LBP, GIST, CSIFT", "four kinds of descriptor"),
        ("Fisher vectors", "one mixture a kind"),
        ("passive-aggressive machines", "online, averaged"),
        ("weighted sum", "weights chosen on tune"),
    ),
    "ensemble": (
        ("member runs", "any landmarks, each with its own View"),
        ("weights", "one a member, fitted to the likelihood of tune"),
        ("weighted mean", "of logarithms or of probabilities"),
    ),
    "linear_probe": (
        ("frozen backbone", "learns nothing more"),
        ("features", "what its last layer would be given"),
        ("linear layer", "penalty or head chosen on tune"),
    ),
    "knn": (
        ("frozen backbone", "learns nothing at all"),
        ("features", "of unit length"),
        ("nearest neighbours", "k chosen on tune, votes weighted by likeness"),
    ),
    "dino": (
        ("crops", "two large, several small, of one picture without its label"),
        ("student and teacher", "two copies of one transformer"),
        ("agreement", "the student says of each crop what the teacher says of another"),
        ("teacher moves", "a moving average of the student, centred and sharpened"),
        ("frozen backbone", "a linear layer learns the labels"),
    ),
    "zero_shot": (
        ("pairs", "a picture and a caption"),
        ("two towers", "one embedding each, of unit length"),
        ("contrast", "a picture is nearest to its own caption"),
        ("class prompts", "names in templates, averaged"),
        ("nearest prompt", "the answer, of classes never trained as such"),
    ),
}


@dataclass
class Layer:
    """`shape` without the batch: (channels, height, width), (tokens, width) or (width,)."""

    name: str
    detail: str
    shape: tuple[int, ...]
    n: int = 1


def layers_of(network: Any, px: int) -> list[Layer]:
    """The layers and blocks in the order in which they answer."""
    import torch
    from torch import nn

    found: list[Layer] = []
    hooks: list[Any] = []
    quiet = (nn.ReLU, nn.Dropout, nn.Identity, nn.Flatten, nn.BatchNorm2d, nn.LayerNorm, nn.SiLU, nn.GELU)

    def listen(module: Any, name: str) -> None:
        def hook(module: Any, given: Any, answer: Any) -> None:
            if not isinstance(answer, torch.Tensor):
                return
            layer = Layer(name, detail_of(module), tuple(answer.shape[1:]))
            last = found[-1] if found else None
            if last and (last.detail, last.shape) == (layer.detail, layer.shape) and list(module.children()):
                last.n += 1
            else:
                found.append(layer)

        hooks.append(module.register_forward_hook(hook))

    def walk(module: Any, prefix: str) -> None:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            grand = list(child.children())
            container = (
                isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict)
                or type(child).__name__ == "ConvNeXtStage"
            )
            if grand and container:
                walk(child, f"{path}.")
            elif not isinstance(child, quiet):
                listen(child, path)

    walk(network.eval(), "")
    with torch.no_grad():
        network(torch.empty(1, 3, px, px, device="meta"))
    for hook in hooks:
        hook.remove()
    return found


def detail_of(module: Any) -> str:
    kind = type(module).__name__
    if kind == "Conv2d":
        stride = f"/{module.stride[0]}" if module.stride[0] > 1 else ""
        groups = f", {module.groups} groups" if module.groups > 1 else ""
        return f"conv {module.kernel_size[0]}x{module.kernel_size[1]}{stride}{groups}"
    if kind == "Linear":
        return "full layer"
    if "Pool" in kind:
        size = getattr(module, "kernel_size", None)
        return f"pool {size}" if isinstance(size, int) else "pool"
    return kind


def height_of(shape: tuple[int, ...]) -> float:
    side = shape[1] if len(shape) == 3 else math.sqrt(shape[0]) if len(shape) == 2 else 1
    return max(10.0, 4.0 * math.sqrt(side))


def network_figure(name: str, system: Any) -> str:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    recipe = next(v for v in reversed(list(system.variants.values())) if hasattr(v, "architecture"))
    with torch.device("meta"):
        network = system.network().eval()
        px = recipe.view.crop_px
        layers = layers_of(network, px)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(torch.empty(1, 3, px, px))
    rows = [max(height_of(layer.shape), LABEL) + GAP for layer in layers]
    n_parameters = sum(p.numel() for p in network.parameters())
    # Response normalisation is written as a convolution; papers do not count it.
    counted = counter.get_flop_counts()
    norms = [f"{type(network).__name__}.{n}" for n, m in network.named_modules() if "Norm" in type(m).__name__]
    flops = counter.get_total_flops() - sum(sum(counted.get(norm, {}).values()) for norm in norms)
    said = f"{n_parameters / 1e6:.1f} M parameters, {flops / 2e9:.2f} G multiply-adds at {px} px"
    drawing = Drawing(WIDTH, 48 + sum(rows), f"{system.title}, layer by layer", said)
    drawing.text((0, 18), ("head", system.title), ("quiet", said))
    top = 40.0
    for layer, row in zip(layers, rows, strict=True):
        channels = layer.shape[0] if len(layer.shape) == 3 else layer.shape[-1]
        wide, high = 18.0 * math.log2(max(2, channels)), height_of(layer.shape)
        drawing.rect(
            "bar" if len(layer.shape) > 1 else "flat", (MIDDLE - wide / 2, top + (row - GAP - high) / 2), (wide, high)
        )
        times = f"{layer.n} x " if layer.n > 1 else ""
        base = top + (row - GAP) / 2 + 5
        drawing.text((0, base), ("", f"{times}{layer.detail}"), ("quiet", layer.name))
        size = " x ".join(str(part) for part in (*layer.shape[1:], layer.shape[0])) if len(layer.shape) == 3 else ""
        drawing.text((WIDTH, base), ("quiet", size or " x ".join(map(str, layer.shape))), anchor="end")
        top += row
    return standalone(drawing)


def pipeline_figure(title: str, steps: tuple[tuple[str, str], ...]) -> str:
    drawing = Drawing(WIDTH, 48 + 56 * len(steps), title, "; then ".join(f"{what}: {words}" for what, words in steps))
    drawing.text((0, 18), ("head", title))
    for i, (what, words) in enumerate(steps):
        top = 40 + 56 * i
        drawing.rect("bar", (8, top), (6, 36))
        if i:
            drawing.line("link", (11, top - 20), (11, top))
        drawing.text((28, top + 15), ("head", what))
        drawing.text((28, top + 34), ("quiet", words))
    return standalone(drawing)


def standalone(drawing: Drawing) -> str:
    text = drawing.render("figure").replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return text.replace("</desc>", f"</desc>{STYLE}", 1) + "\n"


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or systems.names():
        system = systems.get(name)
        drawn = pipeline_figure(system.title, PIPELINES[name]) if name in PIPELINES else network_figure(name, system)
        (OUT / f"{name}.svg").write_text(drawn, encoding="utf-8")
        print(name, len(drawn))


if __name__ == "__main__":
    main()
