"""Audits of labels: judgements that change nothing, one file each, as findings."""

from topfive.audit.agreement import Agreement, Recall, precision_recall
from topfive.audit.audits.label_errors import FILTERS, LabelErrors, label_errors, read_arrays
from topfive.audit.registry import AUDITS

__all__ = [
    "AUDITS",
    "FILTERS",
    "Agreement",
    "LabelErrors",
    "Recall",
    "label_errors",
    "precision_recall",
    "read_arrays",
]
