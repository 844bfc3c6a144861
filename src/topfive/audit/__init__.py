"""Audits of labels: judgements that change nothing, one file each, as findings."""

from topfive.audit.audits.imagenet_validation import ImagenetValidation, imagenet_validation, read_imagenet_labels
from topfive.audit.audits.label_errors import FILTERS, LabelErrors, label_errors, read_arrays
from topfive.audit.planted import PrecisionRecall, Recall, precision_recall
from topfive.audit.registry import AUDITS, findings

__all__ = [
    "AUDITS",
    "FILTERS",
    "ImagenetValidation",
    "LabelErrors",
    "PrecisionRecall",
    "Recall",
    "findings",
    "imagenet_validation",
    "label_errors",
    "precision_recall",
    "read_arrays",
    "read_imagenet_labels",
]
