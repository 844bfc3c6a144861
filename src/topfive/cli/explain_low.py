"""`topfive evaluate --explain`: which likely mistake is behind a poor number."""

from __future__ import annotations

from pathlib import Path

from topfive import flows
from topfive.cli.output import percent, print_facts, print_json, print_table
from topfive.cli.progress import Bars
from topfive.records import BadInput, Dataset
from topfive.scoring.suspects import LowNumber

_REMEDY = "add --devkit KIT (ILSVRC2012_devkit_t12.tar.gz, or its folder)"
"""All that may be left untried is what the kit is for."""


def explain_evaluation(
    model: str,
    dataset: Dataset,
    split: str,
    *,
    how: flows.Looking,
    expected: float | None = None,
    published: Path | None = None,
    json: bool = False,
) -> None:
    """Look for the mistake and print it; `expected` is a top-1 error, else the model's row of `published`."""
    if expected is not None and published is not None:
        raise BadInput("needs one figure", where="--explain", fix="Use --expected or --published, not both")
    if published is not None:
        expected = flows.published_error(published, model)
    with Bars() as progress:
        found = flows.explain_low(model, dataset, split, expected=expected, how=how, progress=progress)
    print_json(found.to_json()) if json else print_explain_low(found)


def print_explain_low(found: LowNumber) -> None:
    """The run as given, then a line a suspect, the likeliest first, then the verdict."""
    facts: dict[str, object] = {
        "images": f"{found.n:,}" + (f" ({found.left_out:,} left out: they do not decode)" if found.left_out else ""),
        "top-1 error %, as given": percent(found.top1_error, found.top1_error_interval),
    }
    if found.expected is not None:
        facts["expected"] = percent(found.expected) + (", inside the interval" if found.as_expected else "")
    print_facts(facts)
    rows = [
        (
            suspect.name,
            suspect.said,
            percent(suspect.top1_error),
            f"+{suspect.gained} -{suspect.lost}",
            f"{suspect.score_gain:+.3f}",
            f"{min(suspect.p_value, suspect.score_p_value):.2g}",
            "restores it" if suspect.restores else "better" if suspect.better else "",
        )
        for suspect in found.suspects
    ]
    print_table(("suspect", "instead", "error %", "images", "log p", "p", ""), rows)
    closing = {"verdict": found.verdict}
    if found.not_tried:
        closing["not tried"] = f"{', '.join(found.not_tried)}: {_REMEDY}"
    print_facts(closing)
