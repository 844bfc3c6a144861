"""The command-line door: parse -> flow -> print. `--help` of each command has an example."""

from __future__ import annotations

import sys

from cyclopts import App

from topfive import __version__
from topfive.records import BadInput, WorkFailed, disk_failed

# Import paths, not functions: a command's module loads when it is called, so that look-ups answer within 0.5 s.
_COMMANDS = {
    "run": ("run:run", "Hold a whole challenge: the main job."),
    "systems": ("models:systems", "List the landmark systems, or show one in full."),
    "taxonomy": ("taxonomy:app", "Look things up in WordNet 3.0 and among the ILSVRC classes."),
    "dataset": ("dataset:app", "Make, import and verify image sets."),
    "train": ("models:train", "Fit a landmark."),
    "export": ("models:export", "Write a fitted network as ONNX or safetensors."),
    "predict": ("evaluate:predict", "Write a model's predictions."),
    "evaluate": ("evaluate:evaluate", "Predict and score in one go."),
    "probe": ("probe:probe", "Score frozen features by a linear probe or k-NN."),
    "score": ("score:score", "Score a predictions file or an ILSVRC submission."),
    "compare": ("score:compare", "Compare two predictions files on the same images."),
    "sibling": ("sibling:sibling", "Score predictions on ImageNet's siblings: V2, A, R, O, Sketch, ObjectNet, W, C."),
    "audit": ("audit:app", "Find what is wrong with labels."),
    "label": ("label:app", "From votes to agreed labels."),
    "challenge": ("challenge:app", "Editions and their leaderboards."),
    "serve": ("serve:serve", "The web application over a workspace."),
}


def command_line(*, overview: bool) -> App:
    """The command and its subcommands; `overview` adds a line on each, in place of what its own module says."""
    app = App(
        name="topfive",
        version=__version__,
        help="Make an ImageNet-style set, hold its challenge, measure models honestly, rerun the landmark systems, "
        "audit the labels.\n\nStart with `topfive run`: a whole challenge on a synthetic twin, in minutes.",
        help_format="markdown",
        suppress_keyboard_interrupt=False,
    )
    for name, (where, words) in _COMMANDS.items():
        app.command(f"topfive.cli.{where}", name=name, **({"help": words} if overview else {}))
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the `topfive` command: exit 0 done, 1 the work failed, 2 unusable arguments or input."""
    tokens = sys.argv[1:] if arguments is None else arguments
    app = command_line(overview=not tokens or tokens[0].startswith("-"))
    try:
        app(tokens)
    except BadInput as error:
        print(f"topfive: {error}", file=sys.stderr)
        # A file that a worn-out disk cannot read is no mistake of whoever named it.
        sys.exit(1 if disk_failed(error.__cause__) else 2)
    except WorkFailed as error:
        print(f"topfive: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of our output has gone (`topfive systems | head`); that is no failure of ours.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if not disk_failed(error):
            raise
        where = error.filename or "the disk"
        print(f"topfive: {where}: {error.strerror}. See to the disk, and give the same command again", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("topfive: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
