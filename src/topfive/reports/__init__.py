"""The reports room: records -> plots, contact sheets and self-contained HTML; it computes nothing that it shows."""

from topfive.reports.content import (
    Confusion,
    ImageNetAudit,
    Label,
    LabelAudit,
    LabelPair,
    Making,
    PairTest,
    Picture,
    PlantedKind,
    ReportContent,
    SetFacts,
    WorstClass,
)
from topfive.reports.explained import explained_sheet
from topfive.reports.report import render_report, small_jpeg, write_report
from topfive.reports.sheet import contact_sheet
from topfive.reports.style import environment, style_hash, stylesheet
from topfive.reports.trajectory import Panel, measured_panels, trajectory_panels

__all__ = [
    "Confusion",
    "ImageNetAudit",
    "Label",
    "LabelAudit",
    "LabelPair",
    "Making",
    "PairTest",
    "Panel",
    "Picture",
    "PlantedKind",
    "ReportContent",
    "SetFacts",
    "WorstClass",
    "contact_sheet",
    "environment",
    "explained_sheet",
    "measured_panels",
    "render_report",
    "small_jpeg",
    "style_hash",
    "stylesheet",
    "trajectory_panels",
    "write_report",
]
