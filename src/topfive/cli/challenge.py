"""`topfive challenge`: editions and their leaderboards."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from topfive import flows
from topfive.cli.output import percent, print_json, print_table

app = App(name="challenge", help_format="markdown", help="Challenges with hidden labels.")


@app.command
def board(workspace: Path = Path("runs/main"), *, json: bool = False) -> None:
    """Show the leaderboard of a workspace.

    Example: `topfive challenge board runs/main`

    Parameters
    ----------
    workspace
        The folder that `topfive run --out` wrote.
    json
        Print one JSON object: the content of board.json.
    """
    value = flows.show_board(workspace)
    print_json(value) if json else print_board(value)


def print_board(value: dict[str, object]) -> None:
    """The board as a table, best first."""
    rows = []
    for row in value["rows"]:  # type: ignore[attr-defined]
        published = row["published"] or {}
        metric = str(published.get("metric", "")).replace("_error", "")
        rows.append(
            (
                row["rank"],
                row["system"],
                row["year"],
                percent(row["top1_error"], row["top1_error_interval"]),
                percent(row["top5_error"], row["top5_error_interval"]),
                f"{row['seconds']:.0f}",
                f"{percent(published['value'])} {metric}, {published['edition']}" if published else "",
            )
        )
    headers = ("rank", "system", "year", "top-1 error %", "top-5 error %", "s", "published error % (other pictures)")
    print_table(headers, rows, title=str(value["edition"]))
