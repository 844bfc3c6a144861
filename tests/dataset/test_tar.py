"""The strict tar reader: what `tarfile` writes is read alike, and no damage, cut or trick passes in silence."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from topfive.dataset.tar import TarIndex, looks_like_tar, read_tar
from topfive.records import BadInput
from toy.nightly import Count

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def tar(entries: list[tuple[str, bytes]], kind: str = "ustar") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[kind]) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            # A time with a fraction makes the pax writer put an extended header before each member.
            info.size, info.mtime = len(data), 1.5 if kind == "pax" else 1
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def pax(records: dict[str, str], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + len(str(len(rest)))))
        body += str(length).encode() + rest
    info = tarfile.TarInfo("pax")
    info.type, info.size = kind, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


def index(tmp_path: Path, data: bytes) -> TarIndex:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    return read_tar(path)


END = bytes(1024)


@pytest.fixture(scope="module")
def two_hundred() -> list[tuple[str, bytes]]:
    # Sizes around the block size, none all zeros: a zeroed header must not look like the end.
    return [(f"n{i % 20:08d}/n{i % 20:08d}_{i}.JPEG", bytes([65 + i % 26]) * (37 * i % 1100 + 1)) for i in range(200)]


@pytest.mark.parametrize("kind", FORMATS)
def test_index_is_what_tarfile_reads(tmp_path: Path, kind: str, two_hundred: list[tuple[str, bytes]]) -> None:
    long = "ä" * 90 if kind == "ustar" else "ä/" + "long name " * 20 + "/x.JPEG"
    entries = [*two_hundred, ("empty", b""), (("d" * 100 + "/" + "e" * 80), b"prefix"), (long[:190], b"long")]
    if kind == "ustar":
        entries[-1] = ("a" * 99, b"long")
    data = tar(entries, kind)
    got = index(tmp_path, data)
    assert [(m.name, data[m.offset : m.offset + m.size]) for m in got.members] == entries
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert list(got.members) == [(i.name, i.offset_data, i.size) for i in archive.getmembers()]
    assert got.refusals == ()


def test_folders_links_and_dots(tmp_path: Path) -> None:
    data = member("./", tarfile.DIRTYPE) + member("./a/", tarfile.DIRTYPE) + member("./a//./b", data=b"x") + END
    got = index(tmp_path, data)
    assert [(m.name, m.size) for m in got.members] == [("a/b", 1)]
    assert got.folders == ("a",)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_cut_is_reported(tmp_path: Path, kind: str, two_hundred: list[tuple[str, bytes]]) -> None:
    data = tar(two_hundred, kind)
    end = read_end(tmp_path, data)
    path = tmp_path / "cut.tar"
    path.write_bytes(data)
    for length in range(end + 512, -1, -512):
        os.truncate(path, length)
        with pytest.raises(BadInput, match=r"cut short|is empty"):
            read_tar(path)
    assert len(index(tmp_path, data[: end + 1024]).names) == 200, "two blocks of zeros are a whole end"


def read_end(tmp_path: Path, data: bytes) -> int:
    last = list(index(tmp_path, data).members)[-1]
    return last.offset + -(-last.size // 512) * 512


@pytest.mark.parametrize("length", [1, 511, 513, 700])
def test_cuts_within_a_block_are_reported(tmp_path: Path, length: int) -> None:
    data = tar([("a", b"x" * 600), ("b", b"y")])
    for start in range(0, 2048, 512):
        with pytest.raises(BadInput, match="cut short"):
            index(tmp_path, data[: start + length])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_damaged_header_is_reported(tmp_path: Path, kind: str, two_hundred: list[tuple[str, bytes]]) -> None:
    data = tar(two_hundred, kind)
    own = [one.offset - 512 for one in index(tmp_path, data).members]
    for at in own + [at - 1024 for at in own if kind == "pax"]:
        hurts = (bytes(512), b"\xff" * 512, data[at : at + 3] + b"#" + data[at + 4 : at + 512])
        for hurt in hurts:
            with pytest.raises(BadInput, match=f"damaged: the block at byte {at} "):
                overwritten(tmp_path, data, at, hurt)


def test_every_bit_of_every_header(tmp_path: Path, two_hundred: list[tuple[str, bytes]], full_count: Count) -> None:
    data = tar(two_hundred[:40], "pax")
    whole = index(tmp_path, data)
    headers = full_count("headers of 512 bytes, each bit of them", 1, 40)
    for one in list(whole.members)[:headers]:
        for place in range(one.offset - 512, one.offset):
            for bit in range(8):
                with contextlib.suppress(BadInput):
                    found = overwritten(tmp_path, data, place, bytes([data[place] ^ 1 << bit]))
                    assert same(found, whole), "only a bit without meaning may pass"


def same(a: TarIndex, b: TarIndex) -> bool:
    return (list(a.members), a.folders, a.refusals) == (list(b.members), b.folders, b.refusals)


def overwritten(tmp_path: Path, data: bytes, at: int, hurt: bytes) -> TarIndex:
    """The index of the archive that was written last, with some bytes overwritten for the time being."""
    path = tmp_path / "x.tar"
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), hurt, at)
        try:
            return read_tar(path)
        finally:
            os.pwrite(file.fileno(), data[at : at + len(hurt)], at)


def test_something_after_the_end_is_reported(tmp_path: Path) -> None:
    data = tar([("a", b"x")])
    with pytest.raises(BadInput, match=f"data follow at byte {len(data)}"):
        index(tmp_path, data + b"x")
    with pytest.raises(BadInput, match="data follow"):
        index(tmp_path, data + tar([("b", b"y")]))
    with pytest.raises(BadInput, match="only one is there"):
        index(tmp_path, member("a") + bytes(512))
    assert index(tmp_path, data + bytes(777)).names.to_pylist()[0] == "a"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (member("a", tarfile.SYMTYPE, "/etc/passwd"), "symbolic link"),
        (member("a", tarfile.LNKTYPE, "b"), "hard link"),
        (member("a", tarfile.CHRTYPE), "character device"),
        (member("a", tarfile.BLKTYPE), "block device"),
        (member("a", tarfile.FIFOTYPE), "FIFO"),
        (member("a", b"Z", data=b"12"), "unknown kind"),
        (member("a", tarfile.GNUTYPE_SPARSE, data=b"12"), "sparse"),
        (pax({"GNU.sparse.major": "1"}) + member("a", data=b"12"), "sparse"),
        (member("/etc/passwd"), "absolute"),
        (pax({"path": "/etc/passwd"}) + member("a"), "absolute"),
        (member("a/../../b"), r"\.\."),
        (pax({"path": "../x"}) + member("a"), r"\.\."),
        (member("a\nb"), "control characters"),
        (member("a\x1b[31m"), "control characters"),
        (member("a").replace(b"a", b"\xff", 1), "UTF-8"),
        (member("."), "no name"),
    ],
)
def test_what_is_not_plain_is_refused_by_name_and_the_rest_is_read(tmp_path: Path, entry: bytes, reason: str) -> None:
    if b"\xff" in entry[:1]:
        entry = rechecked(entry)
    got = index(tmp_path, member("good", data=b"1") + entry + member("last", data=b"2") + END)
    assert [m.name for m in got.members] == ["good", "last"]
    assert len(got.refusals) == 1
    assert re.search(reason, got.refusals[0].reason)
    assert got.refusals[0].name.isprintable()


def rechecked(block: bytes) -> bytes:
    head = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(head[:512]) + block[156:]


@pytest.mark.parametrize(
    ("first", "second"), [("a/x.JPEG", "a/x.JPEG"), ("a/x.JPEG", "./a//x.JPEG"), ("a/X.jpeg", "A/x.JPEG"), ("é", "é")]
)
def test_one_name_twice_is_refused(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(BadInput, match="twice"):
        index(tmp_path, tar([(first, b"1"), (second, b"2")], "pax"))


def test_pax_headers_override_name_and_size(tmp_path: Path) -> None:
    data = pax({"path": "ü/y", "size": "700", "mtime": "1.5"}) + member("x")[:512] + b"z" * 700 + bytes(324) + END
    got = index(tmp_path, data)
    assert [(m.name, m.size) for m in got.members] == [("ü/y", 700)]
    assert index(tmp_path, pax({"comment": "hello"}, b"g") + member("x") + END).names.to_pylist()[0] == "x"


@pytest.mark.parametrize(
    "start",
    [
        pax({"size": "-1"}),
        pax({"size": "1e3"}),
        pax({"path": "x"}, b"g"),
        pax({"path": "xy"}).replace(b"11 path", b"99 path"),
        pax({"path": "xy"}).replace(b"11 path", b"00 path"),
        pax({"path": "xy"}).replace(b"11 path", b"xx path"),
        pax({"path": "xy"}).replace(b"path=", b"path:"),
        pax({"path": "xy"}).replace(b"xy", b"\xff\xfe"),
    ],
)
def test_attributes_that_make_no_sense_are_damage(tmp_path: Path, start: bytes) -> None:
    with pytest.raises(BadInput, match="damaged"):
        index(tmp_path, start + member("a", data=b"x") + END)


def test_sizes_beyond_octal_and_absurd_ones(tmp_path: Path) -> None:
    block = bytearray(member("a", data=b"abc"))
    block[124:136] = b"\x80" + (3).to_bytes(11, "big")
    assert index(tmp_path, rechecked(bytes(block)) + END).sizes[0] == 3
    block[124:136] = b"\x80" + (2**60).to_bytes(11, "big")
    with pytest.raises(BadInput, match="cut short: it has 2048 bytes, a needs"):
        index(tmp_path, rechecked(bytes(block)) + END)
    block[124:136] = b"\xff" * 12
    with pytest.raises(BadInput, match="has the size"):
        index(tmp_path, rechecked(bytes(block)) + END)
    huge = tarfile.TarInfo("././@LongLink")
    huge.type, huge.size = b"L", 1 << 30
    with pytest.raises(BadInput, match="a name or attributes of 1073741824 bytes"):
        index(tmp_path, huge.tobuf(tarfile.GNU_FORMAT) + END)
    with pytest.raises(BadInput, match="no member for them"):
        index(tmp_path, pax({"path": "x"}) + END)


def test_sparse_maps_in_further_blocks_are_passed_over(tmp_path: Path) -> None:
    block = bytearray(member("a", tarfile.GNUTYPE_SPARSE, data=b"12"))
    block[482] = 1
    head, data = rechecked(bytes(block[:512])), bytes(block[512:])
    more = bytes(504) + b"\1" + bytes(7)
    got = index(tmp_path, head + more + bytes(512) + data + member("b") + END)
    assert [m.name for m in got.members] == ["b"]


def test_what_is_no_tar_does_not_look_like_one(tmp_path: Path) -> None:
    for data, looks in ((tar([("a", b"x")]), True), (END, True), (b"", False), (b"\xff\xd8" * 600, False)):
        path = tmp_path / "x"
        path.write_bytes(data)
        assert looks_like_tar(path) is looks


def test_an_archive_without_members_is_an_empty_index(tmp_path: Path) -> None:
    got = index(tmp_path, END)
    assert (list(got.members), got.folders, got.refusals) == ([], (), ())
