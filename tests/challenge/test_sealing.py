from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from topfive.challenge import Entry, Vault, board, commitment, seal, submit
from topfive.records import COLUMNS, UNKNOWN, BadInput, Dataset, Manifest, Truth

N_TEST = 48
"""Six classes with eight images each: see `conftest.py`, whose `Stage` the fixture `stage` gives."""


def picture(dataset: Dataset, row: int, manifest: Manifest) -> bytes:
    container, offset, size = (manifest.column(name)[row] for name in ("container", "offset", "size"))
    return dataset.container_path(container).read_bytes()[offset : offset + size]


def test_the_public_rows_keep_the_pictures_and_nothing_else(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    rows = public.manifest.rows("test")
    assert len(rows) == N_TEST
    assert (rows.class_index == UNKNOWN).all()
    assert [hashlib.sha256(picture(public, row, rows)).hexdigest() for row in range(N_TEST)] == rows.column(
        "sha256"
    ).tolist()
    assert set(rows.column("sha256")) == set(leaky.manifest.rows("test").column("sha256"))
    assert list(rows.ids) == sorted(rows.ids) == rows.column("group").tolist()
    assert set(rows.column("source")) == {""}
    for name in set(rows.table.column_names) - set(COLUMNS):
        assert rows.table[name].null_count == N_TEST
    public.manifest.check()


def test_the_vault_keeps_everything(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    vault = Vault(tmp_path / "vault")
    truth, before = vault.truth("test"), leaky.manifest.rows("test")
    label = dict(zip(before.ids, before.class_index.tolist(), strict=True))
    digest = dict(zip(before.ids, before.column("sha256"), strict=True))
    original = vault.original_ids("test")
    rows = public.manifest.rows("test")
    assert truth.ids == rows.ids
    assert [label[original[i]] for i in truth.ids] == truth.labels.tolist()
    assert [digest[original[i]] for i in rows.ids] == rows.column("sha256").tolist()
    assert vault.originals("test").column("country").tolist().count("Peru") == N_TEST // 2
    assert sorted(original.values()) == sorted(before.ids)


def test_only_the_owner_can_read_the_vault(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    before = os.umask(0)
    try:
        seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    finally:
        os.umask(before)
    for path in [tmp_path / "vault", *(tmp_path / "vault").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    (tmp_path / "vault").chmod(0o750)
    with pytest.raises(BadInput, match=r"open to other accounts \(mode 750\).*chmod 700"):
        Vault(tmp_path / "vault").truth("test")


def test_order_says_nothing(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    """Before, neighbours share their class; after, they do as often as in any shuffled list."""
    seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    before, after = leaky.manifest.rows("test").class_index, Vault(tmp_path / "vault").truth("test").labels
    assert (before[1:] == before[:-1]).mean() > 0.8
    assert (after[1:] == after[:-1]).mean() < 0.4


def test_ids_are_keyed_by_the_salt(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    """Whoever knows the old names must not be able to compute the new ones."""
    one, two = (
        seal(leaky, "test", vault=tmp_path / f"v{n}", public=tmp_path / f"p{n}", salt=salt)
        for n, salt in enumerate((stage.SALT, bytes(32)))
    )
    assert not set(one.manifest.rows("test").ids) & set(two.manifest.rows("test").ids)


def test_other_splits_stay_and_resolve(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    before, after = leaky.manifest.rows("train"), public.manifest.rows("train")
    for name in before.table.column_names:
        if name != "container":
            assert before.column(name).tolist() == after.column(name).tolist()
    assert [picture(public, row, after) for row in range(len(after))] == [
        picture(leaky, row, before) for row in range(len(before))
    ]
    files = public.about["distribution"]
    assert {f["contentUrl"] for f in files if "contentUrl" in f} == {*after.column("container"), "sealed/test.tar"}
    assert [f["@id"] for f in files if f["@type"] == "cr:FileSet"] == [
        "all",
        "manifest.parquet",
        "sealed/test.tar:pictures",
    ]
    names = {f["@id"] for f in files}
    assert {ref["@id"] for f in files if isinstance(f.get("containedIn"), list) for ref in f["containedIn"]} <= names
    assert public.about["sealed"]["test"] == {
        "n": N_TEST,
        "commitment": commitment(Vault(tmp_path / "vault").truth("test"), stage.SALT),
    }
    assert not (tmp_path / "public" / "planted.parquet").exists()


def test_named_columns_are_kept_unless_they_name_a_class(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    def sealed(keep: str) -> Dataset:
        return seal(leaky, "test", vault=tmp_path / "v", public=tmp_path / "public", salt=stage.SALT, keep=[keep])

    with pytest.raises(BadInput, match="column 'true_class' names a class"):
        sealed("true_class")
    with pytest.raises(BadInput, match="'class_index' is no user column"):
        sealed("class_index")
    with pytest.raises(BadInput, match="has no column 'nowhere'"):
        sealed("nowhere")
    assert not (tmp_path / "v").exists()
    rows = sealed("country").manifest.rows("test")
    assert rows.column("country").tolist().count("Peru") == N_TEST // 2
    assert rows.table["label_index"].null_count == N_TEST


def test_the_archive_has_no_times_owners_or_old_names(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    rows = public.manifest.rows("test")
    with tarfile.open(tmp_path / "public" / "sealed" / "test.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [f"{i}.jpg" for i in rows.ids]
    assert {(m.mtime, m.uid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert [m.offset_data for m in members] == rows.column("offset").tolist()


def test_sealing_in_place_takes_what_was_planted(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    planted = pq.read_table(leaky.root / "planted.parquet")
    public = seal(leaky, "test", vault=tmp_path / "vault", public=leaky.root, salt=stage.SALT)
    assert public.root == leaky.root
    assert (public.manifest.rows("test").class_index == UNKNOWN).all()
    assert (public.manifest.rows("train").class_index >= 0).all()
    left = pq.read_table(leaky.root / "planted.parquet")
    kept = Vault(tmp_path / "vault").planted("test")
    assert kept is not None
    moved = pq.read_table(kept)
    # Rows of the other split that name a sealed image as their partner go too.
    assert (left.num_rows, moved.num_rows) == (18 - 6, N_TEST + 6)
    assert left.num_rows + moved.num_rows == planted.num_rows
    assert moved.schema.metadata == left.schema.metadata == planted.schema.metadata
    assert not [cell for row in left.to_pylist() for cell in row.values() if "test_" in cell]
    files = public.about["distribution"]
    assert {f["contentUrl"] for f in files if "contentUrl" in f} == set(public.manifest.column("container").tolist())


@pytest.mark.parametrize("in_place", [True, False])
def test_an_interrupted_sealing_is_finished_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool, stage: Any
) -> None:
    """Stop before the n-th rename, for n = 1, 2, ... until none is left, and call again, with another salt."""
    renames = {name: getattr(Path, name) for name in ("replace", "rename")}
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # what is tested is the order, not the disk
    digests, stop, stopped = set(), 0, True
    while stopped:
        stop += 1
        leaky = stage.dataset(tmp_path / f"set {stop}")
        public = leaky.root if in_place else tmp_path / f"public {stop}"
        left = stop

        def stopping(self: Path, target: Path, name: str) -> Path:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return renames[name](self, target)

        vault = Vault(tmp_path / f"vault {stop}")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", lambda self, target: stopping(self, target, "replace"))
            patch.setattr(Path, "rename", lambda self, target: stopping(self, target, "rename"))
            try:
                sealed = seal(leaky, "test", vault=vault.folder, public=public, salt=stage.SALT)
                stopped = False
            except KeyboardInterrupt:
                assert not [p for p in tmp_path.rglob("*") if p.suffix == ".part"]
                assert in_place or not public.exists()
        if stopped:
            sealed = seal(Dataset.read(leaky.root), "test", vault=vault.folder, public=public, salt=bytes(32))
        if vault.salt("test") == stage.SALT:  # all but the first, which stopped before the salt was there
            digests.add(sealed.manifest.rows("test").digest)
        kept = vault.planted("test")
        assert kept is not None and pq.read_table(kept).num_rows == N_TEST + 6
        assert (Dataset.read(public).manifest.rows("test").class_index == UNKNOWN).all()
    assert stop >= 8
    assert len(digests) == 1


def test_refusals_leave_nothing_behind(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = tmp_path / "public"
    with pytest.raises(BadInput, match="8 bytes are no secret"):
        seal(leaky, "test", vault=tmp_path / "v1", public=public, salt=bytes(8))
    with pytest.raises(BadInput, match="has no images in split 'val'"):
        seal(leaky, "val", vault=tmp_path / "v2", public=public, salt=stage.SALT)
    with pytest.raises(BadInput, match="within or around the public folder"):
        seal(leaky, "test", vault=public / "vault", public=public, salt=stage.SALT)
    with pytest.raises(BadInput, match="within or around the public folder"):
        seal(leaky, "test", vault=leaky.root / "vault", public=leaky.root, salt=stage.SALT)
    assert not public.exists()

    target = next((leaky.root / "pictures" / "test").rglob("*.jpg"))
    data = target.read_bytes()
    for damaged, message in [(data[:-1], "bytes of this image's"), (data[:-1] + b"x", "has other bytes than")]:
        target.write_bytes(damaged)
        with pytest.raises(BadInput, match=message):
            seal(leaky, "test", vault=tmp_path / "v3", public=public, salt=stage.SALT)
    target.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        seal(leaky, "test", vault=tmp_path / "v3", public=public, salt=stage.SALT)
    assert not public.exists()
    assert Dataset.read(leaky.root).manifest.digest == leaky.manifest.digest


def test_sealing_twice_and_foreign_vaults(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    public = seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    with pytest.raises(BadInput, match=r"split 'test' has no labels.*sealed already"):
        seal(public, "test", vault=tmp_path / "v2", public=tmp_path / "p2", salt=stage.SALT)
    with pytest.raises(BadInput, match="is there already"):
        seal(leaky, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    changed = stage.dataset(tmp_path / "changed", labels={"test": [0] * N_TEST})
    with pytest.raises(BadInput, match="holds other labels of split 'test'"):
        seal(changed, "test", vault=tmp_path / "vault", public=tmp_path / "p3", salt=stage.SALT)
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open" / "file").touch()
    with pytest.raises(BadInput, match="open to other accounts"):
        seal(leaky, "test", vault=tmp_path / "open", public=tmp_path / "p4", salt=stage.SALT)
    with pytest.raises(BadInput, match="is no vault"):
        Vault(tmp_path / "nowhere").truth("test")
    with pytest.raises(BadInput, match="is no name of a split"):
        Vault(tmp_path / "vault").truth("../test")
    with pytest.raises(BadInput, match=r"has no truth\.parquet of split 'val'"):
        Vault(tmp_path / "vault").truth("val")


def test_images_without_a_label_stay_without(leaky: Dataset, tmp_path: Path, stage: Any) -> None:
    index = leaky.manifest.class_index.copy()
    index[-1] = UNKNOWN
    some = Dataset(leaky.root, leaky.manifest.with_column("class_index", index), leaky.about)
    seal(some, "test", vault=tmp_path / "vault", public=tmp_path / "public", salt=stage.SALT)
    assert sorted(Vault(tmp_path / "vault").truth("test").n_labels)[:2] == [0, 1]


def test_the_commitment_fixes_the_labels(stage: Any) -> None:
    truth = Truth.single(["a", "b"], np.array([0, 1], dtype=np.int32), stage.CLASSES)
    other = Truth.single(["a", "b"], np.array([1, 0], dtype=np.int32), stage.CLASSES)
    assert commitment(truth, stage.SALT) == commitment(truth, stage.SALT)
    assert len({commitment(truth, stage.SALT), commitment(other, stage.SALT), commitment(truth, bytes(32))}) == 3


def forms(word: str) -> list[bytes]:
    """A word as it may hide in a file: plain, hex, base64 at each of its three offsets."""
    raw = word.encode()
    inner = [base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, raw.hex().encode(), *inner]


def test_no_public_artefact_holds_a_hidden_label(stage: Any, tmp_path: Path) -> None:
    """Everything a participant can get, searched for 128-bit canaries and for class names beside sealed rows."""
    held = stage.hold()
    receipts = [
        submit(
            held.edition,
            held.guess(10 * step),
            Entry("alexnet:tiny", year=2012),
            team="t",
            vault=held.vault,
            database=held.database,
            now=stage.NOON,
        )
        for step in range(3)
    ]
    made = board(held.edition, vault=held.vault, database=held.database)
    made.write(held.public.root / "board.json")
    (held.public.root / "receipts.json").write_text(json.dumps([r.to_json() for r in receipts] + [repr(receipts)]))
    (held.public.root / "edition.json").write_text(json.dumps(held.edition.to_json()))
    (held.public.root / "challenge.sqlite").write_bytes((held.vault.folder.parent / "challenge.sqlite").read_bytes())

    told: dict[str, bytes] = {}
    for path in held.public.root.rglob("*"):
        if path.is_file():
            told[path.name] = path.read_bytes()
            if path.suffix == ".parquet":  # compressed: look at the cells, and at the metadata
                table = pq.read_table(path)
                told[path.name] += json.dumps(table.to_pylist()).encode() + str(pq.read_metadata(path)).encode()
    assert set(told) >= {"manifest.parquet", "dataset.json", "classes.tsv", "test.tar", "board.json", "receipts.json"}
    canaries = [stage.canary(label) for label in range(len(stage.CLASSES))]
    originals = [f"test_{wnid}" for wnid in stage.CLASSES.wnids]
    hidden = [held.vault.salt("test").hex(), str(held.vault.folder)]
    for name, data in told.items():
        for word in (*canaries, *originals, *hidden):
            for form in forms(word):
                assert form not in data, f"{name} holds {word}"
    sealed = json.dumps(held.public.manifest.rows("test").table.to_pylist())
    answers = "".join(told[name].decode() for name in ("board.json", "receipts.json", "edition.json"))
    for word in (*stage.CLASSES.wnids, *stage.CLASSES.names):
        assert word not in sealed and word not in answers
    # The same search finds what is planted, so that its silence means something.
    assert any(
        form in gzip.decompress(gzip.compress(canaries[0].encode().hex().encode())) for form in forms(canaries[0])
    )
    assert all(
        any(f in base64.b64encode(b"?" * s + canaries[0].encode() + b"?") for f in forms(canaries[0])) for s in range(3)
    )


def test_two_worlds_that_differ_in_labels_look_the_same(tmp_path: Path, stage: Any) -> None:
    """Change the hidden labels and nothing else: the public folders differ in the commitment alone."""
    rng = np.random.default_rng(0)
    worlds = []
    for name in ("one", "two"):
        labels = rng.integers(0, len(stage.CLASSES), N_TEST).tolist()
        leaky = stage.dataset(tmp_path / name / "set", labels={"test": labels})
        public = seal(
            leaky, "test", vault=tmp_path / name / "vault", public=tmp_path / name / "public", salt=stage.SALT
        )
        (tmp_path / name / "public" / "manifest.parquet").unlink()
        files = {p.name: p.read_bytes() for p in sorted(public.root.rglob("*")) if p.is_file()}
        rows = public.manifest.rows("test").table
        told = public.about["sealed"]["test"]["commitment"].encode()
        files = {n: data.replace(told, b"C").replace(f"/{name}/".encode(), b"/W/") for n, data in files.items()}
        worlds.append((files, rows, told))
    assert worlds[0][0] == worlds[1][0]
    assert worlds[0][1].equals(worlds[1][1])
    assert worlds[0][2] != worlds[1][2]
