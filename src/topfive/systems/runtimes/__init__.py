"""Ways to run a network on pictures, one a file, found by name; which is fastest here, and whether it answers right."""

from topfive.systems.runtimes.check import check_answers, spread
from topfive.systems.runtimes.choose import AUTO, Chosen, choose
from topfive.systems.runtimes.parts import Parts, Problem, told_by
from topfive.systems.runtimes.runtime import Work, cores, get, names, refusal
from topfive.systems.runtimes.stream import Answers, answers
from topfive.systems.runtimes.together import Together, together

__all__ = [
    "AUTO",
    "Answers",
    "Chosen",
    "Parts",
    "Problem",
    "Together",
    "Work",
    "answers",
    "check_answers",
    "choose",
    "cores",
    "get",
    "names",
    "refusal",
    "spread",
    "together",
    "told_by",
]
