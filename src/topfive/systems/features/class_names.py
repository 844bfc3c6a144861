"""What classes are called: curated names, what they are a kind of, sentences for prompts, captions and their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topfive.loading import draws, integers
from topfive.records import BadInput, ClassList
from topfive.taxonomy import ilsvrc_classes, wordnet

Template = Callable[[str], str]
TEMPLATES = {"openai": "OPENAI_IMAGENET_TEMPLATES", "simple": "SIMPLE_IMAGENET_TEMPLATES"}
"""open_clip's names of CLIP's 80 sentences for ImageNet and of the seven that do nearly as well."""


def open_clip() -> Any:
    """The package, imported when it is needed; raises BadInput where it is not installed."""
    try:
        import open_clip as package
    except ImportError as error:
        raise BadInput("needs open_clip", where="zero_shot", fix="pip install open_clip_torch") from error
    return package


def templates(which: str) -> tuple[Template, ...]:
    """The sentences with a gap for the name, from the installed open_clip; raises BadInput for an unknown set."""
    if which not in TEMPLATES:
        raise BadInput(f"are no set of templates: {which!r}", where="templates", fix=f"Sets: {', '.join(TEMPLATES)}")
    return tuple(getattr(open_clip(), TEMPLATES[which]))


def class_names(classes: ClassList) -> tuple[str, ...]:
    """A name for each class: open_clip's curated one for the ILSVRC classes, by wnid, else the ClassList's.

    The curated names part what shares its first lemma (crane the bird, crane the machine).
    """
    place = classes.positions_in(ilsvrc_classes())
    curated = open_clip().IMAGENET_CLASSNAMES
    return tuple(curated[i] if i >= 0 else name for i, name in zip(place, classes.names, strict=True))


@dataclass(frozen=True)
class Nouns:
    """What may be said of each class: its name, and the kinds that it is of, from the nearest to the widest.

    `kinds[k]` are positions in `words`, first lemmas of synsets above some but not all of the classes;
    `is_a[j, k]` says whether class k is of kind j, bool [n_words, K]. A class that is no synset has no kinds.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    kinds: tuple[tuple[int, ...], ...]
    is_a: NDArray[np.bool_]

    def prompted(self, k: int, *, kinds: bool, named: bool = True) -> list[str]:
        """The phrases that stand for class k in prompts: its name, and with `kinds` also 'NAME, a kind of KIND'.

        Where no caption has `named` the class, its name means nothing yet, and its kinds alone stand for it.
        """
        name = self.names[k]
        if not kinds or not self.kinds[k]:
            return [name]
        said = [self.words[j] for j in self.kinds[k]]
        return [name, *(f"{name}, a kind of {word}" for word in said)] if named else said


def nouns(classes: ClassList) -> Nouns:
    """Names from open_clip or the ClassList, kinds from WordNet 3.0."""
    graph = wordnet()
    above = [graph.ancestors(wnid) - {wnid} if wnid in graph else frozenset() for wnid in classes.wnids]
    # What all classes are (an entity, an object) tells nothing apart, and a class above another is a class.
    told = sorted(frozenset().union(*above) - frozenset.intersection(*above) - set(classes.wnids))
    is_a = np.array([[synset in line for line in above] for synset in told], dtype=bool).reshape(len(told), len(above))
    depth = [graph.depth(synset) for synset in told]
    kinds = tuple(tuple(sorted(np.flatnonzero(column).tolist(), key=lambda j: -depth[j])) for column in is_a.T)
    words = tuple(graph.lemmas(synset)[0].replace("_", " ") for synset in told)
    return Nouns(class_names(classes), words, kinds, is_a)


@dataclass(frozen=True)
class Captions:
    """One sentence a picture: `texts[i]`, and `true[j, i]`: whether sentence i is true of picture j, bool [n, n]."""

    texts: tuple[str, ...]
    true: NDArray[np.bool_]


def captions(
    said: Nouns,
    sentences: tuple[Template, ...],
    labels: NDArray[np.int64],
    *,
    kinds: bool,
    seed: int,
    epoch: int,
    positions: NDArray[np.int64],
) -> Captions:
    """Draw a caption for each picture of a batch, a pure function of (seed, epoch, position).

    Half of them say the name; with `kinds`, and where the class has any, a quarter say 'NAME, a kind of KIND' and a
    quarter the kind alone. A caption with a name is true of that class's pictures, one without it of all of its kind.
    """
    form = integers(draws("caption form", seed, epoch, positions), 4)
    which = draws("caption kind", seed, epoch, positions)
    sentence = integers(draws("caption sentence", seed, epoch, positions), len(sentences))
    texts = []
    true = labels[:, None] == labels[None]
    for i, label in enumerate(labels):
        mine = said.kinds[label]
        phrase = said.names[label]
        if kinds and mine and form[i] >= 2:
            j = mine[int(integers(which[i : i + 1], len(mine))[0])]
            phrase = f"{phrase}, a kind of {said.words[j]}" if form[i] == 2 else said.words[j]
            if form[i] == 3:
                true[:, i] = said.is_a[j, labels]
        texts.append(sentences[sentence[i]](phrase))
    return Captions(tuple(texts), true)
