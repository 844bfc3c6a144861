"""`topfive taxonomy`: WordNet 3.0 and the ILSVRC classes."""

from __future__ import annotations

from cyclopts import App

from topfive import taxonomy
from topfive.cli.output import print_facts, print_json, print_table

app = App(
    name="taxonomy", help_format="markdown", help="Look things up in WordNet 3.0 and among the 1,000 ILSVRC classes."
)


@app.command
def find(*words: str, limit: int = 10, json: bool = False) -> None:
    """Find synsets by word, wnid, class index or ILSVRC name; forgives typos.

    Example: `topfive taxonomy find golden retriever`

    Parameters
    ----------
    words
        What to look for.
    limit
        At most so many answers.
    json
        Print one JSON object.
    """
    found = taxonomy.find(" ".join(words), limit=limit)
    if json:
        print_json({"n": len(found), "synsets": [card.to_json() for card in found]})
        return
    rows = []
    for card in found:
        value = card.to_json()
        index = value["class_index"]
        rows.append((value["wnid"], "" if index is None else index, value["n_leaves"], value["words"]))
    print_table(("wnid", "index", "leaves", "words"), rows)


@app.command
def show(wnid: str, *, json: bool = False) -> None:
    """Show one synset: words, gloss, parents, children, the ILSVRC classes at or below it.

    Example: `topfive taxonomy show n02099601`

    Parameters
    ----------
    wnid
        `n` and eight digits: the offset in WordNet 3.0.
    json
        Print one JSON object.
    """
    value = taxonomy.show(wnid).to_json()
    if json:
        print_json(value)
        return
    graph = taxonomy.wordnet()

    def named(wnids: list[str]) -> str:
        return "\n".join(f"{key} {graph.lemmas(key)[0].replace('_', ' ')}" for key in wnids) or "none"

    shown = dict(value)
    shown["gloss"] = value["gloss"] or "not installed (Debian: wordnet-base)"
    shown["parents"] = named(value["parents"])
    shown["children"] = named(value["children"])
    if value.get("class_index") is None:
        shown["class_index"] = "not one of the 1,000"
    print_facts(shown)


@app.command
def path(a: str, b: str, *, json: bool = False) -> None:
    """Show where two synsets meet: their lowest common ancestors and how high they lie.

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
    value = taxonomy.path(a, b).to_json()
    if json:
        print_json(value)
        return
    graph = taxonomy.wordnet()
    for wnid in value["common"]:
        print(f"{wnid} {graph.lemmas(wnid)[0].replace('_', ' ')}, height {graph.height(wnid)}")
