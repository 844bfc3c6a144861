from __future__ import annotations

from pathlib import Path

import pytest

from topfive.records import BadInput
from topfive.taxonomy import SynsetCard, find, ilsvrc_classes, meant, read_devkit, wordnet

NOWHERE = Path("/nowhere/data.noun")


def found(words: str, limit: int = 10) -> tuple[SynsetCard, ...]:
    return find(words, limit, data_noun=NOWHERE, definitions=NOWHERE)


@pytest.mark.parametrize(
    ("words", "wnid"),
    [
        ("dog", "n02084071"),
        ("  Dog ", "n02084071"),
        ("canis_familiaris", "n02084071"),
        ("dogs", "n02084071"),
        ("puppies", "n01322604"),
        ("foxes", "n02118333"),
        ("golden retriever", "n02099601"),
        ("Golden-Retriever", "n02099601"),
        ("tench, Tinca tinca", "n01440764"),
        ("t shirt", "n03595614"),
        ("yellow ladys slipper", "n12057211"),
        ("n02111889", "n02111889"),
        ("N02111889", "n02111889"),
        ("02111889", "n02111889"),
        ("258", "n02111889"),
        ("teddy", "n04399382"),
        ("retreiver", "n02099029"),
        ("dalmation", "n02110341"),
        ("siberian huskey", "n02110185"),
        ("hot-dog", "n07697537"),
        ("Etna", "n09174718"),
        ("chihuaua", "n02085620"),
        ("grizly bear", "n02132580"),
        ("labrador retreiver", "n02099712"),
        ("dgo", "n02084071"),  # letters within a word, as in Bydgoszcz, come after typing errors
        ("n0144076", "n01440764"),
        ("n10440764", "n01440764"),
        ("n014407644", "n01440764"),
        ("n00001741", "n00001740"),
        ("dgoszcz", "n08983274"),
    ],
)
def test_the_first_hit(words: str, wnid: str) -> None:
    assert found(words)[0].wnid == wnid


def test_both_cranes_come_before_all_others() -> None:
    assert [card.class_index for card in found("crane")][:2] == [134, 517]


def test_whole_lemmas_come_before_beginnings_and_parts() -> None:
    cards = found("cat", limit=40)
    whole = ["cat" in card.words.lower().split(", ") for card in cards]
    assert whole == sorted(whole, reverse=True)
    assert whole.count(True) == sum("cat" in [s.lower() for s in wordnet().lemmas(w)] for w in wordnet())


def test_an_exact_lemma_comes_before_a_class_index() -> None:
    wnids = [card.wnid for card in found("22")]
    assert "twenty-two" in wordnet().lemmas(wnids[0])
    assert ilsvrc_classes().wnids[22] in wnids


def test_classes_come_first_among_beginnings() -> None:
    cards = found("golden", limit=5)
    assert cards[0].words == "golden retriever"
    assert all(card.words.lower().startswith("golden") or ", golden" in card.words.lower() for card in cards)


@pytest.mark.parametrize("index", [0, 9, 151, 999])
def test_every_class_is_found_by_its_index_and_its_wnid(index: int) -> None:
    wnid = ilsvrc_classes().wnids[index]
    assert wnid in [card.wnid for card in found(str(index), limit=50)]
    assert found(wnid)[0].class_index == index


def test_every_class_is_found_by_its_first_name() -> None:
    for wnid, name in list(zip(ilsvrc_classes().wnids, ilsvrc_classes().names, strict=True))[::25]:
        assert wnid in [card.wnid for card in found(name)], name


def test_a_number_may_be_an_ilsvrc_id_where_the_kit_is_given(shared: Path) -> None:
    kit = read_devkit(shared / "data" / "ILSVRC2012_devkit_t12.tar.gz")
    cards = find("490", data_noun=NOWHERE, definitions=NOWHERE, devkit=kit)
    assert [(card.class_index, card.ilsvrc_id) for card in cards[:2]] == [(490, 902), (65, 490)]
    root = find("1001", data_noun=NOWHERE, definitions=NOWHERE, devkit=kit)[0]
    assert (root.wnid, root.class_index, root.ilsvrc_id) == ("n00001740", None, 1001)
    assert "n00001740" not in [card.wnid for card in found("1001")]


def test_no_synset_stands_twice_and_the_limit_holds() -> None:
    for words in ("a", "e", "er", "dog", "horse", "retreiver", "1"):
        wnids = [card.wnid for card in found(words, limit=7)]
        assert len(wnids) == len(set(wnids)) <= 7
        assert wnids == [card.wnid for card in found(words, limit=30)][: len(wnids)]


@pytest.mark.parametrize("words", ["zzzzqq", "12345678901", "n00000001", "v01835496", "犬", "🐶 dog", "q" * 200])
def test_nothing_near_gives_nothing(words: str) -> None:
    assert found(words) == ()


@pytest.mark.parametrize("words", ["", "  ", "_", "'", ", dog"])
def test_no_words_are_refused(words: str) -> None:
    with pytest.raises(BadInput, match="no words"):
        found(words)


@pytest.mark.parametrize("words", ["q" * 201, "x" * 10_000_000, "犬" * 67])
def test_what_is_too_long_for_a_name_is_refused(words: str) -> None:
    with pytest.raises(BadInput, match="bytes are no name") as caught:
        found(words)
    assert len(str(caught.value)) < 200


def test_letters_within_a_word_come_last() -> None:
    cards = found("hound", limit=60)
    begins = ["hound" in card.words.lower().replace("-", " ").replace(",", " ").split() for card in cards]
    assert begins[0]
    assert "n02088466" in [card.wnid for card in cards]  # bloodhound
    assert not begins[[card.wnid for card in cards].index("n02088466")]


def wrong_by_one(wnid: str) -> set[str]:
    """All that one slip makes of a wnid's digits."""
    digits = wnid[1:]
    places = range(len(digits))
    made = {digits[:i] + digits[i + 1 :] for i in places}
    made |= {digits[:i] + d + digits[i:] for i in (*places, len(digits)) for d in "0123456789"}
    made |= {digits[:i] + d + digits[i + 1 :] for i in places for d in "0123456789"}
    made |= {digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :] for i in places[:-1]}
    return {f"n{d}" for d in made} - {wnid}


def test_a_slip_in_a_wnid_is_forgiven() -> None:
    for wnid in ("n01440764", "n15075141"):
        for typed in sorted(wrong_by_one(wnid))[::11]:
            assert typed in wordnet() or wnid in [card.wnid for card in found(typed, limit=20)], typed


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("dog", "n02084071"), ("N02099601", "n02099601"), ("207", "n02099601"), ("n0144076", "n01440764")],
)
def test_what_was_meant_is_named(typed: str, nearest: str) -> None:
    assert meant(nearest) == nearest
    with pytest.raises(BadInput, match=rf"no wnid.*{nearest} \(.*comes nearest"):
        meant(typed)


@pytest.mark.parametrize("typed", ["", "🐶", "v01835496", "x" * 10_000_000])
def test_what_means_nothing_is_refused_in_short(typed: str) -> None:
    with pytest.raises(BadInput, match="is no noun synset of WordNet") as caught:
        meant(typed)
    assert len(str(caught.value)) < 400


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(BadInput, match="limit 0"):
        found("dog", limit=0)
