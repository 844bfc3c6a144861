"""From "ask" to "agreed": votes, gold questions, and consensus by methods that are one file each."""

from topfive.labelling.consensus import ACCEPT_AT, consensus, prepare
from topfive.labelling.gold import read_gold
from topfive.labelling.kappa import fleiss_kappa
from topfive.labelling.method import METHODS

__all__ = ["ACCEPT_AT", "METHODS", "consensus", "fleiss_kappa", "prepare", "read_gold"]
