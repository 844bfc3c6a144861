"""Visual words drawn: by hand on a picture with four descriptors."""

from __future__ import annotations

import numpy as np

from topfive.systems.features.visual_words import _COLOURS, word_map


def test_each_place_has_its_words_colour_and_the_border_none() -> None:
    picture = np.full((20, 20, 3), 100, dtype=np.uint8)
    centres = np.array([[6, 6], [10, 6], [6, 10], [10, 10]], dtype=np.float32)
    drawn = word_map(picture, centres, np.array([0, 1, 2, 9]), 4)
    assert drawn.shape == (20, 20, 3)
    pale = 128 + 50
    np.testing.assert_array_equal(drawn[0, 0], [pale] * 3)
    for (x, y), word in zip(centres.astype(int), (0, 1, 2, 9), strict=True):
        np.testing.assert_allclose(drawn[y, x], 0.45 * pale + 0.55 * _COLOURS[word % 8], atol=0.51)
