"""Archives made to do harm: by far more than a hundred and fifty, each refused by name, and nothing written outside."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from topfive.dataset import ImportOptions, ImportReport, import_source
from topfive.records import BadInput
from toy.archives import END, head, member, padded, pax, picture, tar_bytes, with_checksum

GOOD = "n01440764"
DATA = picture(0)
OUTSIDE = (
    "/etc/passwd",
    "//etc/passwd",
    "/n01440764_1.JPEG",
    "../x.JPEG",
    "../../../../tmp/x.JPEG",
    "a/../../x.JPEG",
    "..",
    "./../x.JPEG",
    "a/..",
    "a/b/../../../x.JPEG",
)
CONTROL = ("a\nb.JPEG", "a\rb.JPEG", "a\tb.JPEG", "\x1b[2J.JPEG", "a\x07.JPEG", "a\x7f.JPEG", "a\u0085.JPEG")
SPECIAL = {
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"6": "FIFO",
    b"S": "sparse file",
    b"V": "unknown kind",
    b"M": "unknown kind",
    b"N": "unknown kind",
    b"Z": "unknown kind",
}
TARGETS = (b"/etc/passwd", b"../../..", b"x.JPEG", b"/proc/self/mem", b"")
LONGER_THAN_A_HEADER = "d" * 90 + "/"


def left_out() -> Iterator[tuple[str, bytes, str]]:
    """Members that are left out by name: title, bytes, reason."""
    for name in OUTSIDE:
        reason = "absolute" if name.startswith("/") else r"\.\."
        yield f"plain {name}", member(name, DATA), reason
        yield f"pax {name}", pax({"path": name}) + member("x.JPEG", DATA), reason
        yield f"folder {name}", member(name + "/", kind=b"5"), reason
        yield f"long {name}", member(f"{name}/{LONGER_THAN_A_HEADER * 2}x.JPEG", DATA), reason
        yield f"prefix {name}", prefixed(name.encode()), reason
    for name in CONTROL:
        yield f"plain {name!r}", member(name, DATA), "control characters"
        yield f"pax {name!r}", pax({"path": name}) + member("x.JPEG", DATA), "control characters"
        yield f"long {name!r}", member(LONGER_THAN_A_HEADER * 2 + name, DATA), "control characters"
    for kind, reason in SPECIAL.items():
        for target in TARGETS:
            yield f"kind {kind!r} to {target!r}", member("link.JPEG", kind=kind, link=target), reason
    for raw in (b"\xff\xfe.JPEG", b"a\xc3.JPEG", b"\xed\xa0\x80.JPEG", b"\xc0\xae\xc0\xae/x.JPEG"):
        yield f"bytes {raw!r}", member(raw, DATA), "not UTF-8"
        long = head(b"././@LongLink", b"%o" % len(raw), b"L") + padded(raw)
        yield f"long bytes {raw!r}", long + member("x.JPEG", DATA), "not UTF-8"
    for raw in (b"good.JPEG\0../../evil", b"good.JPEG\0/etc/passwd", b"a\0b"):
        yield f"name with NUL {raw!r}", member(raw, DATA), "more behind the end of its name"
        long = head(b"././@LongLink", b"%o" % len(raw), b"L") + padded(raw)
        yield f"long name with NUL {raw!r}", long + member("x.JPEG", DATA), r"control characters|\.\."
        named = pax({"path": raw.decode()}) + member("x.JPEG", DATA)
        yield f"pax name with NUL {raw!r}", named, r"control characters|\.\."
    for name in (".", "./", "././."):
        yield f"no name {name}", member(name.encode() if name == "." else b".", DATA), "no name"
    for key in ("GNU.sparse.major", "GNU.sparse.name", "GNU.sparse.map", "GNU.sparse.realsize"):
        yield key, pax({key: "1"}) + member("x.JPEG", DATA), "sparse"


def prefixed(prefix: bytes) -> bytes:
    """A member whose name has a prefix, as POSIX has it."""
    block = bytearray(head(b"x.JPEG", b"%o" % len(DATA)))
    block[345 : 345 + len(prefix)] = prefix
    return with_checksum(bytes(block)) + padded(DATA)


def refused() -> Iterator[tuple[str, bytes, str]]:
    """Archives that are refused whole: title, bytes after a good member, reason."""
    for size in (
        b"\xff" * 12,
        b"\x80" + b"\xff" * 11,
        b"-0000000512\0",
        b"00000_01000\0",
        b"0x000000200\0",
        b"+0000001000\0",
    ):
        yield f"size {size!r}", head(b"x.JPEG", size) + padded(DATA) + END, "has the size"
    for size in (
        b"77777777777\0",
        b"\x80" + (1 << 61).to_bytes(11, "big"),
        b"00077777777\0",
        b"\x80" + (1 << 40).to_bytes(11, "big"),
    ):
        yield f"huge {size!r}", head(b"x.JPEG", size) + padded(DATA) + END, "cut short"
    for value in ("-1", "1e9", "0x10", "", "٣", " 5", str(1 << 70)):
        yield f"pax size {value!r}", pax({"size": value}) + member("x.JPEG", DATA) + END, "has the size"
    for value in (str(1 << 60), str(10**9)):
        yield f"pax size {value}", pax({"size": value}) + member("x.JPEG", DATA) + END, "cut short"
    for size in (512, 1):
        # The next header then seems to lie inside the picture: bytes that are no header are named, not skipped.
        short = pax({"size": str(size)}) + member("x.JPEG", b"\1" * 4000) + END
        yield f"overlap {size}", short, "no right header"
    for one, two in ((f"{GOOD}_9.JPEG",) * 2, ("A.JPEG", "a.jpeg"), ("é.JPEG", "e\u0301.JPEG"), ("ß.JPEG", "SS.JPEG")):
        yield f"twice {one} {two}", member(one, DATA) + member(two, DATA) + END, "twice"
        yield f"pax twice {two}", member(one, DATA) + pax({"path": two}) + member("x", DATA) + END, "twice"
    yield "a name for all", pax({"path": "x"}, b"g") + member("y.JPEG", DATA) + END, "to every member"
    yield "a size for all", pax({"size": "1"}, b"g") + member("y.JPEG", DATA) + END, "to every member"
    for at in ("path", "size"):
        twice = pax({at: "12"})
        body = twice[512:].rstrip(b"\0")
        double = head(b"pax", b"%o" % (2 * len(body)), b"x") + padded(body * 2)
        yield f"pax {at} twice", double + member("x.JPEG", DATA) + END, "twice"
    for body in (b"99 path=x\n", b"x", b"0 path=x\n", b"-5 path=x\n", b"10 path:x\n", b"9 path=x\n\n"):
        yield f"pax {body!r}", head(b"pax", b"%o" % len(body), b"x") + padded(body) + END, "attributes"
    for kind in (b"L", b"K", b"x", b"g"):
        yield f"{kind!r} of 4 GB", head(b"x", b"%o" % (1 << 32 - 1), kind) + END, "a name or attributes of"
    for kind in (b"L", b"x"):
        alone = pax({"path": "x"}) if kind == b"x" else head(b"x", b"4", kind) + padded(b"abcd")
        yield f"{kind!r} of nothing", alone + END, "no member for them"
    yield "one block of zeros", bytes(512), "only one"
    yield "no end", b"", "no end marker"
    yield "more behind the end", END + member("x.JPEG", DATA) + END, "data follow"
    yield "a byte behind the end", END + b"\1", "data follow"
    yield "noise", b"\x93" * 1024, "no right header"
    wrong = bytearray(member("x.JPEG", DATA))
    wrong[148:156] = b"0000000\0"
    yield "a sum of nothing", bytes(wrong) + END, "no right header"


LEFT_OUT, REFUSED = list(left_out()), list(refused())
FIRST = member(f"{GOOD}/{GOOD}_1.JPEG", DATA)
INNER = member(f"{GOOD}_1.JPEG", DATA)


def imported(work: Path, name: str, data: bytes, options: ImportOptions) -> ImportReport:
    """Import an archive beside a file that must stay as it is, and see that nothing is made but `out`."""
    work.mkdir(exist_ok=True)
    (work / name).write_bytes(data)
    (work / "mine").write_text("mine")
    before = {"mine", name}
    try:
        report = import_source(work / name, work / "out" / "set", options)
        before.add("out")
        made = {path.relative_to(work / "out" / "set") for path in (work / "out" / "set").rglob("*")}
        assert {path.parts[0] for path in made} <= {
            "SHA256SUMS",
            "classes.tsv",
            "dataset.json",
            "manifest.parquet",
            "shards",
        }
        return report
    finally:
        if (work / "out").exists() and "out" not in before:
            assert list((work / "out").iterdir()) == []
            before.add("out")
        assert {path.name for path in work.iterdir()} == before
        assert (work / "mine").read_text() == "mine"


def test_there_are_enough_of_them() -> None:
    titles = [title for title, _, _ in (*LEFT_OUT, *REFUSED)]
    assert len(set(titles)) >= 150
    assert len(LEFT_OUT) >= 100
    assert len(REFUSED) >= 50


@pytest.mark.parametrize("form", ["plain", "nested", "compressed"])
def test_members_that_would_do_harm_are_left_out_by_name(tmp_path: Path, form: str) -> None:
    for number, (title, data, reason) in enumerate(LEFT_OUT):
        work = tmp_path / str(number)
        report = imported(work, *in_form(form, data + member("last.JPEG", picture(1)) + END))
        assert report.n_images == (1 if form == "plain" else 2), title
        named = [problem for problem in report.problems if "no class folder" not in problem.reason]
        assert len(named) == 1, (title, named)
        assert named[0].image_id.isprintable(), title
        assert re.search(reason, named[0].reason), (title, named)


@pytest.mark.parametrize("form", ["plain", "nested", "compressed"])
def test_archives_that_would_do_harm_are_refused_by_name(tmp_path: Path, form: str) -> None:
    for number, (title, data, reason) in enumerate(REFUSED):
        with pytest.raises(BadInput, match=reason) as caught:
            imported(tmp_path / str(number), *in_form(form, data))
        assert title
        assert str(caught.value.where).startswith(str(tmp_path)), title
        assert form == "plain" or caught.value.row == f"{GOOD}.tar", title


def in_form(form: str, data: bytes) -> tuple[str, bytes, ImportOptions]:
    """A good member and what follows, as an archive of class folders, or as one synset's in the whole ImageNet."""
    if form == "plain":
        return "x.tar", FIRST + data, ImportOptions()
    outer = tar_bytes([(f"{GOOD}.tar", INNER + data)])
    if form == "nested":
        return "x.tar", outer, ImportOptions()
    return "x_whole.tar.gz", gzip.compress(outer, 1), ImportOptions(unpack=True)


def test_bombs_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topfive.dataset.importers.imagenet_whole._UNPACKED", 1 << 20)
    bomb = gzip.compress(tar_bytes([(f"{GOOD}.tar", bytes(3 << 20))]))
    with pytest.raises(BadInput, match="unpacks to more than the 1048576 bytes allowed"):
        imported(tmp_path / "a", "x_whole.tar.gz", bomb, ImportOptions(unpack=True))
    page = member(f"{GOOD}/{GOOD}_2.JPEG", gzip.compress(bytes(1 << 20)))
    report = imported(tmp_path / "b", "x.tar", FIRST + page + END, ImportOptions())
    assert [tuple(problem) for problem in report.problems] == [
        (f"{GOOD}_2", "is a gzip file; only JPEG and PNG are read")
    ]
