from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, text

from topfive.challenge import Entry, LimitReached, Receipt, Rules, submit
from topfive.records import BadInput, ClassList, Predictions, WorkFailed
from topfive.scoring import wilson
from topfive.storage import writing
from topfive.storage.schema import submissions

ENTRY = Entry("alexnet:tiny", "AlexNet", 2012, "alexnet-tiny-0123456789", 12.5)


def send(held: Any, predictions: Predictions, now: datetime, team: str = "red", entry: Entry = ENTRY) -> Receipt:
    return submit(held.edition, predictions, entry, team=team, vault=held.vault, database=held.database, now=now)


def n_rows(held: Any) -> int:
    with held.database.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(submissions)).scalar_one())


def test_a_receipt_tells_counts_and_slot(stage: Any) -> None:
    held = stage.hold(Rules("top1", 2, "day"))
    receipt = send(held, held.guess(30), stage.NOON)
    assert (receipt.n, receipt.top1_correct, receipt.top5_correct) == (48, 30, 30)
    assert (receipt.window, receipt.slot, receipt.left, receipt.repeated) == ("2026-11-24", 1, 1, False)
    assert receipt.received == "2026-11-24T12:00:00.000000Z"
    value = json.loads(json.dumps(receipt.to_json()))
    assert value["top1_error"] == pytest.approx(18 / 48)
    assert value["top5_error_interval"] == pytest.approx(list(wilson(18, 48)))
    assert (value["edition"], value["team"], value["system"]) == ("first", "red", "alexnet:tiny")
    assert held.vault.submission(receipt.digest).logits is None


def test_row_order_and_logits_change_nothing_but_the_digest(stage: Any) -> None:
    held = stage.hold()
    made = held.guess(20)
    order = np.random.default_rng(1).permutation(len(made))
    turned = Predictions(
        tuple(made.ids[row] for row in order), made.top_index[order], made.top_score[order], made.classes
    )
    one, two = send(held, made, stage.NOON), send(held, turned, stage.NOON)
    assert (one.top1_correct, one.top5_correct) == (two.top1_correct, two.top5_correct)
    assert (one.slot, two.slot) == (1, 2)


def test_the_same_predictions_again_cost_nothing(stage: Any) -> None:
    held = stage.hold(Rules("top1", 1, "day"))
    first = send(held, held.guess(30), stage.NOON)
    later = stage.NOON + timedelta(days=40)
    again = send(held, held.guess(30), later, entry=Entry("resnet"))
    assert again == replace(first, repeated=True, left=1)
    assert n_rows(held) == 1
    # Another team's same predictions are a submission of its own.
    assert send(held, held.guess(30), stage.NOON, team="blue").slot == 1


def test_the_limit_names_the_rule_and_the_next_window(stage: Any) -> None:
    held = stage.hold(Rules("top1", 2, "week"))
    for right in (1, 2):
        send(held, held.guess(right), stage.NOON)
    with pytest.raises(LimitReached) as error:
        send(held, held.guess(3), stage.NOON + timedelta(days=5))
    for part in ("'red'", "2 submissions of window 2026-W48", "opens at 2026-11-30T00:00:00.000000Z"):
        assert part in str(error.value)
    assert send(held, held.guess(2), stage.NOON).repeated
    assert send(held, held.guess(3), stage.NOON + timedelta(days=6)).slot == 1
    assert send(held, held.guess(3), stage.NOON, team="blue").slot == 1


def test_a_whole_edition_as_the_window(stage: Any) -> None:
    held = stage.hold(Rules("top1", 1, "edition"))
    assert send(held, held.guess(1), stage.NOON).left == 0
    with pytest.raises(LimitReached, match="takes no more"):
        send(held, held.guess(2), stage.NOON + timedelta(days=4000))


def test_a_clock_set_back_opens_no_window_again(stage: Any) -> None:
    held = stage.hold(Rules("top1", 1, "day"))
    tomorrow = stage.NOON + timedelta(days=1)
    send(held, held.guess(1), tomorrow)
    with pytest.raises(LimitReached, match="window 2026-11-25"):
        send(held, held.guess(2), stage.NOON)
    assert send(held, held.guess(2), stage.NOON, team="blue").received == "2026-11-25T12:00:00.000000Z"


def test_malformed_predictions_are_refused_without_a_slot(stage: Any) -> None:
    held = stage.hold(Rules("top1", 1, "day"))
    good = held.guess(5)
    stranger = ClassList(("n01440764", "n99999999", *stage.CLASSES.wnids[2:]), stage.CLASSES.names)
    nan = good.top_score.copy()
    nan[3, 2] = np.nan
    outside = good.top_index.copy()
    outside[4, 1] = 6
    bare = replace(good, logits=None)
    for bad, message in [
        (Predictions(good.ids[1:], good.top_index[1:], good.top_score[1:], good.classes), "1 of 48 images are missing"),
        (replace(bare, ids=("nobody", *good.ids[1:])), "1 of 48 images are missing, the first is 'test_"),
        (replace(bare, ids=(good.ids[1], *good.ids[1:])), "stands twice"),
        (replace(bare, top_score=nan), "row 3: a score of image"),
        (replace(bare, top_index=outside), "is not among the 6 classes"),
        (replace(bare, top_index=np.zeros_like(good.top_index)), "names one class twice"),
        (replace(bare, classes=stranger), "the first is n01443537"),
        (Predictions(good.ids, good.top_index[:, :1], good.top_score[:, :1], good.classes), "top-5 error needs 5"),
    ]:
        with pytest.raises(BadInput) as error:
            send(held, bad, stage.NOON)
        assert message in str(error.value)
        assert str(error.value).startswith("submission")
    for entry, message in [
        (Entry(""), "system: is no name"),
        (Entry("x", title="t" * 201), "title: is no name"),
        (Entry("x", seconds=float("nan")), "seconds: nan is no duration"),
        (Entry("x", contaminated="maybe"), "contaminated: is 'maybe'"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(BadInput, match=message):
            send(held, good, stage.NOON, entry=entry)
    with pytest.raises(BadInput, match="team: is no name"):
        send(held, good, stage.NOON, team=" ")
    assert n_rows(held) == 0
    assert send(held, good, stage.NOON).slot == 1


def test_changed_labels_or_rules_stop_an_edition(stage: Any) -> None:
    held = stage.hold()
    with pytest.raises(BadInput, match="not in this database as it is here"):
        send(replace(held, edition=replace(held.edition, rules=Rules("top1", 99, "day"))), held.guess(1), stage.NOON)
    (held.vault.folder / "test" / "salt").write_text(bytes(32).hex())
    with pytest.raises(WorkFailed, match="are not those that were committed to"):
        send(held, held.guess(1), stage.NOON)
    assert n_rows(held) == 0


def test_a_software_of_another_protocol_stops(stage: Any) -> None:
    held = stage.hold()
    with writing(held.database) as connection:
        connection.execute(text("UPDATE editions SET protocol = 'ilsvrc-top5/0'"))
    old = replace(held, edition=replace(held.edition, protocol="ilsvrc-top5/0"))
    with pytest.raises(WorkFailed, match="scores by ilsvrc-top5/0"):
        send(old, held.guess(1), stage.NOON)


def test_many_at_once_never_pass_the_limit(stage: Any) -> None:
    """24 threads, a barrier, one team, a limit of 5, four of the predictions sent three times each."""
    held = stage.hold(Rules("top1", 5, "day"))
    sent = [held.guess(right) for right in [*range(12), *[0, 1, 2, 3] * 3]]
    barrier, lock = threading.Barrier(len(sent)), threading.Lock()
    receipts: list[Receipt] = []
    refused: list[Exception] = []

    def work(predictions: Predictions) -> None:
        barrier.wait()
        try:
            receipt = send(held, predictions, stage.NOON)
            with lock:
                receipts.append(receipt)
        except Exception as error:
            with lock:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(predictions,)) for predictions in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(error) for error in refused} == {LimitReached}
    assert sorted(r.slot for r in receipts if not r.repeated) == [1, 2, 3, 4, 5]
    assert n_rows(held) == 5
    assert len(receipts) + len(refused) == len(sent)


def test_equal_scores_of_different_labels_get_equal_answers(stage: Any) -> None:
    """What a team reads depends on its counts alone: the ids it was right on leave no trace but the digest."""
    held = stage.hold()
    one = send(held, held.guess(17, start=0), stage.NOON, team="a").to_json()
    two = send(held, held.guess(17, start=23), stage.NOON, team="b").to_json()
    assert {key for key in one if one[key] != two[key]} == {"team", "digest"}
