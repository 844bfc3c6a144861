"""One landmark on one image set: decided, fitted, resumed, written as a run folder."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from topfive import systems
from topfive.flows import provenance
from topfive.loading import Pictures
from topfive.records import BadInput, Dataset, Progress, Run, new_folder, silent


@dataclass(frozen=True)
class Options:
    """What decides a fit besides landmark and data: recipe overrides, seed, device, the run whose weights it takes."""

    settings: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    init: Path | None = None


RESOURCES = ("cache_mb", "checkpoint_minutes", "memory_mb")
"""Fields of recipes that decide no number: they are no part of a run's id, so that a killed fit can go on with less."""


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """`key=value` texts to a mapping."""
    parsed = {}
    for text in settings:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInput("is not key=value", where=f"--set {text}")
        parsed[key] = value
    return parsed


@dataclass(frozen=True)
class Plan:
    """A fit that is fully decided: its Run (without seconds), the landmark, the recipe, train and tune."""

    run: Run
    system: systems.System
    recipe: Any
    train: Pictures
    tune: Pictures


def plan_fit(
    text: str, dataset: Dataset, *, options: Options = Options(), members: Sequence[Path] = (), now: str = ""
) -> Plan:
    """Decide the fit of `name` or `name:variant` on `train` (less `tune`); its run id is known before it begins.

    `members` are run folders for a landmark made of others. The fit is handed train and tune and nothing else.
    """
    from topfive.dataset import tune_rows

    systems.check_device(options.device)
    name, variant = systems.parse(text)
    system = systems.get(name)
    recipe = system.recipe(variant, options.settings)
    if members:
        recipe = replace(recipe, members=tuple(str(folder) for folder in members))
    if options.init is not None:
        recipe = _beginning_with(recipe, options.init, name)
    if hasattr(recipe, "check"):
        recipe.check()
    told = _told(recipe)
    rows = dataset.manifest.rows("train")
    tuning = tune_rows(rows)
    run = Run(
        system=name if variant == "tiny" else f"{name}:{variant}",
        recipe=told,
        seed=options.seed,
        dataset=dataset.name,
        classes=dataset.classes.digest,
        view=recipe.view.digest,
        manifest=rows.digest,
        source=provenance.source_digest(name),
        versions=provenance.versions(),
        commit=provenance.commit(),
        hardware=provenance.hardware(),
        started=now,
        notes={"n_train": int((~tuning).sum()), "n_tune": int(tuning.sum()), "device": options.device}
        | {name: getattr(recipe, name) for name in RESOURCES if hasattr(recipe, name)},
    )
    train, tune = Pictures(dataset, rows.take(~tuning)), Pictures(dataset, rows.take(tuning))
    return Plan(run, system, recipe, train, tune)


def _beginning_with(recipe: Any, run: Path, name: str) -> Any:
    """The recipe with the weights (or the frozen backbone) of another run."""
    Run.read(run / "run.json")
    for field_name in ("init", "backbone"):
        if hasattr(recipe, field_name):
            return replace(recipe, **{field_name: str(run)})
    raise BadInput("begins with no other run's weights", where=f"{name} --init", fix="Leave it out")


def _told(recipe: Any) -> dict[str, Any]:
    """The recipe as `run.json` has it: other runs by their ids and files of weights by digest, wherever they lie."""
    told = provenance.recipe_json(recipe)
    for name in RESOURCES:
        told.pop(name, None)
    if "members" in told:
        told["members"] = [Run.read(Path(folder) / "run.json").run_id for folder in told["members"]]
    for name in ("init", "init_from", "backbone"):
        if told.get(name) and (Path(told[name]) / "run.json").is_file():
            told[name] = Run.read(Path(told[name]) / "run.json").run_id
    if told.get("weights") and Path(told["weights"]).is_file():
        with Path(told["weights"]).open("rb") as file:
            told["weights"] = hashlib.file_digest(file, "sha256").hexdigest()
    return told


def fit(plan: Plan, out: Path, progress: Progress = silent) -> Run:
    """Carry out a plan into the run folder `out`; a fit that was stopped goes on from its last checkpoint.

    A folder that holds this very run already is kept as it is; one that holds another is refused. Until it is done,
    checkpoints and metrics lie beside `out`, in `.RUN_ID.fit`. Under torchrun the first process writes. `seconds` are
    those of the last process.
    """
    if (out / "run.json").is_file():
        there = Run.read(out / "run.json")
        if there.run_id == plan.run.run_id:
            return there
        raise BadInput(
            f"holds another run ({there.run_id})", where=out, fix="Name a new folder, or remove this one first"
        )
    work = out.parent / f".{plan.run.run_id}.fit"
    if not systems.first_process():
        _carry_out(plan, systems.FitLog(checkpoints=work / "checkpoints"))
        return plan.run
    resumed = {"resumed": True} if list(work.glob("checkpoints/*.json")) else {}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("is there already", where=out, fix="Name a new folder, or remove this one first")
    with _alone(work):
        try:
            with systems.Record(work, plan.run.run_id) as record:
                began = time.perf_counter()
                fitted = _carry_out(plan, systems.FitLog(progress, record, work / "checkpoints"))
                seconds = time.perf_counter() - began
        except BadInput:
            if not list(work.glob("checkpoints/*.json")):
                shutil.rmtree(work)
            raise
        run = _written(plan, fitted, work, out, seconds, resumed)
        shutil.rmtree(work)
    return run


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the folder for this fit; raises BadInput where another process is at it."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInput("is being worked on by another process", where=work, fix="Wait until it is done") from error
        yield


def _written(
    plan: Plan, fitted: systems.Fitted, work: Path, out: Path, seconds: float, notes: Mapping[str, Any]
) -> Run:
    """The run folder, whole or not at all."""
    with new_folder(out) as part:
        (part / "weights").mkdir()
        fitted.save(part / "weights")
        told = (work / "metrics.jsonl").read_text(encoding="utf-8")
        (part / "metrics.jsonl").write_text(systems.told_once(told), encoding="utf-8")
        for name in ("tensorboard", "wandb"):
            if (work / name).is_dir():
                shutil.copytree(work / name, part / name)
        run = replace(plan.run, seconds=round(seconds, 3), notes=plan.run.notes | dict(notes))
        run.write(part / "run.json")
    return run


def _carry_out(plan: Plan, log: systems.FitLog) -> systems.Fitted:
    return plan.system.fit(
        plan.train, plan.tune, plan.recipe, seed=plan.run.seed, log=log, device=str(plan.run.notes["device"])
    )


def fit_system(
    text: str,
    dataset: Dataset,
    out: Path,
    *,
    options: Options = Options(),
    now: str = "",
    progress: Progress = silent,
) -> Run:
    """Plan and fit in one go."""
    return fit(plan_fit(text, dataset, options=options, now=now), out, progress)


def named(progress: Progress, text: str) -> Progress:
    """The same progress with a name before each step."""

    def told(what: str, done: float, total: float | None, unit: str = "") -> None:
        progress(f"{text}: {what}", done, total, unit)

    return told
