"""The figures of the paper, from measurements, as PNG."""

from collections.abc import Sequence

import numpy as np
from matplotlib import lines
from matplotlib import patches
from matplotlib import ticker
from matplotlib import transforms

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import paper_tables
from ofa_aec_tf.experiments.reports.measurements import KD
from ofa_aec_tf.experiments.reports.measurements import SCRATCH
from ofa_aec_tf.experiments.reports.measurements import TEACHER
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.reports import figures

# Of Okabe and Ito: distinct for color-blind people too. Each also has a marker,
# so that nothing depends on color alone.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo")
_BASELINES = {KD: ("#444444", "X"), SCRATCH: ("#888888", "*")}
_LEGEND_COLUMNS = 4
# Width of all boxes of a budget; budgets are 1 apart.
_GROUP_WIDTH = 0.8
# Distance between the lines of Figure 3, whose bars would overlap otherwise.
_DODGE_POINTS = 3
# Of all points of a seed in a box together, in square points.
_POINT_AREA = 300
_GOLDEN_RATIO = 0.6180339887


def figure3(measurements: Sequence[Measurement]) -> bytes | None:
    """mAP against parameters, with a line for each search space.

    Points are means over the seeds, bars standard deviations. The teacher and
    the baselines are those of Table 1.

    Args:
        measurements: sequence of Measurement.

    Returns:
        bytes of a PNG file; None if no search space was measured.
    """
    measured = measurements_lib.select(measurements, "figure3", split="test")
    if not measured:
        return None
    alone = measurements_lib.select(measurements, "table1", split="test")
    figure, axes = _panel("both")
    names = cells.spaces(measured)
    for position, space in enumerate(names):
        index = _style_index(names, space)
        aside = _DODGE_POINTS * (position - (len(names) - 1) / 2)
        _draw_points(
            axes,
            _row(measured, space),
            f"OFA {space}",
            color=_style(_COLORS, index),
            marker=_style(_MARKERS, index),
            lw=1.8,
            transform=axes.transData
            + transforms.ScaledTranslation(
                aside / 72, 0, figure.dpi_scale_trans
            ),
        )
    for series, (color, marker) in _BASELINES.items():
        _draw_points(
            axes,
            _row(alone, series),
            series,
            color=color,
            marker=marker,
            lw=0,
            ms=9,
        )
    teacher = cells.cell(alone, TEACHER, "")
    if teacher:
        axes.axhline(
            100 * teacher.statistics.mean,
            color="black",
            ls="--",
            lw=1.2,
            label=f"teacher, {teacher.parameters_text()} M parameters",
        )
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.set_xlabel("Parameters")
    axes.set_ylabel("Test mAP (%)")
    axes.margins(x=0.06, y=0.08)
    handles, labels = axes.get_legend_handles_labels()
    return _png(figure, handles, labels)


def figure4(measurements: Sequence[Measurement]) -> bytes | None:
    """The spread of subnets of similar size.

    There is a box plot for each budget and search space, over the subnets of
    all seeds. Whiskers reach the last subnet within 1.5 times the interquartile
    range. Each subnet is a point, and each seed has its own marker.

    Args:
        measurements: sequence of Measurement.

    Returns:
        bytes of a PNG file; None if no subnets were measured.
    """
    measured = measurements_lib.select(
        measurements, "figure4", split="validation"
    )
    if not measured:
        return None
    figure, axes = _panel("y")
    names = cells.spaces(measured)
    styles = [_style_index(names, space) for space in names]
    budgets = measurements_lib.budgets(measured)
    seeds = sorted({m.seed for m in measured})
    width = _GROUP_WIDTH / len(names)
    for column, budget in enumerate(budgets):
        for index, space in enumerate(names):
            scores = paper_tables.scores_of_subnets(measured, space, budget)
            if scores:
                left = column - _GROUP_WIDTH / 2 + index * width
                center = left + width / 2
                _draw_box(axes, scores, seeds, center, width, styles[index])
    axes.set_xticks(range(len(budgets)), budgets, parse_math=False)
    axes.set_xlim(-0.6, len(budgets) - 0.4)
    for border in np.arange(len(budgets) - 1) + 0.5:
        axes.axvline(border, color="black", alpha=0.15, lw=1)
    axes.set_xlabel("Budget")
    axes.set_ylabel("Validation mAP (%)")
    handles = [
        patches.Patch(
            facecolor=_pale(_style(_COLORS, index)),
            edgecolor=_style(_COLORS, index),
            hatch=_style(_HATCHES, index),
            label=f"OFA {space}",
        )
        for index, space in zip(styles, names)
    ]
    handles += [
        lines.Line2D(
            [],
            [],
            lw=0,
            marker=_style(_MARKERS, index),
            ms=5,
            markerfacecolor="white",
            markeredgecolor="black",
            label=f"seed {seed}",
        )
        for index, seed in enumerate(seeds)
    ]
    return _png(figure, handles, [handle.get_label() for handle in handles])


def _panel(grid_axis):
    figure, (axes,) = figures.panels(10, 6)
    axes.grid(axis=grid_axis, alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure, handles, labels) -> bytes:
    figures.add_legend(figure, handles, labels, _LEGEND_COLUMNS)
    return figures.png(figure)


def _style(styles, index):
    return styles[index % len(styles)]


def _style_index(names, space) -> int:
    """The style of a space, which does not depend on the other ones."""
    if space in cells.PAPER_SPACES:
        return cells.PAPER_SPACES.index(space)
    others = [name for name in names if name not in cells.PAPER_SPACES]
    return len(cells.PAPER_SPACES) + others.index(space)


def _pale(color) -> tuple[str, float]:
    return color, 0.25


def _row(measured, series) -> list[cells.Cell]:
    """The cells of a series, ordered by size."""
    row = (
        cells.cell(measured, series, budget)
        for budget in measurements_lib.budgets(measured)
    )
    return sorted(filter(None, row), key=lambda cell: cell.parameters)


def _draw_points(axes, row, label, lw, **style) -> None:
    """Draws means with error bars; a single seed has no bar."""
    if not row:
        return
    found = [cell.statistics for cell in row]
    axes.errorbar(
        [cell.parameters for cell in row],
        [100 * statistics.mean for statistics in found],
        yerr=[100 * (s.standard_deviation or 0) for s in found],
        capsize=3,
        elinewidth=1,
        lw=lw,
        label=label,
        **style,
    )
    # Matplotlib ignores shifted lines when it chooses the limits of the axes.
    for cell, statistics in zip(row, found):
        deviation = statistics.standard_deviation or 0
        axes.update_datalim(
            [
                (cell.parameters, 100 * (statistics.mean + sign * deviation))
                for sign in (-1, 1)
            ]
        )


def _draw_box(axes, scores, seeds, center, width, index) -> None:
    color = _style(_COLORS, index)
    axes.boxplot(
        [[100 * value for values in scores.values() for value in values]],
        positions=[center],
        widths=0.85 * width,
        manage_ticks=False,
        # Each subnet is drawn as a point below.
        showfliers=False,
        patch_artist=True,
        boxprops={
            "facecolor": _pale(color),
            "edgecolor": color,
            "hatch": _style(_HATCHES, index),
        },
        medianprops={"color": "black", "lw": 1.8, "zorder": 4},
        whiskerprops={"color": color},
        capprops={"color": color},
    )
    # Seeds stand side by side in a box; their subnets are scattered evenly.
    lane = 0.8 * width / len(seeds)
    largest = max(map(len, scores.values()))
    size = np.clip(_POINT_AREA / largest, 2, 16)
    for seed, values in scores.items():
        middle = center + (seeds.index(seed) - (len(seeds) - 1) / 2) * lane
        scatter = np.arange(1, len(values) + 1) * _GOLDEN_RATIO % 1 - 0.5
        axes.scatter(
            middle + 0.7 * lane * scatter,
            [100 * value for value in values],
            s=size,
            marker=_style(_MARKERS, seeds.index(seed)),
            facecolor="white",
            edgecolor="black",
            lw=0.05 * size,
            zorder=3,
        )
