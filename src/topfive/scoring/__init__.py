"""Scoring: pure functions of records, each under a protocol with a name and a version. Start reading at `score`."""

from topfive.scoring.agreement import Agreement, agreement
from topfive.scoring.answers import Answers, Guesses, Matcher, read_answers, score_answers, to_predictions
from topfive.scoring.compare import Comparison, compare, holm, mcnemar, rank_intervals
from topfive.scoring.confusions import Confusion, confusions
from topfive.scoring.ilsvrc_text import (
    flat_errors,
    hierarchical_errors,
    read_submission,
    score_submission,
    write_submission,
)
from topfive.scoring.intervals import bootstrap_difference, paired_difference, wilson
from topfive.scoring.marking import Marks, mark
from topfive.scoring.score import PROTOCOL, score
from topfive.scoring.topk import rank_of_label

__all__ = [
    "PROTOCOL",
    "Agreement",
    "Answers",
    "Comparison",
    "Confusion",
    "Guesses",
    "Marks",
    "Matcher",
    "agreement",
    "bootstrap_difference",
    "compare",
    "confusions",
    "flat_errors",
    "hierarchical_errors",
    "holm",
    "mark",
    "mcnemar",
    "paired_difference",
    "rank_intervals",
    "rank_of_label",
    "read_answers",
    "read_submission",
    "score",
    "score_answers",
    "score_submission",
    "to_predictions",
    "wilson",
    "write_submission",
]
