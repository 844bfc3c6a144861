"""What `topfive score` prints: the figures of one truth, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from topfive.cli.output import percent, print_facts, print_table


def print_scores(result: Mapping[str, Any]) -> None:
    """Headline figures; for several truths a table with one line each."""
    views = result.get("truths", [result])
    if len(views) > 1:
        rows = [
            (
                view["truth"],
                f"{view['n']:,}",
                f"{view['n_dropped']:,}",
                percent(view["top1_error"], view["top1_error_interval"]),
                percent(view["top5_error"], view["top5_error_interval"]),
                percent(view["balanced_error"], view["balanced_error_interval"]),
            )
            for view in views
        ]
        print_table(("truth", "images", "left out", "top-1 error %", "top-5 error %", "balanced %"), rows)
        print()
    first = views[0]
    facts: dict[str, object] = {"truth": first["truth"]} if len(views) > 1 else {}
    facts |= {"protocol": first["protocol"], "images": f"{first['n']:,}"}
    if first.get("restricted"):
        facts["classes"] = "guesses limited to the truth's"
    if first.get("dropped"):
        facts["left out"] = f"{first['dropped']:,} without a valid label"
    facts["top-1 error %"] = percent(first["top1_error"], first["top1_error_interval"])
    facts["top-5 error %"] = percent(first["top5_error"], first["top5_error_interval"])
    if "top5_rule" in first:
        facts["guesses"] = first["top5_rule"]
    print_facts(facts | _besides(first))
    if "hierarchical_error" in first and "refused" not in first:
        _print_kit(first)
    if "report" in result:
        print(f"report {result['report']}")


def _besides(view: Mapping[str, Any]) -> dict[str, object]:
    """What is measured beyond the two errors, as far as it is there."""
    facts: dict[str, object] = {}
    if "chance" in view:
        facts["by chance %"] = f"{percent(view['chance']['top1_error'])} and {percent(view['chance']['top5_error'])}"
        facts["balanced error %"] = percent(view["balanced_error"], view["balanced_error_interval"])
        worst = view["worst_class"]
        facts["worst class"] = (
            f"{worst['name']} ({worst['wnid']}), "
            f"{percent(worst['top1_error'], worst['top1_error_interval'])} % of {worst['n']}"
        )
    if view.get("severity", {}).get("mean") is not None:
        bad = view["severity"]
        facts["severity of mistakes"] = (
            f"{_plain(bad['mean'], bad['mean_interval'], 2)} in WordNet, "
            f"{_plain(bad['trimmed_mean'], bad['trimmed_mean_interval'], 2)} in the classes' tree"
        )
    if "calibration" in view:
        sure = view["calibration"]
        facts["ECE %"] = percent(sure["ece"], sure["ece_interval"])
        if sure["nll"] is not None:
            facts["NLL, Brier"] = (
                f"{_plain(sure['nll'], sure['nll_interval'], 3)}, {_plain(sure['brier'], sure['brier_interval'], 3)}"
            )
        if sure["temperature"] is not None:
            heat = sure["temperature"]
            facts["temperature"] = (
                f"{heat['value']:.3f}: ECE {percent(heat['before']['ece'])} to {percent(heat['after']['ece'])} % "
                f"on the {heat['n']:,} images it was not fitted on"
            )
        facts["AURC"] = _plain(view["selective"]["aurc"], view["selective"]["aurc_interval"], 4)
    if view.get("refused"):
        reasons: dict[str, list[str]] = {}
        for name, reason in view["refused"].items():
            reasons.setdefault(reason, []).append(name.replace("_", " "))
        facts["not measured"] = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return facts


def _plain(value: float, interval: tuple[float, float], decimals: int) -> str:
    low, high = interval
    return f"{value:.{decimals}f} ({low:.{decimals}f}-{high:.{decimals}f})"


def _print_kit(view: Mapping[str, Any]) -> None:
    names = [name for name in ("flat_error", "hierarchical_error", "localisation_error") if name in view]
    rows = [
        (k + 1, *(f"{view[name][k]:.5f}" for name in names)) for k in range(len(view[names[0]]))
    ]  # fmt: skip
    print_table(("guesses", *(name.replace("_", " ") for name in names)), rows)
