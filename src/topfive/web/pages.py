"""The pages: each asks one flow and shows what it returns; its `.json` twin is what a command prints under `--json`."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from topfive import flows
from topfive.records import Board, BoardRow
from topfive.reports import measured_panels, style_hash, stylesheet
from topfive.web.answers import ASK_AGAIN, KEEP, answer, page, style_version, twin
from topfive.web.refusals import Missing
from topfive.web.site import Site

router = APIRouter()

PICTURES = 48


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


Served = Annotated[Site, Depends(_site)]


@router.get("/")
@router.get("/board")
def board(request: Request, site: Served) -> Response:
    """The leaderboard."""
    value = site.board()
    rows = tuple(BoardRow(**row) for row in value["rows"])
    record = Board(value["edition"], rows, value["reference"], value["about"])
    panels = measured_panels(record, f"on {record.about['dataset']}" if "dataset" in record.about else record.edition)
    return page(request, "board.html", twin="/board.json", board=record, panels=panels)


@router.get("/board.json")
@router.get("/report.json")
def board_twin(request: Request, site: Served) -> Response:
    """As `topfive challenge board --json`, and as `topfive run --json`, which wrote the report."""
    return twin(request, site.board())


@router.get("/runs/{run_id}.json")
def run_twin(request: Request, site: Served, run_id: str) -> Response:
    """`run.json` of one run, with its scores."""
    return twin(request, site.run(run_id))


@router.get("/runs/{run_id}")
def run(request: Request, site: Served, run_id: str) -> Response:
    """One run: what it was fitted with, and how it scores on each class."""
    value = site.run(run_id)
    scores: dict[str, Any] = value.get("scores") or {}
    classes = site.shelf().dataset.classes
    names = dict(zip(classes.wnids, classes.names, strict=True))
    # Most wrong first; the class's key decides between equals.
    per_class = sorted(scores.get("per_class", {}).items(), key=lambda item: (item[1][1] / max(1, item[1][0]), item[0]))
    return page(
        request,
        "run.html",
        twin=f"/runs/{quote(run_id, safe='')}.json",
        run=value,
        scores=scores,
        per_class=[(wnid, names.get(wnid, wnid), *counts) for wnid, counts in per_class],
    )


@router.get("/classes.json")
def classes_twin(request: Request, site: Served) -> Response:
    """The classes of the image set with their numbers of labelled images."""
    shelf = site.shelf()
    return twin(request, {"classes": shelf.rows(), "n_hidden": shelf.hidden})


@router.get("/classes")
def classes(request: Request, site: Served, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """The classes of the image set, or those that `q` names."""
    shelf = site.shelf()
    return page(request, "classes.html", twin="/classes.json", shelf=shelf, rows=shelf.rows(q), words=q)


@router.get("/classes/{wnid:path}.json")
def class_twin(request: Request, site: Served, wnid: str) -> Response:
    """As `topfive taxonomy show WNID --json`."""
    card = site.card(wnid)
    if card is None:
        raise Missing("WordNet 3.0 has no noun synset of that wnid.", "`topfive taxonomy find WORDS` looks one up.")
    return twin(request, card)


@router.get("/classes/{wnid:path}")
def one_class(request: Request, site: Served, wnid: str) -> Response:
    """One class with its pictures, or a synset above the classes with its place in WordNet."""
    shelf, card = site.shelf(), site.card(wnid)
    index = shelf.dataset.classes.index.get(wnid)
    if index is None and card is None:
        raise Missing("There is no class or synset of that name.", "The list of classes has every one of this set.")
    around = {key: site.card(key) for key in (*card["parents"], *card["children"])} if card else {}
    return page(
        request,
        "class.html",
        twin=None if card is None else f"/classes/{quote(wnid)}.json",
        row=None if index is None else shelf.row(index),
        card=card,
        names={key: near["words"].split(", ")[0] for key, near in around.items() if near},
        hidden=shelf.hidden,
        in_set=shelf.dataset.classes.index,
        pictures=[] if index is None else flows.class_pictures(site.root, wnid, PICTURES),
    )


@router.get("/thumbnails/{image_id:path}.jpg")
def thumbnail(request: Request, site: Served, image_id: str) -> Response:
    """A picture of a labelled split, small, decoded and encoded anew."""
    return answer(request, site.thumbnail(image_id), "image/jpeg")


@router.get("/systems.json")
def systems_twin(request: Request) -> Response:
    """As `topfive systems --json`."""
    return twin(request, flows.show_systems())


@router.get("/systems")
def systems(request: Request) -> Response:
    """The landmarks, oldest first, with what they published."""
    return page(request, "systems.html", twin="/systems.json", systems=flows.show_systems()["systems"])


@router.get("/report")
def report(request: Request, site: Served) -> Response:
    """The report as it was written; its one style element is allowed by its hash, and no script ever."""
    path = site.root / "report.html"
    if not path.is_file():
        raise Missing("This workspace has no report yet.", "`topfive run --out DIR` writes one.")
    body = path.read_bytes()
    style = re.search(rb"<style>(.*?)</style>", body, re.DOTALL)
    allowed = f"style-src '{style_hash(style[1].decode())}'; " if style else ""
    policy = f"default-src 'none'; img-src data:; {allowed}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return answer(request, body, "text/html; charset=utf-8", headers={"Content-Security-Policy": policy})


@router.get("/style.css")
def style(request: Request, v: str = "") -> Response:
    """The style sheet; kept for good under the address that names its content."""
    cache = KEEP if v == style_version() else ASK_AGAIN
    return answer(request, stylesheet().encode(), "text/css; charset=utf-8", cache=cache)
