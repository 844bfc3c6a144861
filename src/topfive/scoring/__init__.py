"""Scoring: pure functions of records, each under a protocol with a name and a version. Start reading at `score`."""

from topfive.scoring.agreement import Agreement, agreement
from topfive.scoring.answers import Answers, Guesses, Matcher, read_answers, score_answers, to_predictions
from topfive.scoring.bootstrap import percentile_interval, resampled
from topfive.scoring.by_class import ByClass, by_class
from topfive.scoring.calibration import Calibration, Reliability, Temperature, calibration
from topfive.scoring.compare import Comparison, Differing, compare, mcnemar, require_one_view
from topfive.scoring.confusions import Confusion, confusions
from topfive.scoring.corrected import RULE as CORRECTION_RULE
from topfive.scoring.corrected import corrected, read_reviews
from topfive.scoring.corruption_error import ALEXNET, GENERATED, RELEASED, Cell, CorruptionErrors, check_baseline
from topfive.scoring.details import Details, classes_kept, details, limited
from topfive.scoring.hierarchy import Hierarchy
from topfive.scoring.ilsvrc_text import (
    flat_errors,
    hierarchical_errors,
    read_submission,
    score_submission,
    write_submission,
)
from topfive.scoring.intervals import bootstrap_difference, paired_difference, wilson
from topfive.scoring.localisation import Boxes, boxes_by_image, localisation_errors, read_box_submission
from topfive.scoring.marking import Marks, mark
from topfive.scoring.published import Placement, PublishedRow, place, read_published, view_of
from topfive.scoring.ranks import Coverage, Ranking, holm, rank_coverage, rank_intervals, rank_systems
from topfive.scoring.score import PROTOCOL, rank_by, score
from topfive.scoring.selective import Selective, selective
from topfive.scoring.severity import Severity, severity
from topfive.scoring.siblings import (
    Outliers,
    Shortcut,
    WaysScores,
    both_ways,
    only_classes,
    outliers,
    require_same_ids,
    shortcut,
    with_classes,
)
from topfive.scoring.softmax import Softmax, softmax
from topfive.scoring.subtrees import Groups, Subtree, grouped_confusion, groups, subtrees
from topfive.scoring.tables import read_logits, read_order, read_table
from topfive.scoring.topk import rank_of_label

__all__ = [
    "ALEXNET",
    "CORRECTION_RULE",
    "GENERATED",
    "PROTOCOL",
    "RELEASED",
    "Agreement",
    "Answers",
    "Boxes",
    "ByClass",
    "Calibration",
    "Cell",
    "Comparison",
    "Confusion",
    "CorruptionErrors",
    "Coverage",
    "Details",
    "Differing",
    "Groups",
    "Guesses",
    "Hierarchy",
    "Marks",
    "Matcher",
    "Outliers",
    "Placement",
    "PublishedRow",
    "Ranking",
    "Reliability",
    "Selective",
    "Severity",
    "Shortcut",
    "Softmax",
    "Subtree",
    "Temperature",
    "WaysScores",
    "agreement",
    "bootstrap_difference",
    "both_ways",
    "boxes_by_image",
    "by_class",
    "calibration",
    "check_baseline",
    "classes_kept",
    "compare",
    "confusions",
    "corrected",
    "details",
    "flat_errors",
    "grouped_confusion",
    "groups",
    "hierarchical_errors",
    "holm",
    "limited",
    "localisation_errors",
    "mark",
    "mcnemar",
    "only_classes",
    "outliers",
    "paired_difference",
    "percentile_interval",
    "place",
    "rank_by",
    "rank_coverage",
    "rank_intervals",
    "rank_of_label",
    "rank_systems",
    "read_answers",
    "read_box_submission",
    "read_logits",
    "read_order",
    "read_published",
    "read_reviews",
    "read_submission",
    "read_table",
    "require_one_view",
    "require_same_ids",
    "resampled",
    "score",
    "score_answers",
    "score_submission",
    "selective",
    "severity",
    "shortcut",
    "softmax",
    "subtrees",
    "to_predictions",
    "view_of",
    "wilson",
    "with_classes",
    "write_submission",
]
