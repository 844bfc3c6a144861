"""Challenge: hidden labels, editions, submissions, leaderboards. No pixels, no HTTP, no torch; start at `seal`."""

from topfive.challenge.edition import Edition, Rules, create, read_edition
from topfive.challenge.leaderboard import board
from topfive.challenge.published import PUBLISHED, agreement_levels
from topfive.challenge.sealing import seal
from topfive.challenge.submissions import Entry, LimitReached, Receipt, submit
from topfive.challenge.vault import Vault, commitment

__all__ = [
    "PUBLISHED",
    "Edition",
    "Entry",
    "LimitReached",
    "Receipt",
    "Rules",
    "Vault",
    "agreement_levels",
    "board",
    "commitment",
    "create",
    "read_edition",
    "seal",
    "submit",
]
