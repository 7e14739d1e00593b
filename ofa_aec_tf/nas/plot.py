"""The plot of a search: quality against cost."""

from collections.abc import Sequence

from matplotlib import ticker

from ofa_aec_tf.nas import axis_labels
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.report import best_trial
from ofa_aec_tf.nas.report import front_trials
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.reports import figures
from ofa_aec_tf.runs import workdir

PARETO_PLOT = "pareto.png"
_PANEL_INCHES, _HEIGHT_INCHES = 5.5, 4.8
_COLOR_TRIAL, _COLOR_FRONT, _COLOR_CHOSEN = "#9aa5b1", "#1f6fb4", "#d1495b"
# Sizes of labels, relative to the panel.
_CHARACTER_WIDTH, _LANE_HEIGHT = 0.018, 0.09


def plot_search(
    path,
    trials: Sequence[Trial],
    budgets: Sequence[Budget],
    objectives: Objectives,
    title: str,
) -> None:
    """Plots all trials, the Pareto front and the chosen subnets as PNG.

    There is a panel for each cost, with the front of that cost. Dotted lines
    are the limits of the budgets.

    Args:
        path: path of the PNG file.
        trials: sequence of Trial, of which at least one succeeded.
        budgets: sequence of Budget.
        objectives: Objectives. A panel for each of its costs.
        title: str.
    """
    costs = objectives.costs or ("parameters",)
    figure, panels = figures.panels(
        _PANEL_INCHES * len(costs), _HEIGHT_INCHES, len(costs)
    )
    succeeded = [trial for trial in trials if trial.failure is None]
    quality = objectives.quality
    labels = _chosen_labels(succeeded, budgets, quality)
    for axes, cost in zip(panels, costs):
        _draw_panel(axes, succeeded, budgets, labels, quality, cost)
        axes.set_xlabel(axis_labels.label(cost))
    panels[0].set_ylabel(f"Validation {quality}")
    handles, names = panels[0].get_legend_handles_labels()
    figures.add_legend(figure, handles, names, len(names))
    figure.suptitle(title)
    workdir.write_bytes(path, figures.png(figure))


def _chosen_labels(trials, budgets, quality) -> list[tuple[Trial, str]]:
    """Labels of the chosen trials; several budgets may choose one."""
    labels: dict[int, tuple[Trial, list[str]]] = {}
    for budget in budgets:
        chosen = best_trial(trials, budget, quality)
        if chosen is not None:
            entry = labels.setdefault(id(chosen), (chosen, []))
            entry[1].append(budget.name)
    return [
        (trial, f"{', '.join(names)}\n{trial.metrics[quality]:.3f}")
        for trial, names in labels.values()
    ]


def _draw_panel(axes, trials, budgets, labels, quality, cost) -> None:
    front = front_trials(trials, Objectives((quality,), (cost,)))

    def position(trial):
        return trial.costs[cost], trial.metrics[quality]

    axes.scatter(
        *zip(*map(position, trials)),
        s=16,
        color=_COLOR_TRIAL,
        alpha=0.7,
        lw=0,
        label=f"evaluated subnets ({len(trials)})",
    )
    axes.plot(
        *zip(*map(position, front)),
        drawstyle="steps-post",
        marker="o",
        ms=4,
        lw=1.5,
        color=_COLOR_FRONT,
        label="Pareto front",
    )
    if labels:
        axes.scatter(
            *zip(*(position(trial) for trial, _ in labels)),
            s=130,
            marker="*",
            color=_COLOR_CHOSEN,
            edgecolor="white",
            zorder=3,
            label="chosen for a budget",
        )
    axes.margins(x=0.04, y=0.05)
    # Before the limits are drawn, so that a distant one does not zoom out.
    axes.set_xlim(axes.get_xlim())
    for limit in _limits(budgets, cost):
        axes.axvline(limit, color=_COLOR_CHOSEN, alpha=0.3, ls=":", lw=1)
    _annotate(axes, [(position(trial), text) for trial, text in labels])
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.grid(alpha=0.25)


def _limits(budgets, cost) -> list[int]:
    """The bounds of the budgets on a cost, except for 0 and none."""
    return sorted(
        {
            bound
            for budget in budgets
            for constraint in budget.constraints
            if constraint.cost == cost
            for bound in (constraint.minimum, constraint.maximum)
            if bound
        }
    )


def _annotate(axes, labelled) -> None:
    """Writes labels above the panel, with lines to their points."""
    left, right = axes.get_xlim()
    ends = []
    for (x, y), text in sorted(labelled):
        center = (x - left) / (right - left)
        half_width = _CHARACTER_WIDTH * max(map(len, text.split("\n"))) / 2
        center = min(max(center, half_width), 1 - half_width)
        lane = next(
            (i for i, end in enumerate(ends) if end < center - half_width),
            len(ends),
        )
        ends[lane : lane + 1] = [center + half_width]
        axes.annotate(
            text,
            (x, y),
            xytext=(center, 1.02 + _LANE_HEIGHT * lane),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            fontsize=8,
            color=_COLOR_CHOSEN,
            # A label covers the lines of those above it.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            zorder=5 - 0.1 * lane,
            arrowprops={
                "arrowstyle": "-",
                "color": _COLOR_CHOSEN,
                "alpha": 0.4,
                "lw": 0.8,
                "shrinkA": 0,
                "shrinkB": 5,
                "relpos": (0.5, 0),
            },
        )
