"""The main job: a whole challenge, from pictures to leaderboard, audit and report. Each stage keeps what is done."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topfive import systems
from topfive.flows import provenance
from topfive.flows.fit import Options, fit, named, plan_fit
from topfive.flows.inference import Inference
from topfive.flows.prediction import predict
from topfive.records import (
    BadInput,
    Board,
    Dataset,
    Predictions,
    Progress,
    Published,
    Run,
    Truth,
    silent,
    write_text,
)

if TYPE_CHECKING:
    from topfive.challenge import Edition, Vault

DEFAULT_SYSTEMS = ("sift_fisher", "alexnet", "resnet", "ensemble", "linear_probe")
EDITION = "main"
_SUBMISSIONS_A_WEEK = 2
"""As ILSVRC had it. Each run is a team of its own, in a workspace that belongs to one person."""


@dataclass(frozen=True)
class Order:
    """An image set in place of the twin, the systems, a limit on time, a seed, secret salt for the seal."""

    data: Path | None = None
    systems: Sequence[str] = DEFAULT_SYSTEMS
    minutes: float | None = None
    seed: int = 0
    device: str = "cpu"
    salt: bytes = b""
    twin: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the twin's recipe that differ from its defaults."""


def hold_challenge(out: Path, order: Order, *, now: datetime, progress: Progress = silent) -> Board:
    """Hold the challenge into the workspace `out` and return its board; the same call goes on where it stopped."""
    from topfive import challenge, reports, storage
    from topfive.flows.report import gather

    began = time.perf_counter()
    _check(order)
    dataset, split = _image_set(out, order, progress)
    runs = _fit_all(out, order, dataset, split, began, now, progress)
    vault = challenge.Vault(out / "vault")
    database = storage.open_database(out / "challenge.db")
    rules = challenge.Rules(limit=_SUBMISSIONS_A_WEEK)
    edition = challenge.create(EDITION, dataset, split, rules, vault=vault, database=database, now=now)
    for run in runs:
        _submit(out, run, dataset, edition, vault, database, now)
    claims = {run.system: systems.describe(run.system.partition(":")[0]).claim for run in runs}
    levels = _agreement_levels()
    board = challenge.board(
        edition,
        vault=vault,
        database=database,
        claims=claims,
        published=(*challenge.PUBLISHED, *levels),
        runs={run.run_id for run in runs},
    )
    board = _titled(board, dataset)
    board.write(out / "board.json")
    making = reports.Making(
        command=_command(out, order),
        seed=order.seed,
        seconds=time.perf_counter() - began,
        started=min(run.started for run in runs),
        runs=tuple(run.run_id for run in runs),
        hardware=provenance.hardware(),
        versions=provenance.versions(),
    )
    content = gather(out, dataset, board, runs, making, progress)
    content = replace(content, published=(*challenge.PUBLISHED, *levels))
    seconds = max(time.perf_counter() - began, sum(run.seconds + run.notes["predict_s"] for run in runs))
    content = replace(content, making=replace(making, seconds=seconds))
    progress("writing the report", 0, 1)
    reports.write_report(content, out / "report.html")
    return board


def _check(order: Order) -> None:
    """Refuse what cannot work before anything is made."""
    systems.check_device(order.device)
    if not order.systems or len(set(order.systems)) != len(order.systems):
        raise BadInput("names no system, or one twice", where="--systems", fix="Name each system once")
    for place, text in enumerate(order.systems):
        name, variant = systems.parse(text)
        variants = systems.describe(name).variants
        if variant not in variants:
            raise BadInput(f"has no variant {variant!r}", where=text, fix=f"Variants: {', '.join(variants)}")
        if name == "ensemble" and place < 2:
            raise BadInput("needs two systems before it", where="--systems ensemble", fix="Name them before it")
    if order.minutes is not None and not 0 < order.minutes < math.inf:
        raise BadInput(f"{order.minutes} is no limit", where="--minutes", fix="Give a number above 0")


def _image_set(out: Path, order: Order, progress: Progress) -> tuple[Dataset, str]:
    """The public image set of the workspace and its sealed split; makes and seals it where that is not done."""
    from topfive import challenge
    from topfive.dataset import TwinRecipe, make_twin

    recipe = TwinRecipe(seed=order.seed, **order.twin)
    public, vault = out / "public", out / "vault"
    if order.data is None:
        recipe.check()
        what = {"twin": asdict(recipe), "source": provenance.twin_digest()}
        source = None
    else:
        source = Dataset.read(order.data)
        what = {"data": source.name, "manifest": source.manifest.digest}
        _sealed_split(source)
    _claim_workspace(out, what)
    if source is None and not public.exists():
        make_twin(public, recipe, progress=progress)
    given = source or Dataset.read(public)
    split = _sealed_split(given)
    if not (public / "manifest.parquet").is_file() or (given.root == public.resolve() and not _sealed(given, split)):
        keep = ("country",) if source is None else ()
        challenge.seal(given, split, vault=vault, public=public, salt=order.salt, keep=keep, progress=progress)
    if source is None:
        # The sealed pictures are packed anew under other names; the old shards would join the two by their bytes.
        for shard in (public / "shards").glob(f"{split}-*.tar"):
            shard.unlink()
    return Dataset.read(public), split


def _sealed_split(dataset: Dataset) -> str:
    """`test`, else `val`; raises BadInput where there is nothing to learn from or nothing to score on."""
    counts = dataset.manifest.splits()
    if "train" not in counts or not {"test", "val"} & set(counts):
        raise BadInput(
            "needs the split train and one of test and val", where=dataset.root, fix=f"It has {', '.join(counts)}"
        )
    return "test" if "test" in counts else "val"


def _sealed(dataset: Dataset, split: str) -> bool:
    return bool((dataset.manifest.rows(split).class_index < 0).all())


def _claim_workspace(out: Path, what: dict[str, Any]) -> None:
    """A workspace holds one challenge: refuse another's, before anything is written."""
    path = out / "workspace.json"
    text = json.dumps(what, indent=1, sort_keys=True) + "\n"
    if path.is_file():
        if path.read_text(encoding="utf-8") != text:
            raise BadInput("holds another challenge", where=out, fix="Name another --out, or remove this folder first")
    elif out.is_dir() and any(not path.name.endswith(".part") for path in out.iterdir()):
        raise BadInput("is not empty and is no workspace", where=out, fix="Name a new folder with --out")
    else:
        write_text(path, text)


def _fit_all(
    out: Path, order: Order, dataset: Dataset, split: str, began: float, now: datetime, progress: Progress
) -> list[Run]:
    """Fit each system and predict; a landmark made of others gets the runs before it."""
    runs: list[Run] = []
    for text in order.systems:
        if order.minutes is not None and time.perf_counter() - began > 60 * order.minutes:
            break
        members: tuple[Path, ...] = ()
        if systems.parse(text)[0] == "ensemble":
            members = tuple(out / "runs" / run.run_id for run in runs)
        options = Options(seed=order.seed, device=order.device)
        plan = plan_fit(text, dataset, options=options, members=members, now=now.isoformat(timespec="seconds"))
        folder = out / "runs" / plan.run.run_id
        run = fit(plan, folder, named(progress, text))
        runs.append(_measure(folder, run, dataset, split, order.device, named(progress, text)))
    return runs


def _measure(folder: Path, run: Run, dataset: Dataset, split: str, device: str, progress: Progress) -> Run:
    """Predict the sealed split and, where it is open, score `val`; the run's notes get the timing."""
    from topfive import scoring

    path = folder / "predictions.parquet"
    open_val = split != "val" and "val" in dataset.manifest.splits()
    if path.is_file() and ((folder / "scores.json").is_file() or not open_val):
        return Run.read(folder / "run.json")
    made, timing = predict(str(folder), dataset, split, how=Inference(device=device), progress=progress)
    if open_val:
        rows = dataset.manifest.rows("val")
        val, _ = predict(str(folder), dataset, "val", how=Inference(device=device), progress=progress)
        val.write(folder / "predictions-val.parquet")
        scoring.score(val, Truth.single(rows.ids, rows.class_index, dataset.classes)).write(folder / "scores.json")
    run = replace(run, notes=run.notes | {"predict_s": round(timing["seconds"], 3), "split": split} | _kept(timing))
    run.write(folder / "run.json")
    made.write(path)
    return run


def _kept(timing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: timing[key] for key in ("runtime", "precision", "contaminated")}


def _submit(
    out: Path, run: Run, dataset: Dataset, edition: Edition, vault: Vault, database: Any, now: datetime
) -> None:
    """Each run is a team, so that a system fitted anew has a row of its own; the same run again uses no slot."""
    from topfive import challenge

    landmark = systems.describe(run.system.partition(":")[0])
    entry = challenge.Entry(
        system=run.system,
        title=landmark.title,
        year=landmark.year,
        run=run.run_id,
        seconds=round(run.seconds + run.notes["predict_s"], 1),
        contaminated="no" if "recipe" in dataset.about else run.notes["contaminated"],  # nobody learnt from a twin
    )
    predictions = Predictions.read(out / "runs" / run.run_id / "predictions.parquet")
    challenge.submit(edition, predictions, entry, team=run.run_id, vault=vault, database=database, now=now)


def _agreement_levels() -> tuple[Published, ...]:
    """ImageNet's label-noise levels for the references, where the packages that carry ReaL's labels are installed."""
    from topfive import audit, challenge, scoring, taxonomy

    try:
        original, reviewed = audit.read_imagenet_labels(taxonomy.ilsvrc_classes())
    except BadInput:
        return ()
    levels = [scoring.agreement(original, replace(reviewed, name="ReaL"), k) for k in (1, 5)]
    return challenge.agreement_levels(
        levels,
        edition="ILSVRC2012",
        split="val",
        year=2020,
        source="computed here from ReaL's labels, arXiv 2006.07159",
    )


def _titled(board: Board, dataset: Dataset) -> Board:
    """The board under the set's name, since a workspace has one edition."""
    name = "the synthetic twin" if "recipe" in dataset.about else dataset.name
    about = board.about | {"dataset": dataset.name, "tuned": "recipe" in dataset.about}
    return replace(board, edition=f"The challenge on {name}, {board.about['split']}", about=about)


def _command(out: Path, order: Order) -> str:
    parts = ["topfive run", f"--out {out.name}"]
    parts += [f"--data {order.data.name}"] if order.data else []
    parts += [f"--systems {','.join(order.systems)}"] if tuple(order.systems) != DEFAULT_SYSTEMS else []
    parts += [f"--minutes {order.minutes:g}"] if order.minutes is not None else []
    return " ".join([*parts, f"--seed {order.seed}"])
