"""The figures of embeddings from files show what was measured."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from asymdistill.plots import measured


def test_the_spectrum_and_its_rank() -> None:
    figure = measured.spectrum([0.6, 0.4 - 1e-9, 1e-9, 0.0], 1.96)
    (axis,) = figure.axes
    shares, rank = axis.lines
    assert list(shares.get_xdata()) == [1, 2, 3]  # nothing is drawn where there is no variance
    assert list(shares.get_ydata()) == pytest.approx([0.6, 0.4, 1e-9])
    assert list(rank.get_xdata()) == [1.96, 1.96]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["effective rank 1.96"]
    plt.close(figure)


def test_ranks_by_the_number_of_embeddings() -> None:
    figure = measured.by_sample_size({"teacher": {10: [4.0, 6.0], 20: [7.0, 9.0]}, "S": {10: [2.0], 20: [3.0]}})
    (axis,) = figure.axes
    assert [list(line.get_ydata()) for line in axis.lines] == [[5, 8], [2, 3]]
    band = axis.collections[0].get_paths()[0].vertices
    assert (np.min(band[:, 1]), np.max(band[:, 1])) == (4, 9)
    assert axis.get_xscale() == "log"
    plt.close(figure)
