"""`topfive label`: from votes to agreed labels."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from topfive import flows
from topfive.cli.output import print_facts, print_json

app = App(name="label", help_format="markdown", help="Labelling: consensus of votes.")


@app.command
def consensus(
    votes: Path,
    *,
    out: Path,
    method: str = "dawid-skene",
    classes: str | None = None,
    gold: Path | None = None,
    json: bool = False,
) -> None:
    """Agree on one label a task from the votes of many workers.

    Example: `topfive label consensus votes.csv --method dawid-skene --out agreed.csv`

    Parameters
    ----------
    votes
        CSV or Parquet with the columns task, worker, label.
    out
        The result, .csv or .parquet: task, label, probability, n_votes, decision.
    method
        majority or dawid-skene.
    classes
        Limit the truth to some of the answers, by comma: `no,yes`. Other answers are still modelled for each worker.
    gold
        CSV or Parquet with the columns task, label: known answers.
    json
        Print one JSON object.
    """
    limited = None if classes is None else [name.strip() for name in classes.split(",")]
    result = flows.agree(votes, method, out, classes=limited, gold=gold)
    print_json(result) if json else print_facts(result)
