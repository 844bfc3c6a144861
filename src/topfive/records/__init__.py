"""What flows through topfive: frozen records of arrays, each with its file format, its digest and its check."""

from topfive.records.batch import Batch
from topfive.records.board import Board, BoardRow
from topfive.records.claim import Claim, Published
from topfive.records.class_list import UNKNOWN, ClassList
from topfive.records.datasheet import Balance, Copies, Datasheet, Doubt, Shares, SplitFacts, Spread, ValueCount
from topfive.records.digests import digest_json, digest_parts
from topfive.records.durable import disk_failed, new_folder, replacing, require_new, room_for, write_text
from topfive.records.errors import BadInput, WorkFailed, unreadable
from topfive.records.finding import Finding, read_findings, write_findings
from topfive.records.growing import growing_folder, grown_bytes, held_folder
from topfive.records.manifest import COLUMNS, SPLITS, Dataset, Manifest
from topfive.records.mapped import in_blocks, lay_down, mapped
from topfive.records.numbered import duration, numbered
from topfive.records.predictions import Predictions
from topfive.records.progress import Progress, counted, silent
from topfive.records.protocol import PROTOCOLS, Protocol
from topfive.records.run import Run
from topfive.records.scores import Interval, Scores
from topfive.records.stored_table import StoredTable
from topfive.records.text_keys import count_keys, text_keys
from topfive.records.truth import Truth
from topfive.records.view import View
from topfive.records.votes import Consensus, Votes

__all__ = [
    "COLUMNS",
    "PROTOCOLS",
    "SPLITS",
    "UNKNOWN",
    "BadInput",
    "Balance",
    "Batch",
    "Board",
    "BoardRow",
    "Claim",
    "ClassList",
    "Consensus",
    "Copies",
    "Dataset",
    "Datasheet",
    "Doubt",
    "Finding",
    "Interval",
    "Manifest",
    "Predictions",
    "Progress",
    "Protocol",
    "Published",
    "Run",
    "Scores",
    "Shares",
    "SplitFacts",
    "Spread",
    "StoredTable",
    "Truth",
    "ValueCount",
    "View",
    "Votes",
    "WorkFailed",
    "count_keys",
    "counted",
    "digest_json",
    "digest_parts",
    "disk_failed",
    "duration",
    "growing_folder",
    "grown_bytes",
    "held_folder",
    "in_blocks",
    "lay_down",
    "mapped",
    "new_folder",
    "numbered",
    "read_findings",
    "replacing",
    "require_new",
    "room_for",
    "silent",
    "text_keys",
    "unreadable",
    "write_findings",
    "write_text",
]
