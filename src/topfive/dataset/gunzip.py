"""A gzip file read forward, as what is in it: damage, a cut and a bomb are refused by name."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from types import TracebackType

from topfive.dataset.tar_header import FIX
from topfive.records import BadInput

_STEP = 1 << 20


class Gunzipped:
    """The unpacked bytes of a gzip file, as `tar.Bytes`; each read begins where the last one ended or later."""

    start = 0
    total: int | None = None

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._raw = path.open("rb")
        self._stream = gzip.GzipFile(fileobj=self._raw)
        self._at = 0

    def __enter__(self) -> Gunzipped:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.close()

    @property
    def packed_bytes(self) -> int:
        """Bytes of the gzip file that are read."""
        return self._raw.tell()

    def read(self, size: int, at: int) -> bytes:
        """As `tar.Bytes.read`; raises BadInput where the file is damaged, cut, or unpacks to more than allowed."""
        if at < self._at:
            raise ValueError(f"byte {at} is passed: {self._at} is next")
        while self._at < at and self._take(min(_STEP, at - self._at)):
            pass
        parts = []
        while size and self._at >= at and (part := self._take(min(_STEP, size))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _take(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except EOFError as error:
            raise BadInput("is cut short: it ends before its data do", where=self._path, fix=FIX) from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise BadInput(f"is damaged ({error})", where=self._path, fix=FIX) from error
        self._at += len(data)
        if self._at > self._limit:
            raise BadInput(f"unpacks to more than the {self._limit} bytes allowed", where=self._path, fix=FIX)
        return data
