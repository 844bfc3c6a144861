"""WordNet 3.0's nouns as a graph, the ILSVRC classes in it, look-ups, and the ILSVRC2012 development kit."""

from topfive.taxonomy.data_noun import DATA_NOUN, read_gloss, read_wordnet
from topfive.taxonomy.devkit import Devkit, read_devkit
from topfive.taxonomy.graph import SynsetGraph
from topfive.taxonomy.ilsvrc import ilsvrc_classes
from topfive.taxonomy.lookup import SynsetCard, SynsetPath, path, show
from topfive.taxonomy.search import find
from topfive.taxonomy.table import read_table, wordnet, write_table
from topfive.taxonomy.tree import ClassTree, class_tree

__all__ = [
    "DATA_NOUN",
    "ClassTree",
    "Devkit",
    "SynsetCard",
    "SynsetGraph",
    "SynsetPath",
    "class_tree",
    "find",
    "ilsvrc_classes",
    "path",
    "read_devkit",
    "read_gloss",
    "read_table",
    "read_wordnet",
    "show",
    "wordnet",
    "write_table",
]
