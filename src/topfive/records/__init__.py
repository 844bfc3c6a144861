"""What flows through topfive: frozen records of arrays, each with its file format, its digest and its check."""

from topfive.records.batch import Batch
from topfive.records.board import Board, BoardRow
from topfive.records.claim import Claim, Published
from topfive.records.class_list import UNKNOWN, ClassList
from topfive.records.digests import digest_json, digest_parts
from topfive.records.durable import new_folder, replacing, write_text
from topfive.records.errors import BadInput, WorkFailed
from topfive.records.finding import Finding, read_findings, write_findings
from topfive.records.manifest import COLUMNS, SPLITS, Dataset, Manifest
from topfive.records.predictions import Predictions
from topfive.records.progress import Progress, counted, silent
from topfive.records.protocol import PROTOCOLS, Protocol
from topfive.records.run import Run
from topfive.records.scores import Interval, Scores
from topfive.records.truth import Truth
from topfive.records.view import View
from topfive.records.votes import Consensus, Votes

__all__ = [
    "COLUMNS",
    "PROTOCOLS",
    "SPLITS",
    "UNKNOWN",
    "BadInput",
    "Batch",
    "Board",
    "BoardRow",
    "Claim",
    "ClassList",
    "Consensus",
    "Dataset",
    "Finding",
    "Interval",
    "Manifest",
    "Predictions",
    "Progress",
    "Protocol",
    "Published",
    "Run",
    "Scores",
    "Truth",
    "View",
    "Votes",
    "WorkFailed",
    "counted",
    "digest_json",
    "digest_parts",
    "new_folder",
    "read_findings",
    "replacing",
    "silent",
    "write_findings",
    "write_text",
]
