"""Pictures: manifest order, short last batch, any number of threads, flat memory, and refusals that name the image."""

from __future__ import annotations

import gc
import io
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topfive.loading import BadImage, Pictures, RandomCrop, apply_view, order
from topfive.records import UNKNOWN, BadInput, ClassList, Dataset, Manifest, View

VIEW = View(12, 10, "bilinear")


def picture(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((14, 16, 3), i, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def packed(folder: Path, files: list[bytes], about: dict[str, object] | None = None) -> Dataset:
    """A dataset whose images lie one after another in one file."""
    (folder / "shards").mkdir()
    (folder / "shards" / "a.tar").write_bytes(b"head" + b"".join(files))
    sizes = [len(data) for data in files]
    columns = {
        "image_id": [f"image_{i}" for i in range(len(files))],
        "container": ["shards/a.tar"] * len(files),
        "offset": (4 + np.concatenate([[0], np.cumsum(sizes)])[:-1]).astype(np.int64),
        "size": sizes,
        "class_index": [i % 3 for i in range(len(files))],
        "split": ["train"] * len(files),
    }
    classes = ClassList(("a", "b", "c"), ("a", "b", "c"))
    return Dataset(folder, Manifest.from_columns(columns, classes), about or {})


def loose(folder: Path, files: list[bytes]) -> Dataset:
    """A dataset whose images are files of their own."""
    for i, data in enumerate(files):
        (folder / f"{i}.png").write_bytes(data)
    columns = {
        "image_id": [f"image_{i}" for i in range(len(files))],
        "container": [f"{i}.png" for i in range(len(files))],
        "size": [len(data) for data in files],
        "split": ["val"] * len(files),
    }
    return Dataset(folder, Manifest.from_columns(columns, ClassList(("a",), ("a",))))


def n_open(folder: Path) -> int:
    """Number of files under a folder that this process has open."""
    return sum(str(entry.resolve()).startswith(str(folder)) for entry in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_every_image_once_in_order_with_a_short_last_batch(tmp_path: Path, workers: int, batch_size: int) -> None:
    dataset = packed(tmp_path, [picture(i) for i in range(100)])
    pictures = Pictures(dataset, dataset.manifest, workers=workers)
    said: list[float] = []
    batches = list(pictures.batches(VIEW, batch_size, lambda what, done, total, unit="": said.append(done)))
    sizes = [len(batch) for batch in batches]
    assert sum(sizes) == len(pictures) == 100
    assert set(sizes[:-1]) <= {batch_size}
    for batch in batches:
        batch.check()
    assert sum((batch.ids for batch in batches), ()) == pictures.ids
    assert [int(image[0, 0, 0]) for batch in batches for image in batch.images] == list(range(100))
    assert [int(i) for batch in batches for i in batch.class_index] == [i % 3 for i in range(100)]  # type: ignore[union-attr]
    assert said == [0, *np.cumsum(sizes)]


def test_arrays_take_and_read_agree(tmp_path: Path) -> None:
    dataset = packed(tmp_path, [picture(i) for i in range(30)])
    pictures = Pictures(dataset, dataset.manifest)
    everything = pictures.arrays(VIEW)
    assert everything.shape == (30, 10, 10, 3)
    rows = np.array([29, 3, 3 + 4])
    some = pictures.take(rows)
    assert some.ids == ("image_29", "image_3", "image_7")
    np.testing.assert_array_equal(some.arrays(VIEW), everything[rows])
    np.testing.assert_array_equal(pictures.take(pictures.class_index == 1).arrays(VIEW), everything[1::3])  # type: ignore[operator]
    assert pictures.read(5) == picture(5)
    np.testing.assert_array_equal(apply_view(pictures.read(5), VIEW), everything[5])
    nothing = pictures.take(np.zeros(30, dtype=bool))
    assert list(nothing.batches(VIEW)) == []
    assert nothing.arrays(VIEW).shape == (0, 10, 10, 3)


def test_hidden_labels_are_nowhere_in_it(tmp_path: Path) -> None:
    dataset = packed(tmp_path, [picture(i) for i in range(9)])
    pictures = Pictures(dataset, dataset.manifest, labels=False)
    for one in (pictures, pictures.take(np.arange(4))):
        assert one.class_index is None
        assert set(one.manifest.class_index) == {UNKNOWN}
        assert set(one.dataset.manifest.class_index) == {UNKNOWN}
        assert all(batch.class_index is None for batch in one.batches(VIEW, 2))
    assert dataset.manifest.class_index[1] == 1


def test_a_picture_that_does_not_decode_is_named_and_stops(tmp_path: Path) -> None:
    files = [picture(i) for i in range(40)]
    files[23] = files[23][:60]
    dataset = packed(tmp_path, files)
    got = []
    with pytest.raises(BadImage, match=r"shards/a\.tar, image image_23: is cut short.*dataset verify"):
        got.extend(batch.ids for batch in Pictures(dataset, dataset.manifest).batches(VIEW, 10))
    assert len(got) == 2
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_damaged_pictures_are_told_and_left_out(tmp_path: Path) -> None:
    files = [picture(i) for i in range(40)]
    files[0], files[23], files[39] = b"GIF89a", files[23][:60], b""
    for i in range(10, 20):
        files[i] = b"hello"
    dataset = packed(tmp_path, files)
    pictures = Pictures(dataset, dataset.manifest, workers=3)
    told: list[tuple[str, str]] = []
    batches = []
    for batch in pictures.batches(VIEW, 10, on_bad=lambda image_id, reason: told.append((image_id, reason))):
        batch.check()
        batches.append((len(told), batch))
    assert [image_id for image_id, _ in told] == [f"image_{i}" for i in (0, *range(10, 20), 23, 39)]
    assert "GIF" in told[0][1]
    assert "cut short" in told[11][1]
    # The second batch has no good picture and is not served; each is told before the batch that it is missing from.
    assert [(n, len(batch)) for n, batch in batches] == [(1, 9), (12, 9), (13, 9)]
    for _, batch in batches:
        numbers = [int(name.split("_")[1]) for name in batch.ids]
        assert [int(image[0, 0, 0]) for image in batch.images] == numbers
        assert batch.class_index.tolist() == [i % 3 for i in numbers]  # type: ignore[union-attr]
    (tmp_path / "shards" / "a.tar").unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        list(Pictures(dataset, dataset.manifest).batches(VIEW, on_bad=lambda image_id, reason: None))


def photograph(i: int) -> bytes:
    """A noisy picture of a size of its own."""
    rng = np.random.default_rng(i)
    buffer = io.BytesIO()
    pixels = rng.integers(0, 256, (20 + i % 7, 30 - i % 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG" if i % 2 else "PNG")
    return buffer.getvalue()


def test_training_sees_the_same_pixels_on_any_number_of_threads(tmp_path: Path) -> None:
    dataset = packed(tmp_path, [photograph(i) for i in range(60)])
    crop = RandomCrop(seed=3, epoch=1)
    for decoder in ("exact", "reference"):
        view = View(12, 10, "bilinear", decoder=decoder)  # type: ignore[arg-type]
        seen: list[dict[str, bytes]] = []
        for workers, batch_size in [(1, 7), (2, 60), (5, 16)]:
            pictures = Pictures(dataset, dataset.manifest, workers=workers)
            batches = list(pictures.cropped(view, crop, batch_size))
            ids = [name for batch in batches for name in batch.ids]
            assert ids == [pictures.ids[i] for i in order(60, 3, 1)]
            seen.append(
                {name: i.tobytes() for batch in batches for name, i in zip(batch.ids, batch.images, strict=True)}
            )
        assert seen[0] == seen[1] == seen[2]
        (some,) = Pictures(dataset, dataset.manifest).cropped(view, crop, positions=np.array([41, 7]))
        assert some.ids == ("image_41", "image_7")
        assert [i.tobytes() for i in some.images] == [seen[0]["image_41"], seen[0]["image_7"]]
        (other,) = Pictures(dataset, dataset.manifest).cropped(view, RandomCrop(3, 2), positions=np.array([41, 7]))
        assert other.images.tobytes() != some.images.tobytes()


def test_training_leaves_out_what_is_damaged(tmp_path: Path) -> None:
    files = [photograph(i) for i in range(20)]
    files[4], files[9] = b"", files[9][:50]
    dataset = packed(tmp_path, files)
    pictures = Pictures(dataset, dataset.manifest)
    told: list[str] = []
    batches = list(pictures.cropped(VIEW, RandomCrop(0, 0), 6, on_bad=lambda name, reason: told.append(name)))
    assert sorted(told) == ["image_4", "image_9"]
    assert sorted(name for batch in batches for name in batch.ids) == sorted({*pictures.ids} - {*told})
    with pytest.raises(BadImage, match=r"image image_[49]: .*dataset verify"):
        list(pictures.cropped(VIEW, RandomCrop(0, 0), 6))


def test_memory_is_flat_over_200_000_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n, batch_size = 200_000, 500
    dataset = packed(tmp_path, [picture(0)])
    one = Pictures(dataset, dataset.manifest, workers=2).take(np.zeros(n, dtype=np.int64))
    started = threading.Lock()
    decoded = served = most = 0
    shown = np.zeros((10, 10, 3), dtype=np.uint8)

    def seen(self: Pictures, i: int, view: View) -> np.ndarray:
        nonlocal decoded, most
        with started:
            decoded += 1
            most = max(most, decoded - served)
        return shown

    monkeypatch.setattr(Pictures, "seen", seen)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for batch in one.batches(VIEW, batch_size):
            served += len(batch)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert served == decoded == n
    assert most <= 4 * batch_size
    # Five batches of pixels and what is noted of each; all pixels at once would be 60 MB.
    assert peak < 4_000_000


def test_missing_short_and_changed_containers_are_named(tmp_path: Path) -> None:
    files = [picture(i) for i in range(5)]
    size = 4 + sum(len(data) for data in files)
    about = {"distribution": [{"@type": "cr:FileObject", "contentUrl": "shards/a.tar", "contentSize": f"{size} B"}]}
    dataset = packed(tmp_path, files, about)
    archive = tmp_path / "shards" / "a.tar"
    Pictures(dataset, dataset.manifest).arrays(VIEW)
    whole = archive.read_bytes()
    archive.write_bytes(whole + b"more")
    with pytest.raises(BadInput, match=rf"a\.tar, image image_0: has {size + 4} bytes and had {size}"):
        Pictures(dataset, dataset.manifest).arrays(VIEW)
    archive.write_bytes(whole[:-3])
    bare = Dataset(dataset.root, dataset.manifest)
    with pytest.raises(BadInput, match=r"a\.tar, image image_4: ends before"):
        Pictures(bare, bare.manifest).arrays(VIEW)
    archive.unlink()
    with pytest.raises(BadInput, match=r"a\.tar, image image_0: cannot be read \(No such file"):
        Pictures(bare, bare.manifest).arrays(VIEW)


def test_files_of_their_own_are_read_and_not_kept_open(tmp_path: Path) -> None:
    dataset = loose(tmp_path, [picture(i) for i in range(20)])
    pictures = Pictures(dataset, dataset.manifest)
    assert pictures.arrays(VIEW)[:, 0, 0, 0].tolist() == list(range(20))
    assert n_open(tmp_path) == 0


def test_archives_are_closed_with_the_last_pictures(tmp_path: Path) -> None:
    dataset = packed(tmp_path, [picture(i) for i in range(4)])
    pictures = Pictures(dataset, dataset.manifest)
    pictures.read(0)
    some = pictures.take(np.arange(2))
    del pictures
    gc.collect()
    assert n_open(tmp_path) == 1
    assert some.read(1) == picture(1)
    del some
    gc.collect()
    assert n_open(tmp_path) == 0


def test_leaving_early_stops_the_threads_and_little_is_decoded_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = packed(tmp_path, [picture(i % 250) for i in range(500)])
    pictures = Pictures(dataset, dataset.manifest)
    reads: list[int] = []
    plain = Pictures.read
    monkeypatch.setattr(Pictures, "read", lambda self, i: reads.append(i) or plain(self, i))
    batches = pictures.batches(VIEW, 10)
    next(batches)
    batches.close()
    assert len(reads) <= 40
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_unusable_arguments_are_refused(tmp_path: Path) -> None:
    dataset = packed(tmp_path, [picture(0)])
    with pytest.raises(BadInput, match="0 threads"):
        Pictures(dataset, dataset.manifest, workers=0)
    with pytest.raises(BadInput, match="a batch of 0"):
        next(Pictures(dataset, dataset.manifest).batches(VIEW, 0))
    with pytest.raises(BadInput, match="does not fit"):
        next(Pictures(dataset, dataset.manifest).batches(View(8, 10)))
