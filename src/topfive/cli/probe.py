"""`topfive probe`: what a network's frozen features are worth, by a linear layer or by k-NN."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from topfive.cli.options import cache_folder
from topfive.cli.output import percent, print_facts, print_json
from topfive.cli.progress import Bars


def probe(
    model: str,
    dataset: Path,
    *,
    kind: Literal["linear", "knn"] = "linear",
    split: str = "val",
    weights: Path | None = None,
    batch_size: int = 64,
    device: Literal["cpu", "cuda", "mps"] = "cpu",
    workers: int | None = None,
    cluster: str = "",
    download: bool = False,
    json: bool = False,
) -> None:
    """Score a network's frozen features: a linear probe or k-NN learnt from `train`, chosen on `tune`.

    Features are kept, so a probe that was stopped goes on by the same command, and the other kind is quick.

    Example: `topfive probe efficientnet_lite0 runs/twin --kind knn`

    Parameters
    ----------
    model
        A run folder, `efficientnet_lite0`, `timm:NAME`, `torchvision:NAME` or another torch network.
    dataset
        A dataset folder with labelled `train`.
    kind
        `linear`: logistic regression, its penalty chosen on `tune`; `knn`: the vote of the nearest, k chosen on `tune`.
    split
        The split that is scored.
    weights
        The file of the model's weights, for those that take one.
    batch_size
        Pictures at a time.
    device
        cpu, cuda or mps.
    workers
        Processes that see pictures, each with the model and one thread: by default one a core on the CPU, else 1.
    cluster
        The address of a Ray cluster to see them on (`HOST:PORT`, or auto); set and weights must lie there under the
        same path.
    download
        Let the model's library fetch weights that are not here.
    json
        Print one JSON object.
    """
    from topfive.dataset import CORES
    from topfive.flows.probe import Probing, probe
    from topfive.records import Dataset

    if workers is None:
        workers = CORES if device == "cpu" else 1
    how = Probing(
        weights=weights,
        device=device,
        batch_size=batch_size,
        download=download,
        cache=cache_folder(),
        workers=workers,
        cluster=cluster,
    )
    with Bars() as progress:
        facts = probe(model, Dataset.read(dataset), split, kind=kind, how=how, progress=progress)
    if json:
        print_json(facts)
        return
    chosen = ", ".join(f"{name} {value:g}" for name, value in facts["chosen"].items())
    print_facts(
        {
            "model": facts["model"],
            "kind": f"{kind} ({chosen}, chosen on tune)",
            "top-1 error, %": percent(facts["top1_error"], facts["top1_error_interval"]),
            "top-5 error, %": percent(facts["top5_error"], facts["top5_error_interval"]),
            "images": facts["n"],
            "contaminated": facts["contaminated"],
            "seconds": f"{facts['seconds']:.1f}",
        }
    )
