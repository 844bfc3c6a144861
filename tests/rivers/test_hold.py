"""A picture becomes a leaderboard row: the main job from nothing to a report, on a small twin."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from topfive import flows
from topfive.challenge import Vault
from topfive.records import BadInput, Board, Dataset, Predictions, Run, read_findings

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SYSTEMS = ("sift_fisher", "linear_probe", "ensemble")
SMALL = {"classes": 6, "train": 30, "val": 10, "test": 20, "size": 64}

pytestmark = pytest.mark.slow


def order(**changes: object) -> flows.Order:
    return flows.Order(**({"systems": SYSTEMS, "salt": b"s" * 16, "twin": SMALL} | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Board]:
    pytest.importorskip("timm", reason="pip install 'topfive[models]'")
    out = tmp_path_factory.mktemp("river") / "workspace"
    return out, flows.hold_challenge(out, order(), now=NOW)


def test_the_board_ranks_what_was_measured(held: tuple[Path, Board]) -> None:
    out, board = held
    assert Board.read(out / "board.json") == board
    assert {row.system for row in board.rows} == set(SYSTEMS)
    chance = board.reference["chance"]["top1_error"]
    assert chance == pytest.approx(5 / 6)
    for row in board.rows:
        assert row.top1_error < chance - 0.1, f"{row.system} does not beat chance"
        low, high = row.top1_error_interval
        assert low <= row.top1_error <= high
        assert row.published is not None
        assert row.n == board.rows[0].n
    assert [row.rank for row in board.rows] == sorted(row.rank for row in board.rows)
    assert board.about["tuned"] is True


def test_each_row_follows_from_its_predictions_and_the_vault(held: tuple[Path, Board]) -> None:
    out, board = held
    truth = Vault(out / "vault").truth("test")
    for row in board.rows:
        made = Predictions.read(out / "runs" / row.run / "predictions.parquet")
        place = {image_id: i for i, image_id in enumerate(made.ids)}
        wrong = sum(made.top_index[place[image_id], 0] != truth.of(i)[0] for i, image_id in enumerate(truth.ids))
        assert wrong / len(truth) == pytest.approx(row.top1_error)
        assert Run.read(out / "runs" / row.run / "run.json").run_id == row.run


def test_hidden_labels_stay_in_the_vault(held: tuple[Path, Board]) -> None:
    out, _ = held
    public = Dataset.read(out / "public")
    assert (public.manifest.rows("test").class_index == -1).all()
    assert (out / "vault").stat().st_mode & 0o077 == 0
    truth = Vault(out / "vault").truth("test")
    original_ids = set(Vault(out / "vault").original_ids("test").values())
    assert not original_ids & set(public.manifest.ids), "the old ids would point at the old labels"
    names = [str(path.relative_to(out)) for path in out.rglob("*") if "vault" not in path.parts]
    assert not [name for name in names if "truth" in name]
    report = (out / "report.html").read_text(encoding="utf-8")
    assert not [image_id for image_id in truth.ids if image_id in report], "a sealed picture is on the report"


def test_the_audit_names_suspects_before_it_is_told(held: tuple[Path, Board]) -> None:
    out, _ = held
    findings = read_findings(out / "audit" / "label-errors.jsonl")
    assert findings
    open_ids = set(Dataset.read(out / "public").manifest.ids)
    assert {image_id for finding in findings for image_id in finding.ids} <= open_ids


def test_the_report_is_one_file_that_loads_nothing(held: tuple[Path, Board]) -> None:
    out, board = held
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert 'src="http' not in text and "url(http" not in text
    assert "no evidence about history" in text
    for row in board.rows:
        assert row.run in text


def test_the_same_call_again_keeps_what_is_done(held: tuple[Path, Board]) -> None:
    out, board = held
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()}
    again = flows.hold_challenge(out, order(), now=NOW)
    assert again.rows == board.rows
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()} == before


def test_another_challenge_is_refused(held: tuple[Path, Board]) -> None:
    out, _ = held
    with pytest.raises(BadInput, match="holds another challenge"):
        flows.hold_challenge(out, order(seed=1), now=NOW)


def test_an_image_set_of_ones_own_is_not_changed(held: tuple[Path, Board], tmp_path: Path) -> None:
    from topfive.dataset import TwinRecipe, make_twin

    mine = make_twin(tmp_path / "mine", TwinRecipe(**(SMALL | {"seed": 3})))  # type: ignore[arg-type]
    before = {path.name: path.read_bytes() for path in mine.root.iterdir() if path.is_file()}
    board = flows.hold_challenge(tmp_path / "out", order(data=mine.root, systems=("sift_fisher",)), now=NOW)
    assert board.rows[0].system == "sift_fisher"
    assert {path.name: path.read_bytes() for path in mine.root.iterdir() if path.is_file()} == before
    assert (Dataset.read(tmp_path / "out" / "public").manifest.rows("test").class_index == -1).all()


def test_doors_agree_with_the_workspace(held: tuple[Path, Board]) -> None:
    out, board = held
    assert json.dumps(flows.show_board(out)) == json.dumps(board.to_json())
    shown = flows.show_run(out, board.rows[0].run)
    assert shown["run_id"] == board.rows[0].run
    assert shown["scores"]["n"] == 60
    some = flows.class_pictures(out, Dataset.read(out / "public").classes.wnids[0], 5)
    assert flows.thumbnail(out, some[0], 48)[:2] == b"\xff\xd8"
    with pytest.raises(BadInput, match="has no run"):
        flows.show_run(out, f"..{os.sep}vault")


def test_a_run_on_the_shelf_predicts_the_same_again(held: tuple[Path, Board]) -> None:
    out, board = held
    dataset = Dataset.read(out / "public")
    for row in board.rows:
        folder = out / "runs" / row.run
        made, _ = flows.predict(str(folder), dataset, "test", how=flows.Inference(batch_size=7))
        stored = Predictions.read(folder / "predictions.parquet")
        assert np.array_equal(made.top_index, stored.top_index)
