"""The vault: a folder that only the edition's owner can open, with the hidden labels and what goes with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.records import BadInput, Manifest, Predictions, Truth, WorkFailed, digest_parts, replacing, write_text

MIN_SALT_BYTES = 16
_SPLIT = re.compile(r"[A-Za-z0-9_-]{1,40}")


def commitment(truth: Truth, salt: bytes) -> str:
    """A digest that fixes the labels without showing them; whoever later sees truth and salt can check it.

    The salt keeps anyone from trying out label lists: with few images they are few enough to try.
    """
    return digest_parts("topfive commitment 1", salt.hex(), truth.digest)


@dataclass(frozen=True)
class Vault:
    """A folder of mode 0700 with files of mode 0600. For each sealed split it has a folder with `truth.parquet`,
    `originals.parquet`, `salt` and, of a twin, `planted.parquet`; beside them `submissions/`, by digest.

    Reading raises BadInput where something is missing, and where the folder is open to other accounts.
    """

    folder: Path

    def truth(self, split: str) -> Truth:
        """The hidden labels, by the ids of the public dataset."""
        return Truth.read(self._existing(split, "truth.parquet"))

    def originals(self, split: str) -> Manifest:
        """The split's manifest rows as they were, in the public order, with the public ids in column `public_id`."""
        return Manifest.read(self._existing(split, "originals.parquet"), self.truth(split).classes)

    def original_ids(self, split: str) -> dict[str, str]:
        """Public image_id to the one before sealing."""
        rows = self.originals(split)
        return dict(zip(rows.column("public_id").tolist(), rows.ids, strict=True))

    def planted(self, split: str) -> Path | None:
        """The split's part of a twin's `planted.parquet` (by the ids before sealing), or None."""
        path = self._split(split) / "planted.parquet"
        self._check()
        return path if path.is_file() else None

    def salt(self, split: str) -> bytes:
        """The secret behind opaque ids and commitment."""
        path = self._existing(split, "salt")
        try:
            return bytes.fromhex(path.read_text(encoding="ascii").strip())
        except ValueError as error:
            raise BadInput("is no salt in hex", where=path) from error

    def commitment(self, split: str) -> str:
        """The split's public commitment."""
        return commitment(self.truth(split), self.salt(split))

    def frozen_truth(self, split: str, committed: str) -> Truth:
        """The hidden labels, where they are still those of a commitment; raises WorkFailed where they are not."""
        truth = self.truth(split)
        if commitment(truth, self.salt(split)) != committed:
            raise WorkFailed(f"{self.folder}: the labels of split {split!r} are not those that were committed to")
        return truth

    def keep_submission(self, predictions: Predictions) -> None:
        """Store predictions without logits, so that every score can be computed again."""
        path = self.folder / "submissions" / f"{predictions.digest}.parquet"
        if not path.is_file():
            self._write(path, lambda part: replace(predictions, logits=None).write(part))

    def submission(self, digest: str) -> Predictions:
        """Stored predictions by their digest; raises WorkFailed where the file no longer matches it."""
        self._check()
        path = self.folder / "submissions" / f"{digest}.parquet"
        predictions = Predictions.read(path)
        if predictions.digest != digest:
            raise WorkFailed(f"{path}: its content no longer has the digest in its name")
        return predictions

    def make(self) -> None:
        """Make the folder, or take an empty one; raises BadInput where it is open to others and holds something."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.chmod(0o700)
        except OSError as error:
            raise BadInput(f"cannot be made ({error.strerror})", where=self.folder) from error
        self._check()

    def keep_split(self, split: str, truth: Truth, originals: Manifest) -> None:
        """Store a split's labels and rows; raises BadInput where other labels lie there already."""
        path = self._split(split) / "truth.parquet"
        if path.is_file() and self.truth(split).digest != truth.digest:
            raise BadInput(
                f"holds other labels of split {split!r}", where=self.folder, fix="Name a vault folder of its own"
            )
        self._write(self._split(split) / "originals.parquet", originals.write)
        self._write(path, truth.write)

    def keep_salt(self, split: str, salt: bytes) -> bytes:
        """Store the salt and return it, or return the one that an interrupted sealing left, which then counts."""
        if len(salt) < MIN_SALT_BYTES:
            raise BadInput(f"{len(salt)} bytes are no secret", where="salt", fix=f"Use {MIN_SALT_BYTES} random bytes")
        path = self._split(split) / "salt"
        if not path.is_file():
            self._write(path, lambda part: write_text(part, salt.hex() + "\n"))
        return self.salt(split)

    def keep_planted(self, split: str, planted: pa.Table) -> None:
        """Store what was planted in the split; nothing more to store leaves what an earlier call stored."""
        if planted.num_rows or self.planted(split) is None:
            self._write(self._split(split) / "planted.parquet", lambda path: _write_table(path, planted))

    def _write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Have `write` fill a file of the vault; its folder is private before the first byte is."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write(path)
        path.chmod(0o600)

    def _split(self, split: str) -> Path:
        if not _SPLIT.fullmatch(split):
            raise BadInput(f"is no name of a split: {split!r}", where="vault", fix="Use letters, digits, - and _")
        return self.folder / split

    def _existing(self, split: str, name: str) -> Path:
        self._check()
        path = self._split(split) / name
        if not path.is_file():
            raise BadInput(f"has no {name} of split {split!r}", where=self.folder, fix="Seal the split first")
        return path

    def _check(self) -> None:
        if not self.folder.is_dir():
            raise BadInput("is no vault", where=self.folder, fix="Seal a split into it first")
        mode = self.folder.stat().st_mode & 0o777
        if mode & 0o077:
            raise BadInput(
                f"is open to other accounts (mode {mode:03o})", where=self.folder, fix=f"chmod 700 {self.folder}"
            )


def _write_table(path: Path, table: pa.Table) -> None:
    with replacing(path) as part:
        pq.write_table(table, part, compression="zstd")
