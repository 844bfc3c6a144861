"""`topfive audit`: what is wrong with the labels."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from topfive import flows
from topfive.cli.output import percent, print_facts, print_json, print_table

app = App(name="audit", help_format="markdown", help="Audits change nothing: they find suspects and say why.")


@app.command
def label_errors(
    *,
    labels: Path,
    probs: Path,
    filter: str = "prune_by_noise_rate",
    out: Path | None = None,
    threads: int = 2,
    chunk: int | None = None,
    json: bool = False,
) -> None:
    """Find wrong labels by confident learning, from out-of-sample class probabilities.

    Example: `topfive audit label-errors --labels labels.npy --probs probabilities.npy --out suspects.csv`

    Parameters
    ----------
    labels
        .npy of n class indices, as given.
    probs
        .npy of n x K probabilities; each from a model that did not learn from that row.
    filter
        prune_by_noise_rate, prune_by_class, both, confident_learning, predicted_neq_given, low_normalized_margin or
        low_self_confidence.
    out
        CSV of the suspects, most suspicious first: row, given, guessed, score.
    threads
        Threads to count with.
    chunk
        Rows at a time (default: as many as fit a core's cache); the arrays are mapped, never loaded whole.
    json
        Print one JSON object.
    """
    result = flows.audit_label_errors(labels, probs, filter_by=filter, out=out, threads=threads, chunk=chunk)
    print_json(result) if json else print_facts(result)


@app.command
def imagenet_validation(*, json: bool = False) -> None:
    """Audit ImageNet's own 50,000 validation labels against the ReaL labels that installed packages carry.

    Example: `topfive audit imagenet-validation`

    Parameters
    ----------
    json
        Print one JSON object.
    """
    result = flows.audit_imagenet()
    if json:
        print_json(result)
        return
    print_facts(
        {"images": f"{result['n']:,}", "agreement %": percent(result["agreement"], result["agreement_interval"])}
    )
    print_table(
        ("class", "not confirmed", "of"),
        [(w["name"], w["n_unconfirmed"], w["n"]) for w in result["worst_classes"][:10]],
    )
