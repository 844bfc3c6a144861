"""The reports room: records -> plots, contact sheets and self-contained HTML; it computes nothing that it shows."""

from topfive.reports.comparison import (
    ComparedSystem,
    ComparisonContent,
    DifferingPicture,
    OnlyRight,
    TwoSystems,
    render_comparison,
    write_comparison,
)
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
from topfive.reports.datasheet import render_datasheet, write_datasheet
from topfive.reports.explained import explained_sheet
from topfive.reports.report import render_report, small_jpeg, write_report
from topfive.reports.result_page import ResultRecord, render_result_page, write_result_page
from topfive.reports.sheet import contact_sheet
from topfive.reports.style import environment, style_hash, stylesheet
from topfive.reports.trajectory import Panel, measured_panels, trajectory_panels

__all__ = [
    "ComparedSystem",
    "ComparisonContent",
    "Confusion",
    "DifferingPicture",
    "ImageNetAudit",
    "Label",
    "LabelAudit",
    "LabelPair",
    "Making",
    "OnlyRight",
    "PairTest",
    "Panel",
    "Picture",
    "PlantedKind",
    "ReportContent",
    "ResultRecord",
    "SetFacts",
    "TwoSystems",
    "WorstClass",
    "contact_sheet",
    "environment",
    "explained_sheet",
    "measured_panels",
    "render_comparison",
    "render_datasheet",
    "render_report",
    "render_result_page",
    "small_jpeg",
    "style_hash",
    "stylesheet",
    "trajectory_panels",
    "write_comparison",
    "write_datasheet",
    "write_report",
    "write_result_page",
]
