from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from topfive.taxonomy import SynsetGraph, ilsvrc_classes, show, wordnet
from topfive.taxonomy.ilsvrc import ilsvrc_leaf_counts

SOME = """0 n01440764 tench; 1 n01443537 goldfish; 7 n01514668 cock; 65 n01751748 sea snake; 151 n02085620 Chihuahua;
207 n02099601 golden retriever; 250 n02110185 Siberian husky; 258 n02111889 Samoyed; 268 n02113978 Mexican hairless;
269 n02114367 timber wolf; 281 n02123045 tabby; 282 n02123159 tiger cat; 285 n02124075 Egyptian cat; 291 n02129165 lion;
292 n02129604 tiger; 340 n02391049 zebra; 386 n02504458 African elephant; 388 n02510455 giant panda;
417 n02782093 balloon; 463 n02909870 bucket; 504 n03063599 coffee mug; 530 n03196217 digital clock;
620 n03642806 laptop; 651 n03761084 microwave; 681 n03832673 notebook; 721 n03938244 pillow;
812 n04266014 space shuttle; 817 n04285008 sports car; 837 n04356056 sunglasses; 850 n04399382 teddy;
851 n04404412 television; 907 n04591713 wine bottle; 934 n07697537 hotdog; 954 n07753592 banana; 963 n07873807 pizza;
980 n09472597 volcano; 981 n09835506 ballplayer; 982 n10148035 groom; 983 n10565667 scuba diver;
999 n15075141 toilet tissue"""

BELOW = """n00015388 398 n01471682 337 n01861778 218 n01886756 212 n02075296 158 n02083346 130 n02084071 118
n02087122 63 n02092468 26 n01503061 59 n01844917 24 n01661091 36 n01726692 17 n01674464 11 n01662784 5
n01627424 8 n02512053 16 n01482330 3 n01905661 61 n01767661 47 n02159955 27 n01772222 6 n02120997 13
n02121808 5 n02127808 6 n02114100 4 n02118333 4 n02131653 4 n02469914 20 n02370806 17 n00021939 522
n03575240 358 n03183080 130 n03094503 100 n04341686 58 n03051540 49 n04524313 67 n03791235 22 n03800933
26 n03405725 22 n00021265 26 n07555863 27 n13134947 16 n07707451 13 n12992868 7 n00017222 2 n11669921 2
n09287968 10 n00007846 3 n00001740 1000"""

NAMED = dict(zip(ilsvrc_classes().wnids, ilsvrc_classes().names, strict=True))

SHARED_LEMMAS = """sand viper 54/66; grass snake 55/57; partridge 82/86; crawfish 123/124; crayfish 123/124;
crane 134/517; cardigan 264/474; catamount 286/287; panther 286/290; sus scrofa 341/342; polecat 358/361;
panda 387/388; tub 435/876; wagon 436/734; gong 494/577; horn 513/566; harp 593/594; maillot 638/639;
missile 657/744"""


def timm_list(name: str) -> list[str]:
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        pytest.skip("timm is not installed: pip install timm")
    return (Path(spec.origin).parent / "data" / "_info" / name).read_text().splitlines()


def test_the_list() -> None:
    classes = ilsvrc_classes()
    classes.check()
    assert len(classes) == 1000
    assert list(classes.wnids) == sorted(set(classes.wnids))
    for entry in SOME.replace("\n", " ").split(";"):
        index, wnid, name = entry.split(maxsplit=2)
        assert classes.wnids[int(index)] == wnid
        assert classes.names[int(index)] == name


def test_the_list_is_the_one_that_timm_has() -> None:
    assert list(ilsvrc_classes().wnids) == timm_list("imagenet_synsets.txt")
    assert (ilsvrc_classes().wnids[0], ilsvrc_classes().wnids[-1]) == ("n01440764", "n15075141")


def test_words_and_glosses_are_the_ones_that_timm_has(installed: SynsetGraph) -> None:
    words = dict(line.split("\t") for line in timm_list("imagenet_synset_to_lemma.txt"))
    definitions = dict(line.split("\t") for line in timm_list("imagenet_synset_to_definition.txt"))
    for wnid in ilsvrc_classes().wnids:
        assert wordnet().words(wnid) == words[wnid]
        gloss = installed.gloss(wnid)
        assert gloss is not None
        assert gloss.split(";")[0] == definitions[wnid].split(";")[0]


def test_no_class_is_above_another_yet_350_have_synsets_below() -> None:
    wnids = set(ilsvrc_classes().wnids)
    assert all(wordnet().ancestors(wnid) & wnids == {wnid} for wnid in wnids)
    assert sum(wordnet().height(wnid) > 0 for wnid in wnids) == 350
    assert sum(not wordnet().children(wnid, instances=False) for wnid in wnids) == 650
    assert sum(not wordnet().children(wnid) for wnid in wnids) == 641


def test_classes_with_several_parents() -> None:
    several = [name for wnid, name in NAMED.items() if len(wordnet().parents(wnid)) > 1]
    assert len(several) == 38
    assert several == [n for wnid, n in NAMED.items() if len(wordnet().parents(wnid, instances=False)) > 1]
    assert {"accordion", "bakery", "minivan", "missile", "organ", "tank", "printer", "mask"} <= set(several)


def test_counts_below() -> None:
    pairs = BELOW.split()
    for wnid, count in zip(pairs[::2], pairs[1::2], strict=True):
        assert show(wnid).n_leaves == int(count), wnid
    assert int((ilsvrc_leaf_counts() > 0).sum()) == 1860


def test_animals_and_dogs_stand_together() -> None:
    def under(wnid: str) -> np.ndarray:
        return np.array([i for i, w in enumerate(ilsvrc_classes().wnids) if wnid in wordnet().ancestors(w)])

    assert under("n00015388").tolist() == list(range(398))
    assert under("n02084071").tolist() == list(range(151, 269))
    assert under("n01503061").tolist() == [*range(7, 25), *range(80, 101), *range(127, 147)]


def test_names_are_no_keys() -> None:
    places: dict[str, list[int]] = defaultdict(list)
    firsts: dict[str, list[int]] = defaultdict(list)
    for i, wnid in enumerate(ilsvrc_classes().wnids):
        lemmas = wordnet().lemmas(wnid)
        firsts[lemmas[0].lower()].append(i)
        for lemma in {lemma.lower() for lemma in lemmas}:
            places[lemma].append(i)
    shared = {
        f"{lemma.replace('_', ' ')} {'/'.join(map(str, found))}" for lemma, found in places.items() if len(found) > 1
    }
    assert len(shared) == 19
    assert shared == set(SHARED_LEMMAS.replace("\n", " ").split("; "))
    assert {name: found for name, found in firsts.items() if len(found) > 1} == {
        "crane": [134, 517],
        "maillot": [638, 639],
        "cardigan": [264, 474],
    }
