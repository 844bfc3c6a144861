from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topfive.records import BadInput, ClassList
from topfive.scoring import read_logits, read_order, read_table

ANIMALS = ClassList(
    ("n00000001", "n00000002", "n00000003", "n00000004"), ("cat", "Dog", "crane", "crane")
)  # fmt: skip
PLAIN = ClassList(("0", "1", "2"), ("0", "1", "2"))


def written(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_an_order_of_wnids_names_and_ids(tmp_path: Path) -> None:
    mixed = read_order(written(tmp_path, "n00000003\ndog\n n00000777 \nCAT\n"), ANIMALS)
    assert mixed.wnids == ("n00000003", "n00000002", "n00000777", "n00000001")
    assert mixed.names == ("crane", "Dog", "n00000777", "cat")
    numbers = written(tmp_path, "2\n1\n")
    assert read_order(numbers, ANIMALS, {1: "n00000004", 2: "n00000001"}).wnids == ("n00000001", "n00000004")
    # Where a number is a class's own key (digits), it is that class.
    assert read_order(written(tmp_path, "2\n0\n"), PLAIN).wnids == ("2", "0")
    ANIMALS.write(tmp_path / "classes.tsv")
    assert read_order(tmp_path / "classes.tsv", PLAIN) == ANIMALS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "file.csv: is empty"),
        ("cat\nbird\n", "row 2: 'bird' is no class here"),
        ("crane\n", "row 1: 'crane' is the name of n00000003 and n00000004"),
        ("cat\n\n", "row 2: '' is no class here"),
        ("cat\ncat\n", "row 2: names n00000001 again"),
        ("1\n2\n", "holds numbers: as ILSVRC2012_IDs they need the kit"),
        ("1\ncat\n", "row 1: '1' is no class here"),
    ],
)
def test_orders_that_say_nothing(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        read_order(written(tmp_path, text), ANIMALS)
    assert message in str(error.value)


def test_numbers_that_the_kit_does_not_know(tmp_path: Path) -> None:
    for text in ("1\n3\n", "1\n" + "9" * 5000):
        with pytest.raises(BadInput, match=r"row 2: [39]+ is no ILSVRC2012_ID"):
            read_order(written(tmp_path, text), ANIMALS, {1: "n00000004"})
    (tmp_path / "bad").write_bytes(b"\xff\xfe")
    for name, message in (("bad", "cannot be read as a class order"), ("missing", "there is no such file. Say what")):
        with pytest.raises(BadInput, match=message):
            read_order(tmp_path / name, ANIMALS)


def test_logits_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    for kind in (np.float64, np.float16, np.int32):
        np.save(path, np.array([[1, 2, 3, 0], [5, 0, 0, 0]], dtype=kind))
        found = read_logits(path, ["a", "b"], ANIMALS)
        assert found.top_index[:, 0].tolist() == [2, 0] and found.ids == ("a", "b")
        assert found.logits is not None and found.logits.dtype == np.float32 and found.classes == ANIMALS
    assert read_logits(path, ["b", "a"], ANIMALS).top_index[0, 0] == 2  # rows are the ids' order


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 3)), r"is \[2, 3\], not \[2 images, 4 classes\]"),
        (np.zeros((3, 4)), r"is \[3, 4\], not \[2 images, 4 classes\]"),
        (np.zeros(4), r"is \[4\], not"),
        (np.array([["a"] * 4] * 2), "no numbers to rank"),
        (np.ones((2, 4), dtype=bool), "no numbers to rank"),
        (np.ones((2, 4), dtype=complex), "no numbers to rank"),
        (np.array([[1, 2, 3, 4], [1, np.nan, 2, 3]]), "row 1: a logit of image 'b' is not a finite number"),
        (np.array([[1, np.inf, 3, 4], [1, 0, 2, 3]]), "row 0: a logit of image 'a' is not a finite number"),
        (np.array([None] * 8, dtype=object).reshape(2, 4), "holds Python objects"),
    ],
)
def test_arrays_that_are_no_logits(tmp_path: Path, value: np.ndarray, message: str) -> None:
    np.save(tmp_path / "p.npy", value, allow_pickle=True)
    with pytest.raises(BadInput, match=message) as error:
        read_logits(tmp_path / "p.npy", ["a", "b"], ANIMALS)
    assert error.value.where == str(tmp_path / "p.npy")


class Planted:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    values = np.empty((2, 4), dtype=object)
    values[:] = Planted(planted)
    np.save(tmp_path / "objects.npy", values, allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Planted(planted)))
    for name, message in (("objects", "holds Python objects, which are not loaded"), ("pickle", "is no .npy file")):
        with pytest.raises(BadInput, match=message) as refused:
            read_logits(tmp_path / f"{name}.npy", ["a", "b"], ANIMALS)
        assert "pickle" not in str(refused.value).removeprefix(str(tmp_path / f"{name}.npy"))
    assert not planted.exists()


def header(shape: str, fill: int = 0, said: int | None = None) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode() + b" " * fill + b"\n"
    return b"\x93NUMPY\x02\x00" + (len(text) if said is None else said).to_bytes(4, "little") + text


@pytest.mark.parametrize(
    "data",
    [
        header("(1000000000000, 4)") + bytes(32),
        header("(2, 4)", fill=60_000) + bytes(32),
        header("(2, 4)", said=4_000_000_000) + bytes(32),
        header("(2, 4)") + bytes(31),
        header("(2, -4)") + bytes(32),
        header("__import__('os')") + bytes(32),
        b"\x93NUMPY",
    ],
    ids=["more than is there", "long header", "header of 4 GB", "cut short", "negative", "code", "magic alone"],
)
def test_hostile_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "p.npy").write_bytes(data)
    with pytest.raises(BadInput, match=r"p\.npy: is cut short or its header is malformed"):
        read_logits(tmp_path / "p.npy", ["a", "b"], ANIMALS)


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    written(tmp_path, "nonsense", "p.npy")
    written(tmp_path, "", "empty.npy")
    np.savez(tmp_path / "many.npz", a=np.zeros((2, 4)))
    for name, message in (
        ("p.npy", "is no .npy file"),
        ("empty.npy", "is no .npy file"),
        ("none.npy", "cannot be read"),
        ("many.npz", "is no .npy file"),
    ):
        with pytest.raises(BadInput, match=message):
            read_logits(tmp_path / name, ["a", "b"], ANIMALS)
    np.save(tmp_path / "p.npy", np.zeros((2, 4)))
    with pytest.raises(BadInput, match=r"p\.npy, row 1: image_id 'a' stands twice \(first in row 0\)"):
        read_logits(tmp_path / "p.npy", ["a", "a"], ANIMALS)


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f8", "f2", "i1", "u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_of_numbers_is_read(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.array([[1, 3, 2, 0], [0, 1, 2, 3]])
    np.save(tmp_path / "p.npy", np.array(values, dtype=dtype, order=order))  # type: ignore[call-overload]
    found = read_logits(tmp_path / "p.npy", ["a", "b"], ANIMALS)
    assert found.logits is not None and found.logits.tolist() == values.tolist()
    assert found.top_index.tolist() == [[1, 2, 0, 3], [3, 2, 1, 0]]


def test_numbers_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([[1, 2, 3, 4], [1, 2, 1e300, 4]]))
    with pytest.raises(BadInput, match=r"p\.npy, row 1: a logit of image 'b' is not a finite number"):
        read_logits(tmp_path / "p.npy", ["a", "b"], ANIMALS)


def test_a_byte_order_mark_is_no_part_of_a_class(tmp_path: Path) -> None:
    assert read_order(written(tmp_path, "\ufeffcat\r\ndog\r\n"), ANIMALS).wnids == ("n00000001", "n00000002")


def test_a_table_of_logits_names_its_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffimage_id, n00000002,cat\nx,0.5,1.5\ny,2,-1e3\n")
    found = read_table(path, ANIMALS)
    assert found.ids == ("x", "y")
    assert found.classes.wnids == ("n00000002", "n00000001")
    assert found.top_index[:, 0].tolist() == [1, 0]
    assert found.logits is not None and found.logits.tolist() == [[0.5, 1.5], [2.0, -1000.0]]
    same = ClassList(("n00000002", "n00000001"), ("dog", "cat"))
    assert read_table(path, ANIMALS, same).classes.wnids == same.wnids


def test_numbered_columns_need_an_order(tmp_path: Path) -> None:
    order = ClassList(("n00000004", "n00000001"), ("b", "a"))
    for header in ("0,1", "1,2", "logit_0,logit_1", "class_1,class_2"):
        path = written(tmp_path, f"image_id,{header}\nx,0.5,1.5\n")
        if header.startswith("class"):  # these are guesses, and 0.5 is no class
            with pytest.raises(BadInput, match=r"row 2: '0\.5' is no class here"):
                read_table(path, ANIMALS, order)
            continue
        assert read_table(path, ANIMALS, order).classes == order
        with pytest.raises(BadInput, match="row 1: numbers its columns, which says nothing of classes"):
            read_table(path, ANIMALS)
        with pytest.raises(BadInput, match="numbers 2 columns, not 4 in order"):
            read_table(path, ANIMALS, ANIMALS)
    with pytest.raises(BadInput, match="numbers 2 columns, not 2 in order"):
        read_table(written(tmp_path, "image_id,1,0\nx,0.5,1.5\n"), ANIMALS, order)
    # Keys that are digits are keys.
    assert read_table(written(tmp_path, "image_id,2,0\nx,0.5,1.5\n"), PLAIN).classes.wnids == ("2", "0")


def test_another_class_order_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "image_id,n00000002,n00000001\nx,0.5,1.5\n")
    with pytest.raises(BadInput, match="has another class order than --order: column 1 is n00000002, not n00000001"):
        read_table(path, ANIMALS, ClassList(("n00000001", "n00000002"), ("a", "b")))
    with pytest.raises(BadInput, match="has 2 classes, --order 3"):
        read_table(path, ANIMALS, ClassList(("n00000002", "n00000001", "n00000003"), ("a", "b", "c")))


def test_a_table_of_guesses(tmp_path: Path) -> None:
    path = written(tmp_path, "image_id,class1,class2,class3\nx, cat ,DOG,n00000003\ny,n00000004,cat,dog\n")
    found = read_table(path, ANIMALS)
    assert found.top_index.tolist() == [[0, 1, 2], [3, 0, 1]] and found.logits is None
    assert found.classes == ANIMALS and (np.diff(found.top_score) < 0).all()
    single = read_table(written(tmp_path, "image_id,class\nx,cat\n"), ANIMALS)
    assert single.top_index.tolist() == [[0]]
    order = ClassList(("n00000004", "n00000001"), ("bird", "cat"))
    assert read_table(written(tmp_path, "image_id,guess\nx,bird\n"), ANIMALS, order).top_index.tolist() == [[0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,class\nx,crane\n", "row 2: 'crane' is the name of n00000003 and n00000004"),
        ("image_id,class\nx,n00000009\n", "row 2: n00000009 is none of the 4 classes"),
        ("image_id,class\nx,cat\ny,\n", "row 3: '' is no class here"),
        ("image_id,class1,class2\nx,cat,cat\n", "row 2: names one class twice for image 'x'"),
        ("image_id,class\nx,cat\nx,cat\n", "row 3: image_id 'x' stands twice (first in row 2)"),
        ("image_id,cat,dog\nx,1,2\nx,1,2\n", "row 3: image_id 'x' stands twice (first in row 2)"),
        ("image_id,class2,class1\nx,cat,dog\n", "row 1: has the guesses class2, class1. Write class1, class2"),
        ("image_id,class1,guess\nx,cat,dog\n", "row 1: has the guesses class1, guess"),
        ("id,class\nx,cat\n", "row 1: has no column 'image_id' at the front"),
        ("image_id,class\n", "has no header with columns and no row of an image"),
        ("image_id\nx\n", "has no header with columns"),
        ("", "has no header with columns"),
        ("image_id,cat,dog\nx,1\n", "row 2: has 2 cells, the header 3"),
        ("image_id,cat,dog\nx,1,2\ny,1,z\n", "row 3, column 'dog': 'z' is no number. Write it as 1.5 or 2e-3"),
        ("image_id,cat,dog\nx,1,nan\n", "row 2, column 'dog': 'nan' is no number"),
        ("image_id,cat,dog\nx,1,1e39\n", "row 2: a logit of image 'x' is not a finite number"),
        ("image_id,cat,dog\n ,1,2\n", "row 2: has no image_id"),
        ("image_id,class\n,cat\n", "row 2: has no image_id"),
        ("image_id,cat,bird\nx,1,2\n", "column 3 of the header: 'bird' is no class here"),
        ("image_id,cat,cat\nx,1,2\n", "row 1: names n00000001 again in column 3"),
        ('image_id,cat\nx,"1', "cannot be read as CSV"),
    ],
)
def test_malformed_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        read_table(written(tmp_path, text), ANIMALS)
    assert message in str(error.value) and "file.csv" in str(error.value)


@pytest.mark.parametrize(
    "cell",
    [
        "1_000",
        "infinity",
        "-inf",
        " nan",
        "NaN",
        "\u0661",
        "\uff11",
        "1e",
        "e5",
        ".",
        "",
        " ",
        "0x10",
        '"1,5"',
        "1 2",
        "--1",
    ],
)
def test_what_only_python_takes_for_a_number_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(BadInput, match=r"file\.csv, row 3, column 'cat': .* is no number"):
        read_table(written(tmp_path, f"image_id,cat,dog\nx,1,2\ny,{cell},2\n"), ANIMALS)


@pytest.mark.parametrize(("cell", "value"), [(" 2", 2.0), ("+.5", 0.5), ("-3.", -3.0), ("1E-2 ", 0.01), ("007", 7.0)])
def test_plain_numbers_are_read(tmp_path: Path, cell: str, value: float) -> None:
    found = read_table(written(tmp_path, f"image_id,cat,dog\nx,{cell},9\n"), ANIMALS)
    assert found.logits is not None and found.logits[0].tolist() == pytest.approx([value, 9.0])


def test_missing_and_oversize_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"there is no such file\. CSV is wanted here"):
        read_table(tmp_path / "missing.csv", ANIMALS)
    monkeypatch.setattr("topfive.scoring.tables.MAX_CSV_BYTES", 3)
    with pytest.raises(BadInput, match="is over 0 GiB"):
        read_table(written(tmp_path, "image_id,class\nx,cat\n"), ANIMALS)


@settings(max_examples=100, deadline=None)
@given(st.text("image_id,class\n\r\"' 0123.nan\x00é", max_size=60) | st.binary(max_size=40))
def test_any_table_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: str | bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "p.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    try:
        found = read_table(path, ANIMALS)
    except BadInput:
        return
    found.check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty. Say what each column is: --order"),
        ("cat\nbird\n", ", row 2: 'bird' is no class here. Write the wnid"),
        ("x" * 61 + "\n", f", row 1: '{'x' * 60}' is no class here. Write the wnid"),
        ("y" * 61 + "\n", f", row 1: '{'y' * 60}' is the name of n00000005 and n00000006. Write the wnid"),
        ("1\n", ": holds numbers: as ILSVRC2012_IDs they need the kit, and positions say nothing. Add --kit"),
    ],
)
def test_refusals_of_an_order_say_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    known = ClassList((*ANIMALS.wnids, "n00000005", "n00000006"), (*ANIMALS.names, "y" * 61, "y" * 61))
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        read_order(path, known)
    assert str(refused.value).startswith(f"{path}{message}")


def test_numbers_of_nine_digits_are_looked_up_and_longer_ones_are_none(tmp_path: Path) -> None:
    ids = {123456789: "n00000001", 1: "n00000002"}
    assert read_order(written(tmp_path, "123456789\n000000001\n"), ANIMALS, ids).wnids == ("n00000001", "n00000002")
    for long in ("1234567890", "0000000019999", "0000000001"):
        path = written(tmp_path, f"1\n{long}\n")
        with pytest.raises(BadInput) as refused:
            read_order(path, ANIMALS, ids)
        assert str(refused.value) == f"{path}, row 2: {long} is no ILSVRC2012_ID"


def test_a_class_again_is_named_where_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path, "cat\ndog\nn00000002\n")
    with pytest.raises(BadInput) as refused:
        read_order(path, ANIMALS)
    assert str(refused.value) == f"{path}, row 3: names n00000002 again"


def test_refusals_of_an_array_say_what_to_do(tmp_path: Path) -> None:
    path, fix = tmp_path / "p.npy", "Save logits with numpy.save"
    cases = [
        (np.zeros((2, 3)), ": is [2, 3], not [2 images, 4 classes]. Rows are the ids, columns the classes of --order"),
        (np.ones((2, 4), bool), f": holds bool, no numbers to rank. {fix}"),
        (
            np.array([[1, 2, 3, 4], [1, np.nan, 2, 3], [np.nan] * 4]),
            ", row 1: a logit of image 'b' is not a finite number. Predict it anew: NaN and infinity cannot be ranked",
        ),
    ]
    for value, message in cases:
        np.save(path, value)
        with pytest.raises(BadInput) as refused:
            read_logits(path, list("abc")[: len(value)], ANIMALS)
        assert str(refused.value) == f"{path}{message}"
    for data, message in ((b"nonsense", "is no .npy file"), (b"\x93NUMPY", "is cut short or its header is malformed")):
        path.write_bytes(data)
        with pytest.raises(BadInput) as refused:
            read_logits(path, ["a", "b"], ANIMALS)
        assert str(refused.value) == f"{path}: {message}. {fix}"
    with pytest.raises(BadInput, match=r"none\.npy: "):
        read_logits(tmp_path / "none.npy", ["a", "b"], ANIMALS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,class\nx,cat\n", ", row 1: has no column 'image_id' at the front. Write image_id,..."),
        ("image_id,class1,cat\nx,1,2\n", ", column 2 of the header: 'class1' is no class here. Write the wnid"),
        ("image_id,0,cat\nx,1,2\n", ", column 2 of the header: '0' is no class here. Write the wnid"),
        (
            "image_id,0,1\nx,1,2\n",
            ", row 1: numbers its columns, which says nothing of classes. Say what each column is",
        ),
        ("image_id,class\nx,n00000009\n", ", row 2: n00000009 is none of the 4 classes. Say what each column is"),
        ("image_id,cat\nx\n", ", row 2: has 1 cells, the header 2"),
        ("image_id,cat\nx,nan\ny,nan\n", ", row 2, column 'cat': 'nan' is no number. Write it as 1.5 or 2e-3"),
    ],
)
def test_refusals_of_a_table_say_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadInput) as refused:
        read_table(path, ANIMALS)
    assert str(refused.value).startswith(f"{path}{message}")


def test_a_table_at_odds_with_its_order_says_where(tmp_path: Path) -> None:
    path = written(tmp_path, "image_id,n00000002,n00000001\nx,0.5,1.5\n")
    turned = ClassList(("n00000001", "n00000002"), ("a", "b"))
    more = ClassList(("n00000002", "n00000001", "n00000003"), ("a", "b", "c"))
    cases = [
        (
            turned,
            "has another class order than --order: column 1 is n00000002, not n00000001. "
            "Leave --order out: the header already says which class each column is",
        ),
        (more, "has 2 classes, --order 3"),
    ]
    for order, message in cases:
        with pytest.raises(BadInput) as refused:
            read_table(path, ANIMALS, order)
        assert str(refused.value) == f"{path}, row 1: {message}"
    path = written(tmp_path, "image_id,1,0\nx,0.5,1.5\n")
    with pytest.raises(BadInput) as refused:
        read_table(path, ANIMALS, turned)
    assert str(refused.value) == f"{path}, row 1: numbers 2 columns, not 2 in order as --order does"


def test_five_guesses_are_guesses_and_six_numbered_columns_are_logits(tmp_path: Path) -> None:
    six = ClassList(tuple(f"n0000000{i}" for i in range(6)), tuple("abcdef"))
    header = "image_id," + ",".join(f"class{i}" for i in range(1, 7))
    five = read_table(written(tmp_path, f"{header[:-7]}\nx,a,b,c,d,e\ny,f,e,d,c,b\n"), six)
    assert five.top_index.tolist() == [[0, 1, 2, 3, 4], [5, 4, 3, 2, 1]] and five.top_index.dtype == np.int32
    assert five.top_score.tolist() == [[0, -1, -2, -3, -4]] * 2 and five.top_score.dtype == np.float32
    found = read_table(written(tmp_path, f"{header}\nx,0,9,0,0,0,0\n"), six, six)
    assert found.logits is not None and found.logits.dtype == np.float32
    assert (found.top_index[0, 0], found.classes) == (1, six)


def test_the_largest_table_is_4_gib_and_ids_stay_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate((4 << 30) + 1)
    with pytest.raises(BadInput, match=r"large\.csv: is over 4 GiB\. Save the logits as \.npy$"):
        read_table(tmp_path / "large.csv", ANIMALS)
    (tmp_path / "p.csv").write_bytes(b'image_id,class\r\n"x\r\ny",cat\r\n')
    assert read_table(tmp_path / "p.csv", ANIMALS).ids == ("x\r\ny",)
    text = "image_id,class\nx,cat\n"
    monkeypatch.setattr("topfive.scoring.tables.MAX_CSV_BYTES", len(text))
    assert read_table(written(tmp_path, text), ANIMALS).ids == ("x",), "exactly as large as is allowed"
