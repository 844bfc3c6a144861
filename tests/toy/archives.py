"""Tar archives written byte by byte, and the official archives in small: real names, real layout, drawn pictures."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from topfive.taxonomy import class_tree, ilsvrc_classes, wordnet

END = bytes(1024)
Entries = Iterable[tuple[str, bytes]]


def head(name: bytes, size: bytes, kind: bytes = b"0", link: bytes = b"", magic: bytes = b"ustar\00000") -> bytes:
    """One header of 512 bytes with the right checksum; `size` is its 12 bytes as they are, or digits to be padded."""
    size = size if len(size) == 12 else size.rjust(11, b"0") + b"\0"
    block = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0" + b" " * 8
    block = (block + kind + link.ljust(100, b"\0") + magic).ljust(512, b"\0")
    return with_checksum(block)


def with_checksum(block: bytes) -> bytes:
    """A header (and what follows it) with its checksum put right."""
    bare = block[:148] + b" " * 8 + block[156:512]
    return block[:148] + b"%06o\0 " % sum(bare) + block[156:]


def member(name: str | bytes, data: bytes = b"", kind: bytes = b"0", link: bytes = b"") -> bytes:
    """A header, its data and the padding; names over 100 bytes get GNU's long name before them."""
    raw = name.encode() if isinstance(name, str) else name
    long = b""
    if len(raw) > 100:
        long = head(b"././@LongLink", b"%o" % (len(raw) + 1), b"L") + padded(raw + b"\0")
    return long + head(raw[:100], b"%o" % len(data), kind, link) + padded(data)


def padded(data: bytes) -> bytes:
    """Data up to a whole number of blocks."""
    return data + bytes(-len(data) % 512)


def pax(records: Mapping[str, str], kind: bytes = b"x") -> bytes:
    """An extended header of the next member (x) or of all (g)."""
    body = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + len(str(len(rest)))))
        body += str(length).encode() + rest
    return head(b"pax", b"%o" % len(body), kind) + padded(body)


def tar_bytes(entries: Entries, kind: str = "own") -> bytes:
    """A whole archive: by the writer above, or by Python's in its format `ustar`, `gnu` or `pax`."""
    if kind == "own":
        return b"".join(member(name, data) for name, data in entries) + END
    formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=formats[kind]) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            # A time with a fraction makes the pax writer put an extended header before each member.
            info.size, info.mtime = len(data), 1.5 if kind == "pax" else 1
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def picture(seed: int, side: int = 16) -> bytes:
    """A JPEG of noise: its bytes are its seed's alone."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def voc(image: str, boxes: Sequence[tuple[str, int, int, int, int]], size: tuple[int, int] = (500, 375)) -> bytes:
    """An annotation as the official archives have them."""
    objects = "".join(
        f"<object><name>{wnid}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for wnid, a, b, c, d in boxes
    )
    return (
        f"<annotation>\n\t<folder>val</folder>\n\t<filename>{image}</filename>\n\t<source><database>ILSVRC_2012"
        f"</database></source>\n\t<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        f"<segmented>0</segmented>{objects}</annotation>\n"
    ).encode()


@cache
def kit_ids() -> tuple[str, ...]:
    """The 1,000 wnids in an order of our own: `ILSVRC2012_ID` i is entry i - 1, and none stands at its place."""
    wnids = ilsvrc_classes().wnids
    return (*wnids[7:], *wnids[:7])


def kit(n_train: Mapping[str, int], labels: Sequence[str]) -> bytes:
    """A development kit: so many training pictures of each class, and the wnids of the first validation pictures."""
    from scipy.io import savemat

    tree = class_tree(ilsvrc_classes())
    leaves = [tree.index[wnid] for wnid in kit_ids()]
    root = tree.index["n00001740"]
    order = [*leaves, root, *(node for node in range(len(tree.wnids)) if node != root and node not in set(leaves))]
    number = {node: place + 1 for place, node in enumerate(order)}
    children: dict[int, list[int]] = {node: [] for node in order}
    for node in order:
        for parent in tree.parents_of(node).tolist():
            children[parent].append(number[node])
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
    rows = np.zeros(len(order), dtype=[(field, object) for field in (*fields, "num_train_images")])
    for place, node in enumerate(order):
        wnid, below = tree.wnids[node], np.array(children[node])
        height = int(tree.full_heights[node])
        count = n_train.get(wnid, 0)
        rows[place] = (place + 1, wnid, wordnet().words(wnid), "a gloss", len(below), below, height, count)
    meta = io.BytesIO()
    savemat(meta, {"synsets": rows})
    ids = {wnid: place + 1 for place, wnid in enumerate(kit_ids())}
    truth = [*(ids[wnid] for wnid in labels), *([1] * (50_000 - len(labels)))]
    top = "ILSVRC2012_devkit_t12"
    files = {
        f"{top}/data/meta.mat": meta.getvalue(),
        f"{top}/data/ILSVRC2012_validation_ground_truth.txt": "".join(f"{one}\n" for one in truth).encode(),
    }
    return gzip.compress(tar_bytes(files.items()), 1, mtime=0)


def train_tar(classes: Mapping[str, Sequence[bytes]], kind: str = "own") -> bytes:
    """A tar of one tar a class, whose pictures are numbered with gaps and not in order, as the official ones are."""
    inner = []
    for wnid, pictures in classes.items():
        names = [(f"{wnid}_{7 * len(pictures) - 3 * place}.JPEG", data) for place, data in enumerate(pictures)]
        inner.append((f"{wnid}.tar", tar_bytes(names, kind)))
    return tar_bytes(inner, kind)


def numbered(split: str, pictures: Sequence[bytes], folder: str = "") -> list[tuple[str, bytes]]:
    """Pictures with the official names of val or test."""
    return [(f"{folder}ILSVRC2012_{split}_{place:08d}.JPEG", data) for place, data in enumerate(pictures, start=1)]


def write_official(
    root: Path,
    train: Mapping[str, Sequence[bytes]],
    val: Sequence[tuple[str, bytes]],
    test: Sequence[bytes],
    kind: str = "own",
) -> Path:
    """The four archives with their real names in a folder; `val` is the wnid and bytes of each picture."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "ILSVRC2012_img_train.tar").write_bytes(train_tar(train, kind))
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar_bytes(numbered("val", [data for _, data in val]), kind))
    (root / "ILSVRC2012_img_test_v10102019.tar").write_bytes(tar_bytes(numbered("test", test, "test/"), kind))
    counts = {wnid: len(pictures) for wnid, pictures in train.items()}
    (root / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(kit(counts, [wnid for wnid, _ in val]))
    return root
