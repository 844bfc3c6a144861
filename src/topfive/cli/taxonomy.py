"""`topfive taxonomy`: WordNet 3.0 and the ImageNet class lists in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from topfive import taxonomy
from topfive.cli.options import Seed
from topfive.cli.output import print_facts, print_json, print_table
from topfive.records import numbered

app = App(
    name="taxonomy",
    help_format="markdown",
    help="Look things up in WordNet 3.0 and the ImageNet class lists; choose classes; check a class list.",
)

_Line = tuple[str, str, str, str]
"""What stands before a synset in a drawn tree, its wnid, its name and what is said of it."""


@app.command
def find(*words: str, limit: int = 10, devkit: Path | None = None, json: bool = False) -> None:
    """Find synsets by word, wnid, class index or ILSVRC2012_ID; forgives typos.

    Example: `topfive taxonomy find golden retriever`

    Parameters
    ----------
    words
        What to look for: a name, a wnid, a class index (0 to 999) or, with --devkit, an ILSVRC2012_ID (from 1).
    limit
        At most so many answers.
    devkit
        The ILSVRC2012 development kit (.tar.gz or folder), which alone knows the ILSVRC2012_IDs.
    json
        Print one JSON object.
    """
    kit = None if devkit is None else taxonomy.read_devkit(devkit)
    found = [card.to_json() for card in taxonomy.find(" ".join(words), limit=limit, devkit=kit)]
    if json:
        print_json({"n": len(found), "synsets": found})
        return
    if not found:
        print(f"nothing among WordNet 3.0's nouns comes near {' '.join(words)!r}", file=sys.stderr)
        return
    columns = ("wnid", "class_index", *(("ilsvrc_id",) if kit else ()), "n_leaves", "words")
    rows = [["" if card[column] is None else card[column] for column in columns] for card in found]
    print_table(["index" if c == "class_index" else "leaves" if c == "n_leaves" else c for c in columns], rows)


@app.command
def show(wnid: str, /, *, devkit: Path | None = None, json: bool = False) -> None:
    """Show one synset: words, gloss, parents, children, the ILSVRC classes at or below it.

    Example: `topfive taxonomy show n02099601`

    Parameters
    ----------
    wnid
        `n` and eight digits: the offset in WordNet 3.0.
    devkit
        The ILSVRC2012 development kit, for the ILSVRC2012_ID.
    json
        Print one JSON object.
    """
    kit = None if devkit is None else taxonomy.read_devkit(devkit)
    value = taxonomy.show(taxonomy.meant(wnid), devkit=kit).to_json()
    if json:
        print_json(value)
        return
    graph = taxonomy.wordnet()

    def named(wnids: list[str]) -> str:
        return "\n".join(f"{key} {graph.name(key)}" for key in wnids) or "none"

    shown = dict(value)
    shown["gloss"] = value["gloss"] or "not installed (Debian: wordnet-base)"
    shown["parents"] = named(value["parents"])
    shown["children"] = named(value["children"])
    if value["class_index"] is None:
        shown["class_index"] = "not one of the 1,000"
    if value["ilsvrc_id"] is None:
        shown["ilsvrc_id"] = "in the development kit (--devkit)" if devkit is None else "none"
    print_facts(shown)


@app.command
def path(a: str, b: str, /, *, json: bool = False) -> None:
    """Show where two synsets meet: their lowest common ancestors, how high they lie, the ways up to the lowest.

    Example: `topfive taxonomy path n02123045 n02123159`

    Parameters
    ----------
    a
        One wnid.
    b
        The other.
    json
        Print one JSON object.
    """
    found = taxonomy.path(taxonomy.meant(a), taxonomy.meant(b))
    if json:
        print_json(found.to_json())
        return
    graph = taxonomy.wordnet()
    top, *others = found.common
    lines: list[_Line] = [("", top, graph.name(top), f"height {found.height}")]
    ways = [way[-2::-1] for way in (found.from_a, found.from_b) if len(way) > 1]
    if len(ways) == 2 and ways[0] == ways[1]:
        ways.pop()
    for place, way in enumerate(ways):
        last = place == len(ways) - 1
        for level, wnid in enumerate(way):
            margin = "" if not level else ("    " if last else "│   ") + "    " * (level - 1)
            branch = "└── " if level or last else "├── "
            lines.append((margin + branch, wnid, graph.name(wnid), ""))
    _print_tree(lines)
    for wnid in others:
        print(f"they meet in {wnid} {graph.name(wnid)} too, height {graph.height(wnid)}")


@app.command
def tree(
    wnid: str = "n00001740", /, *, depth: int = 3, leaves: str = "ilsvrc", limit: int = 200, json: bool = False
) -> None:
    """Draw the tree below a synset, as far as it leads to the classes of a list.

    Example: `topfive taxonomy tree n02120997 --depth 2`

    Parameters
    ----------
    wnid
        Where to begin; the root, `entity`, by default.
    depth
        Levels to draw below it.
    leaves
        The classes to count: ilsvrc, 21k, 21k-google, 21k-microsoft, 21k-p, 21k-p-winter2021, 12k, wordnet, or a file.
    limit
        At most so many lines.
    json
        Print one JSON object.
    """
    written = taxonomy.read_written(leaves)
    classes = written.known
    drawing = taxonomy.draw(taxonomy.meant(wnid), classes, depth=depth, limit=limit)
    if len(classes) < len(written):
        left_out = f"{len(written) - len(classes)} of {len(written)} rows of {leaves}"
        print(f"{left_out} are not counted: `topfive taxonomy check {leaves}` says why", file=sys.stderr)
    if json:
        print_json(drawing.to_json())
        return
    _print_tree(list(_branches(drawing.root, classes.index, "", "")))
    if drawing.cut:
        print(f"cut at {limit} lines: --limit draws more, --depth fewer levels", file=sys.stderr)


@app.command
def leaves(
    n: Annotated[int, Parameter(name="--n")],
    *,
    from_: Annotated[str, Parameter(name="--from")] = "ilsvrc",
    min_images: int = 0,
    counts: Path | None = None,
    quota: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    seed: Seed = 0,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Choose classes at random under rules, none above another; says why where the rules cannot be met.

    Example: `topfive taxonomy leaves --n 100 --from 21k --quota n02084071=..10 --quota n00007846=0 --out classes.tsv`

    Parameters
    ----------
    n
        How many classes to choose.
    from_
        The classes to choose from: ilsvrc, 21k, 21k-google, 21k-microsoft, 21k-p, 21k-p-winter2021, 12k, wordnet, or a
        file of wnids or names.
    min_images
        Fewest images of a class, by --counts.
    counts
        Images of each class: a file of `wnid number` a line, a dataset folder, a folder with one folder a wnid, or the
        ILSVRC2012 development kit.
    quota
        How many of the chosen lie at or below a synset: WNID=10 exactly, WNID=5..10, WNID=5.. at least, WNID=..10 at
        most. May be given more than once.
    seed
        Same seed, same classes; a larger --n adds to them.
    out
        Write the classes to this `classes.tsv`.
    json
        Print one JSON object.
    """
    import numpy as np

    rules = taxonomy.LeafRules(
        n,
        least_images=min_images,
        counts=None if counts is None else taxonomy.read_counts(counts),
        quotas=[taxonomy.read_quota(text) for text in quota],
    )
    chosen = taxonomy.choose_leaves(taxonomy.read_written(from_).strict(), rules, rng=np.random.default_rng(seed))
    if out is not None:
        chosen.classes.write(out)
    value: dict[str, Any] = {"from": from_, "seed": seed, "out": None if out is None else str(out), **chosen.to_json()}
    if json:
        print_json(value)
        return
    if out is None:
        columns = ("wnid", "name") if counts is None else ("wnid", "name", "n_images")
        print_table(columns, [[row[column] for column in columns] for row in value["classes"]])
        return
    facts = {key: value[key] for key in ("out", "n", "digest", "from", "n_pool", "n_enough", "n_leaves", "seed")}
    reached = zip(rules.quotas, chosen.in_quotas, strict=True)
    facts |= {str(rule): f"{reached_n} {taxonomy.wordnet().name(rule.wnid)}" for rule, reached_n in reached}
    print_facts(facts)


@app.command
def check(
    classes: str = "ilsvrc",
    /,
    *,
    kind: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    limit: int = 20,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Find what is wrong with a class list: ancestors, shared names, parts, people, wnids of another WordNet.

    What is found changes nothing and is no failure: the exit status is 0.

    Example: `topfive taxonomy check classes.tsv --kind ancestor --kind part_of`

    Parameters
    ----------
    classes
        A classes.tsv, a dataset folder, a file of wnids or names one a line, or ilsvrc, 21k, 21k-google, 21k-microsoft,
        21k-p, 21k-p-winter2021, 12k.
    kind
        Only this check; may be given more than once.
    limit
        Show at most so many findings.
    out
        Write all findings to this file, one JSON object a line.
    json
        Print one JSON object, with all findings.
    """
    written = taxonomy.read_written(classes)
    kinds = kind or taxonomy.CHECKS
    found = taxonomy.check(written, kinds)
    if out is not None:
        from topfive.records import write_findings

        write_findings(out, found)
    numbers = {name: [f for f in found if f.evidence["kind"] == name] for name in kinds}
    if json:
        per_kind = {name: len(of_kind) for name, of_kind in numbers.items()}
        value: dict[str, Any] = {"classes": classes, "n_classes": len(written), "n_findings": len(found)}
        print_json(value | {"kinds": per_kind, "findings": [_finding(f) for f in found]})
        return
    rows = [(name, len(of_kind), taxonomy.what_it_finds(name)) for name, of_kind in numbers.items()]
    title = f"{numbered(len(found), 'finding')} in {numbered(len(written), 'class', 'classes')} of {classes}"
    print_table(("kind", "found", "what"), rows, title=title)
    if found and limit > 0:
        print()
        shown = [(f"{f.severity:.2f}", f.evidence["kind"], _cut(f.summary)) for f in found[:limit]]
        print_table(("severity", "kind", "why"), shown)
        if len(found) > limit:
            print(f"and {len(found) - limit} more: --limit, --kind, --out or --json show them", file=sys.stderr)


def _finding(found: Any) -> dict[str, Any]:
    graph = taxonomy.wordnet()
    evidence = {key: value for key, value in found.evidence.items() if key != "kind"}
    return {
        "kind": found.evidence["kind"],
        "severity": found.severity,
        "wnids": list(found.ids),
        "names": [graph.name(wnid) if wnid in graph else None for wnid in found.ids],
        "reason": found.summary,
        "evidence": evidence,
    }


def _cut(text: str, most: int = 240) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _branches(branch: taxonomy.Branch, index: dict[str, int], margin: str, bend: str) -> Iterator[_Line]:
    said = [f"class {index[branch.wnid]}"] if branch.is_class else []
    if not branch.is_class or branch.n_leaves > 1:
        said.append(numbered(branch.n_leaves, "class", "classes"))
    if branch.again:
        said.append("drawn above")
    yield margin + bend, branch.wnid, branch.name, ", ".join(said)
    inner = margin + {"": "", "├── ": "│   ", "└── ": "    "}[bend]
    for place, below in enumerate(branch.branches):
        last = place == len(branch.branches) - 1
        yield from _branches(below, index, inner, "└── " if last else "├── ")


def _print_tree(lines: list[_Line]) -> None:
    """One line a synset, cut at the terminal's edge and in colours on a terminal only."""
    console = Console(highlight=False, markup=False)
    for before, wnid, name, said in lines:
        text = Text.assemble((before, "dim"), (wnid, "cyan"), f" {name}", (f"  {said}" if said else "", "dim"))
        if console.is_terminal:
            console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            print(text.plain)
