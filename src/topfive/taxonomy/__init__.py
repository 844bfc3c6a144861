"""WordNet 3.0's nouns as a graph, the ImageNet class lists in it, look-ups, choosing and checking of class lists."""

from topfive.taxonomy.check import CHECKS, check, what_it_finds
from topfive.taxonomy.counts import read_counts
from topfive.taxonomy.data_noun import DATA_NOUN, read_gloss, read_parts, read_wordnet
from topfive.taxonomy.devkit import Devkit, read_devkit
from topfive.taxonomy.drawing import Branch, Drawing, draw
from topfive.taxonomy.glosses import gloss_of
from topfive.taxonomy.graph import SynsetGraph
from topfive.taxonomy.ilsvrc import ilsvrc_classes
from topfive.taxonomy.imagenet21k import (
    imagenet12k_classes,
    imagenet21k_classes,
    imagenet21k_google_classes,
    imagenet21k_microsoft_classes,
    imagenet21kp_fall2011_classes,
    imagenet21kp_winter2021_classes,
    timm_info,
)
from topfive.taxonomy.leaves import Chosen, LeafRules, choose_leaves
from topfive.taxonomy.lookup import SynsetCard, SynsetPath, path, show
from topfive.taxonomy.parts import PART_KINDS, PartLinks, part_links, read_part_table, write_part_table
from topfive.taxonomy.quotas import Quota, read_quota
from topfive.taxonomy.search import find, meant
from topfive.taxonomy.spelling import meanings
from topfive.taxonomy.table import read_table, wordnet, write_table
from topfive.taxonomy.tree import ClassTree, class_tree
from topfive.taxonomy.written import NAMED, WrittenList, read_written

__all__ = [
    "CHECKS",
    "DATA_NOUN",
    "NAMED",
    "PART_KINDS",
    "Branch",
    "Chosen",
    "ClassTree",
    "Devkit",
    "Drawing",
    "LeafRules",
    "PartLinks",
    "Quota",
    "SynsetCard",
    "SynsetGraph",
    "SynsetPath",
    "WrittenList",
    "check",
    "choose_leaves",
    "class_tree",
    "draw",
    "find",
    "gloss_of",
    "ilsvrc_classes",
    "imagenet12k_classes",
    "imagenet21k_classes",
    "imagenet21k_google_classes",
    "imagenet21k_microsoft_classes",
    "imagenet21kp_fall2011_classes",
    "imagenet21kp_winter2021_classes",
    "meanings",
    "meant",
    "part_links",
    "path",
    "read_counts",
    "read_devkit",
    "read_gloss",
    "read_part_table",
    "read_parts",
    "read_quota",
    "read_table",
    "read_wordnet",
    "read_written",
    "show",
    "timm_info",
    "what_it_finds",
    "wordnet",
    "write_part_table",
    "write_table",
]
