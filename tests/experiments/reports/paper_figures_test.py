"""The figures: what they show, not how they look."""

import dataclasses
import io

import matplotlib.image
import numpy as np
import pytest

from ofa_aec_tf.experiments.reports import paper_figures
from tests.experiments.reports import paper_data


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")


@pytest.fixture(scope="module")
def whole():
    return paper_data.whole()


@pytest.mark.parametrize("draw", [paper_figures.figure3, paper_figures.figure4])
def test_figures_are_png_files_of_a_fair_size(whole, draw):
    png = draw(whole)
    assert png.startswith(b"\x89PNG")
    assert pixels(png).shape[:2] == (900, 1500)
    assert draw(list(reversed(whole))) == png


@pytest.mark.parametrize("draw", [paper_figures.figure3, paper_figures.figure4])
def test_nothing_measured_is_no_figure(draw):
    assert draw([paper_data.measurement("table1", "KD", "1M")]) is None


def shown(png, color):
    """Whether some pixels have just this color."""
    red_green_blue = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    found = np.round(255 * pixels(png)[..., :3]) == red_green_blue
    return int(found.all(-1).sum()) > 20


def test_a_space_keeps_its_color_whichever_others_are_there(whole):
    green = "#009e73"
    for draw in (paper_figures.figure3, paper_figures.figure4):
        alone = [m for m in whole if m.series == "[X,X,X]"]
        others = [m for m in whole if m.series != "[X,X,X]"]
        assert shown(draw(whole), green)
        assert shown(draw(alone), green)
        assert not shown(draw(others), green)


def test_networks_trained_alone_are_in_figure_3(whole):
    dark = "#444444"
    assert shown(paper_figures.figure3(whole), dark)
    without = [m for m in whole if m.series != "KD"]
    assert not shown(paper_figures.figure3(without), dark)


def test_the_largest_subnets_are_within_the_figure(whole):
    # Larger than all that was trained alone.
    largest = [
        dataclasses.replace(m, costs={"parameters": 9_000_000})
        if m.experiment == "figure3"
        and m.budget == list(paper_data.BUDGETS)[-1]
        else m
        for m in whole
    ]
    image = pixels(paper_figures.figure3(largest))
    blue = np.round(255 * image[..., :3]) == [0x00, 0x72, 0xB2]
    columns = np.flatnonzero(blue.all(-1).any(axis=0))
    # A marker is 10 pixels wide on either side, and the margin wider.
    assert columns.max() < image.shape[1] - 40


def test_one_seed_one_budget_and_names_with_markup_can_be_drawn():
    for name in ("$x", "_hidden", "$\\nothing{$"):
        found = paper_data.measurement("figure3", name, name)
        subnet = paper_data.measurement(
            "figure4", name, name, split="validation"
        )
        assert paper_figures.figure3([found]).startswith(b"\x89PNG")
        assert paper_figures.figure4([subnet]).startswith(b"\x89PNG")
