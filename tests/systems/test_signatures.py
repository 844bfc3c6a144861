"""Signature files: what is written is read in any order, as values and as codes, and memory stays within its bound."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from topfive.records import BadInput, Dataset, View
from topfive.systems.features import signatures
from topfive.systems.features.linear_svm import Sgd, fit_one_vs_rest
from topfive.systems.features.product_quantiser import fit_quantiser
from topfive.systems.features.signatures import Signatures, compress, row_blocks, scratch_folder, write_signatures
from toy.drawn import drawn_set, pictures


class Corner:
    """A toy encoder: the sums of a picture's first 16 rows, by column and colour."""

    view = View(56, 56)
    length = 168

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(picture[:16].sum(axis=0).reshape(-1) / 1000.0, dtype=np.float32)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=20, tune=2, val=2)


def expected(drawn: Dataset) -> NDArray[np.float32]:
    return np.stack([Corner()(image) for image in pictures(drawn, "train").arrays(Corner.view)])


def test_vectors_are_read_in_any_order(drawn: Dataset, tmp_path: Path) -> None:
    vectors = expected(drawn)
    written = write_signatures(tmp_path / "a.npy", Corner(), pictures(drawn, "train"), memory_mb=1)
    assert written.shape == vectors.shape
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(120), 2))
    np.testing.assert_array_equal(written[rows], vectors[rows])
    np.testing.assert_array_equal(written[5:9], vectors[5:9])
    np.testing.assert_array_equal(np.concatenate(list(written.columns(8)), axis=1), vectors)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), vectors)
    assert written.megabytes == pytest.approx(120 * 168 * 4 / 2**20)
    assert written[np.arange(0)].shape == (0, 168)


def test_codes_are_decoded_on_reading(drawn: Dataset, tmp_path: Path) -> None:
    vectors = expected(drawn)
    quantiser = fit_quantiser([vectors], seed=0, n_centroids=16)
    plain = write_signatures(tmp_path / "a.npy", Corner(), pictures(drawn, "train"))
    for name in ("direct", "compressed"):
        path = tmp_path / f"{name}.npy"
        if name == "direct":
            coded = write_signatures(path, Corner(), pictures(drawn, "train"), quantiser=quantiser)
        else:
            coded = compress(path, plain, quantiser)
        assert np.load(path).dtype == np.uint8
        assert coded.megabytes * 32 == pytest.approx(plain.megabytes)
        assert coded.shape == plain.shape
        np.testing.assert_array_equal(coded[np.array([7, 3])], quantiser.decode(quantiser.encode(vectors[[7, 3]])))


def test_small_bounds_change_nothing(drawn: Dataset, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(700, 1200)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    found = Signatures(tmp_path / "a.npy", memory_mb=1)
    rows = np.random.default_rng(1).permutation(700)
    np.testing.assert_array_equal(found[rows], array[rows])
    np.testing.assert_array_equal(np.concatenate(list(found.columns(8)), axis=1), array)
    blocks = row_blocks(700, 12_000)
    assert np.concatenate([np.arange(700)[block] for block in blocks]).tolist() == list(range(700))
    assert len(blocks) > 3


def test_machines_learnt_from_a_file_are_those_learnt_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    array = (rng.normal(size=(3, 24))[labels] + rng.normal(size=(200, 24))).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    (inside,) = fit_one_vs_rest(array, labels, 3, (1e-3,), seed=0)
    (outside,) = fit_one_vs_rest(Signatures(tmp_path / "a.npy"), labels, 3, (1e-3,), seed=0)
    np.testing.assert_array_equal(outside.weights, inside.weights)
    np.testing.assert_array_equal(inside.over(Signatures(tmp_path / "a.npy")), inside(array))
    quantiser = fit_quantiser([array], seed=0, n_centroids=16)
    np.save(tmp_path / "codes.npy", quantiser.encode(array))
    coded = Signatures(tmp_path / "codes.npy", quantiser)
    (from_codes,) = fit_one_vs_rest(coded, labels, 3, (1e-3,), seed=0, sgd=Sgd(10))
    (decoded,) = fit_one_vs_rest(quantiser.decode(quantiser.encode(array)), labels, 3, (1e-3,), seed=0, sgd=Sgd(10))
    np.testing.assert_array_equal(from_codes.weights, decoded.weights)


def test_a_full_disk_is_named_before_anything_is_encoded(
    drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(signatures.shutil, "disk_usage", lambda path: usage(10, 0, 1000))
    with pytest.raises(BadInput, match="has room for 0 MB, but the signatures need"):
        write_signatures(tmp_path / "a.npy", Corner(), pictures(drawn, "train"))
    assert not list(tmp_path.iterdir())


def test_scratch_is_removed_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        (folder / "a").write_bytes(b"1")
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())
    with scratch_folder(tmp_path / "missing") as folder:
        assert folder.is_dir()


MEASURED = """
import re, sys
from pathlib import Path
import numpy as np
from topfive.records import View
from topfive.systems.features.linear_svm import Sgd, fit_one_vs_rest
from topfive.systems.features.product_quantiser import ProductQuantiser
from topfive.systems.features.signatures import compress, write_signatures

class Batch(list):
    images = property(lambda self: [np.full((2, 2, 3), i % 256, np.uint8) for i in self])

class Many:
    workers = 2
    def __len__(self): return 4000
    def batches(self, view, batch_size):
        for i in range(0, 4000, batch_size): yield Batch(range(i, min(i + batch_size, 4000)))

class Noise:
    view, length = View(2, 2), 16384
    def __call__(self, picture):
        return np.random.default_rng(int(picture[0, 0, 0])).standard_normal(16384, dtype=np.float32)

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024

folder, memory_mb = Path(sys.argv[1]), int(sys.argv[2])
def fit(rows, n):
    return fit_one_vs_rest(rows, np.arange(n) % 3, 3, (1e-3,), seed=0, sgd=Sgd(2, 16))
quantiser = ProductQuantiser(np.random.default_rng(0).normal(size=(2048, 16, 8)).astype(np.float32))
quantiser.decode(quantiser.encode(np.zeros((1, 16384), np.float32)))
fit(np.zeros((64, 8), np.float32), 64)  # Imports and compilation belong to the base.
base = peak()
file = write_signatures(folder / "a.npy", Noise(), Many(), memory_mb=memory_mb)
written = peak() - base
fit(file, 4000)
fitted = peak() - base
codes = compress(folder / "codes.npy", file, quantiser)
fit(codes, 4000)
print(file.megabytes, written, fitted, peak() - base)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
def test_a_file_eight_times_the_bound_is_written_and_fitted_within_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), "32"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    size, *peaks = (float(number) for number in re.findall(r"[\d.]+", done.stdout))
    assert size == pytest.approx(250.0)
    # The bound, and what is no file: three times the weights, 0.6 MB, a batch, a block of 8 MB with its codes.
    assert max(peaks) < 32 + 24, peaks
