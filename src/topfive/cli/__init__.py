"""The command-line door: parse -> flow -> print."""


def main() -> None:
    """Run the `topfive` command."""
