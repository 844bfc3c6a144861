"""Any system under any test protocol: against the plain sum, dense against sliding, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from topfive.loading import Pictures, crops, show
from topfive.records import PROTOCOLS, BadInput, Dataset, Progress, View, silent
from topfive.systems.protocols import fingerprint, protocol_named, scores_under
from toy.drawn import drawn_set, pictures

VIEW = View(32, 28, "bilinear")


class Linear:
    """A system that is a fixed linear function of the crop's pixels."""

    view = VIEW

    def __init__(self, dataset: Dataset) -> None:
        self.classes = dataset.classes
        self.weights = np.random.default_rng(0).normal(0, 2e-4, (28 * 28 * 3, len(self.classes)))

    def of(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (images.reshape(len(images), -1) @ self.weights).astype(np.float32)

    def scores(self, pictures: Pictures, *, batch_size: int = 64, progress: Progress = silent) -> NDArray[np.float32]:
        return np.concatenate([self.of(batch.images) for batch in pictures.batches(self.view, batch_size)])

    def save(self, folder: Any) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return drawn_set(tmp_path_factory.mktemp("drawn"), train=2, tune=1, val=4, px=44)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_probabilities_of_all_crops_are_averaged(name: str, drawn: Dataset) -> None:
    system, val = Linear(drawn), pictures(drawn, "val", labels=False)
    found = scores_under(system, val, PROTOCOLS[name], batch_size=7)
    assert found.dtype == np.float32
    plan = crops(PROTOCOLS[name], 28, 44, 44)
    for row in (0, 5, 23):
        image = val.decoded(row, VIEW)
        each = softmax(system.of(np.stack([show(image, crop, VIEW) for crop in plan])).astype(float), axis=1)
        np.testing.assert_allclose(np.exp(found[row]), each.mean(axis=0), atol=1e-6)
    order = np.array([5, 23, 0])
    np.testing.assert_array_equal(scores_under(system, val.take(order), PROTOCOLS[name]), found[order])


def test_names_and_fingerprints(drawn: Dataset) -> None:
    system = Linear(drawn)
    assert protocol_named("1-crop") is None
    assert fingerprint(system, None) == VIEW.digest
    assert len({fingerprint(system, protocol) for protocol in PROTOCOLS.values()} | {VIEW.digest}) == 7
    with pytest.raises(BadInput, match="Protocols: 1-crop, flip"):
        protocol_named("11-crop")


@pytest.mark.slow
def test_a_network_that_slides_is_shown_the_whole_picture(drawn: Dataset) -> None:
    torch = pytest.importorskip("torch")
    from topfive.systems import engine
    from topfive.systems.resnet import ResNet

    shape = {"block": "basic", "blocks": (1, 1), "width": 8, "stem": (3, 1), "pool": False}
    with engine.seeded(0, "weights"):
        network = ResNet(6, **shape)  # type: ignore[arg-type]
    fitted = engine.FittedNetwork(network, system="resnet", architecture=shape, classes=drawn.classes, view=VIEW)
    val = pictures(drawn, "val", labels=False).take(np.arange(2))
    found = scores_under(fitted, val, PROTOCOLS["dense"])
    from topfive.systems.engine.pixels import floats

    images = [show(val.decoded(0, VIEW), crop, VIEW) for crop in crops(PROTOCOLS["dense"], 28, 44, 44, whole=True)]
    assert images[0].shape == (32, 32, 3)
    with torch.inference_mode():
        logits = network(floats(np.stack(images), VIEW)).double().softmax(1).mean(0)
    np.testing.assert_allclose(np.exp(found[0]), logits.numpy(), atol=1e-5)
