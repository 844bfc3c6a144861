"""What `topfive compare` prints: two files, many files, a file among published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from topfive.cli.output import percent, print_facts, print_table

_SHOWN_IDS = 3


def print_comparison(result: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Both errors, the difference, the test, and where the two differ."""
    first, second = (path.stem for path in files)
    if first == second:
        first, second = map(str, files)
    word = "top-1" if result["metric"] == "top1" else "top-5"
    facts: dict[str, object] = {
        "images": f"{result['n']:,}",
        f"{first}, {word} error %": percent(result["error_first"], result["error_first_interval"]),
        f"{second}, {word} error %": percent(result["error_second"], result["error_second_interval"]),
        "difference, points": f"{_points(result['difference'])} ({_between(result['interval'])}, paired bootstrap)",
        "p (exact McNemar)": f"{result['p_value']:.3g}",
        "images that differ": f"{result['n_discordant']:,}",
        f"only {first} is right": _ids(result["n_first_only"], result["first_only"]),
        f"only {second} is right": _ids(result["n_second_only"], result["second_only"]),
    }
    if result["n_discordant"] < 25:
        facts["few images differ"] = f"the interval of Bonett and Price is {_between(result['few_interval'])}"
    if result["same_view"] is not True:
        known = "differs" if result["same_view"] is False else "of one of them is unknown"
        facts["preprocessing"] = known
    if not result["same_classes"]:
        facts["classes"] = "the two choose among different classes, joined by wnid"
    if "report" in result:
        facts["report"] = result["report"]
    print_facts(facts)


def print_ranking(result: Mapping[str, Any]) -> None:
    """The systems best first with the ranks that the tests allow, and the pairs that are ties."""
    word = "top-1" if result["metric"] == "top1" else "top-5"
    rows = []
    for system in result["systems"]:
        low, high = system["rank_interval"]
        ranks = str(low) if low == high else f"{low}-{high}"
        rows.append((system["rank"], ranks, system["name"], percent(system["error"], system["error_interval"])))
    print_table(("rank", "may be", "predictions", f"{word} error %"), rows, title=f"{result['n']:,} images")
    ties = sum(not pair["separates"] for pair in result["pairs"])
    print(f"{ties} of {len(result['pairs'])} pairs are not told apart (exact McNemar, Holm's correction at 5 %)")
    if "report" in result:
        print(f"report {result['report']}")


def print_placement(result: Mapping[str, Any]) -> None:
    """The place, the row that was named, and the nearest rows with what was done otherwise to the pictures."""
    word = "top-1" if result["metric"] == "top1_error" else "top-5"
    low, high = result["rank_interval"]
    view = result["view"]
    facts: dict[str, object] = {
        "published": f"{result['published']}, {result['n_rows']:,} rows",
        f"{word} error %": f"{percent(result['error'], result['tolerance'])} on {result['n']:,} images",
        "place": f"{result['rank']:,} of {result['n_rows'] + 1:,} (the interval allows {low:,}-{high:,})",
        "classes": "among the set's own classes" if result["restricted"] else "among all the model's classes",
    }
    if view is not None:
        how = "squashed to" if view["squash"] else "short side"
        facts["view"] = f"{how} {view['resize_px']} px, crop {view['crop_px']} px, {view['interpolation']}"
    else:
        digest = result["view_digest"]
        facts["view"] = f"{digest[:12]}, of no row's preprocessing" if digest else "not told by the file"
    print_facts(facts)
    for title in ("expected", "nearest"):
        if result[title]:
            print_table(_HEAD, [_published_row(row) for row in result[title]], title=f"\n{title}")
    for row in result["expected"]:
        told = row["preprocessing_differences"]
        words = "unknown" if told is None else "; ".join(told) or "no differences"
        print(f"preprocessing of {row['model']}, line {row['row']}: {words}")


_HEAD = ("error %", "less ours", "within", "model", "pictures")


def _published_row(row: Mapping[str, Any]) -> tuple[object, ...]:
    size = f"{row['img_size']} px" if row["img_size"] else ""
    crop = f"{row['crop_pct']:.3f}" if row["crop_pct"] else ""
    pictures = " ".join(part for part in (size, crop, row["interpolation"] or "") if part)
    within = "yes" if row["within"] else "no"
    return (percent(row["error"]), _points(row["difference"]), within, row["model"], pictures)


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}"


def _between(interval: Sequence[float]) -> str:
    return f"{_points(interval[0])} to {_points(interval[1])}"


def _ids(n: int, ids: Sequence[str]) -> str:
    told = ", ".join(ids[:_SHOWN_IDS])
    return f"{n:,}" + (f": {told}{', ...' if n > _SHOWN_IDS else ''}" if told else "")
