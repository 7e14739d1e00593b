"""Figures of reports, as PNG."""

import io

from matplotlib import figure
from matplotlib.backends import backend_agg

_DPI = 150


def panels(width_inches: float, height_inches: float, number: int = 1) -> tuple:
    """A figure with panels side by side that share their y axis.

    Args:
        width_inches: float. Of the figure.
        height_inches: float.
        number: int. How many panels.

    Returns:
        The matplotlib Figure, and an array of its Axes.
    """
    made = figure.Figure(
        figsize=(width_inches, height_inches), layout="constrained"
    )
    # Not pyplot: it would keep state, and look for a screen.
    backend_agg.FigureCanvasAgg(made)
    axes = made.subplots(1, number, sharey=True, squeeze=False)[0]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return made, axes


def add_legend(figure, handles, labels, num_columns: int) -> None:
    """Adds a legend below all panels, with labels as they are written.

    Args:
        figure: matplotlib Figure.
        handles: list of what is explained.
        labels: list of str.
        num_columns: int.
    """
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=num_columns,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def png(figure) -> bytes:
    """A matplotlib Figure as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, dpi=_DPI)
    return content.getvalue()
