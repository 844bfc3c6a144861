"""The command-line door: parse -> flow -> print. `--help` of each command has an example."""

from __future__ import annotations

import sys

from cyclopts import App

from topfive import __version__
from topfive.records import BadInput, WorkFailed

app = App(
    name="topfive",
    version=__version__,
    help="Make an ImageNet-style set, hold its challenge, measure models honestly, rerun the landmark systems, "
    "audit the labels.\n\nStart with `topfive run`: a whole challenge on a synthetic twin, in minutes.",
    help_format="markdown",
)
# Import paths, not functions: a command's module loads when it is called, so that look-ups answer within 0.5 s.
app.command("topfive.cli.run:run")
app.command("topfive.cli.models:systems")
app.command("topfive.cli.taxonomy:app", name="taxonomy")
app.command("topfive.cli.dataset:app", name="dataset")
app.command("topfive.cli.models:train")
app.command("topfive.cli.models:predict")
app.command("topfive.cli.models:evaluate")
app.command("topfive.cli.score:score")
app.command("topfive.cli.score:compare")
app.command("topfive.cli.audit:app", name="audit")
app.command("topfive.cli.label:app", name="label")
app.command("topfive.cli.challenge:app", name="challenge")
app.command("topfive.cli.serve:serve")


def main(arguments: list[str] | None = None) -> None:
    """Run the `topfive` command: exit 0 done, 1 the work failed, 2 unusable arguments or input."""
    try:
        app(arguments)
    except BadInput as error:
        print(f"topfive: {error}", file=sys.stderr)
        sys.exit(2)
    except WorkFailed as error:
        print(f"topfive: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone (`topfive systems | head`); that is no failure of ours.
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        print("topfive: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
