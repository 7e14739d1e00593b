"""Measurements of a reproduction of the paper, in tidy form.

| experiment | series | budget | split |
| - | - | - | - |
| `table1` | `teacher`, `scratch`, `KD`, `OFA` | all but the teacher's | test |
| `equal_steps` | `OFA`, `OFA +long`, baselines | the smallest | test |
| `table2` | `OFA`, `OFA +short`, `OFA +long`, `init +long` | each | test |
| `figure3` | search spaces: the subnet found | each | test |
| `figure4` | search spaces: all subnets of the budget | each | validation |
| `sampling`, `calibration`, `subnets_per_step`, `stem` | variants | any | any |
| `methods` | search methods: the best subnet found | any | validation |

Search spaces are called `[2,2,X]`, `[2,X,X]`, `[X,X,X]` and `EW-only`.
Variants are compared with `OFA`, `uniform`, `calibrated`, `K=4` and `static`,
search methods with `random`, seed by seed. For `methods` there may be a cost
`evaluations` and a metric `hypervolume`. The teacher's budget is "": it is
larger than all budgets.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable
from collections.abc import Mapping

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.runs import workdir

MEASUREMENTS = "measurements.csv"
EXPERIMENTS = (
    "table1",
    "equal_steps",
    "table2",
    "figure3",
    "figure4",
    "sampling",
    "calibration",
    "subnets_per_step",
    "stem",
    "methods",
)
SPLITS = ("test", "validation")
TEACHER, SCRATCH, KD, OFA = "teacher", "scratch", "KD", "OFA"
OFA_SHORT, OFA_LONG, INIT_LONG = "OFA +short", "OFA +long", "init +long"
METRIC = "mAP"
_NAMES = ("experiment", "series", "budget", "seed", "split", "subnet")
_COST, _METRIC = "costs.", "metrics."


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The scores of one network on one split.

    Args:
        experiment: str. One of EXPERIMENTS.
        series: str. The row or curve in which it is shown.
        budget: str. Name of the budget, such as `"0.9M"`; "" for none.
        seed: int. Of all trainings for it.
        subnet: dict of JSON types from decisions to choices, or None.
        costs: dict of JSON numbers with `parameters`.
        metrics: dict of numbers with `mAP` in [0, 1]. Those that are None,
            which have no value, are left out.
        split: str. One of SPLITS.

    Raises:
        ValueError: for anything else.
    """

    experiment: str
    series: str
    budget: str
    seed: int
    subnet: Mapping[str, int | float] | None
    costs: Mapping[str, int | float]
    metrics: Mapping[str, float]
    split: str

    def __post_init__(self):
        known = {k: v for k, v in self.metrics.items() if v is not None}
        object.__setattr__(self, "metrics", known)
        object.__setattr__(self, "costs", dict(self.costs))
        if self.subnet is not None:
            object.__setattr__(self, "subnet", dict(self.subnet))
        check_choice("experiment", self.experiment, EXPERIMENTS)
        check_choice("split", self.split, SPLITS)
        if not (self.series and (self.series + self.budget).isprintable()):
            raise ValueError(
                "`series` and `budget` must be names on one line. Received: "
                f"series={self.series!r}, budget={self.budget!r}"
            )
        for name, values, maximum in (
            ("parameters", self.costs, math.inf),
            (METRIC, known, 1),
        ):
            # A missing value and NaN are out of bounds too.
            if not 0 <= values.get(name, math.nan) <= maximum:
                raise ValueError(
                    f"`{name}` must be a number from 0 to {maximum}. "
                    f"Received: {values.get(name)}"
                )

    @property
    def parameters(self) -> int | float:
        """The number of trainable parameters."""
        return self.costs["parameters"]

    def key(self) -> tuple:
        """Identifies what was measured; sortable."""
        return (
            EXPERIMENTS.index(self.experiment),
            self.budget,
            self.series,
            self.seed,
            self.split,
            _json(self.subnet),
            _json(self.costs),
        )


def _json(value) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def measurements_table(measurements: Iterable[Measurement]) -> str:
    """Measurements as CSV, sorted.

    Args:
        measurements: iterable of Measurement.

    Returns:
        str. The columns are the fields, with `subnet` as JSON, then
        `costs.<name>` and `metrics.<name>` for each cost and metric.

    Raises:
        ValueError: if a thing was measured twice.
    """
    measurements = sorted(measurements, key=Measurement.key)
    for first, second in zip(measurements, measurements[1:]):
        if first.key() == second.key():
            raise ValueError(_measured_twice(first))
    costs = sorted({name for m in measurements for name in m.costs})
    metrics = sorted({name for m in measurements for name in m.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *_NAMES,
            *(_COST + name for name in costs),
            *(_METRIC + name for name in metrics),
        ]
    )
    for m in measurements:
        writer.writerow(
            [
                m.experiment,
                m.series,
                m.budget,
                m.seed,
                m.split,
                "" if m.subnet is None else _json(m.subnet),
                *(m.costs.get(name) for name in costs),
                *(m.metrics.get(name) for name in metrics),
            ]
        )
    return text.getvalue()


def _measured_twice(measurement) -> str:
    return (
        f"Expected one measurement of {measurement.experiment}, series "
        f"{measurement.series!r}, budget {measurement.budget!r}, seed "
        f"{measurement.seed}, split {measurement.split} and subnet "
        f"{_json(measurement.subnet)}. Received: two. Leave one out."
    )


def write_measurements(path, measurements: Iterable[Measurement]) -> None:
    """Writes `measurements_table` atomically."""
    workdir.write_text(path, measurements_table(measurements))


def select(
    measurements: Iterable[Measurement],
    experiment: str,
    series: str | None = None,
    budget: str | None = None,
    split: str | None = None,
) -> list[Measurement]:
    """The measurements of an experiment; None selects all values."""
    return [
        m
        for m in measurements
        if m.experiment == experiment
        and series in (None, m.series)
        and budget in (None, m.budget)
        and split in (None, m.split)
    ]


def budgets(measurements: Iterable[Measurement]) -> list[str]:
    """Names of the budgets, ordered by the sizes of their networks."""
    parameters: dict[str, list] = {}
    for m in measurements:
        parameters.setdefault(m.budget, []).append(m.parameters)
    return sorted(
        parameters,
        key=lambda name: (
            math.fsum(parameters[name]) / len(parameters[name]),
            name,
        ),
    )


def values_by_seed(
    measurements: Iterable[Measurement], metric: str = METRIC
) -> dict[int, float]:
    """The values of a metric by seed, sorted.

    Args:
        measurements: iterable of Measurement of one series, budget and split.
        metric: str. Those without it are left out.

    Raises:
        ValueError: if a seed has two values.
    """
    values: dict[int, float] = {}
    for m in sorted(measurements, key=Measurement.key):
        if metric in m.metrics:
            if m.seed in values:
                raise ValueError(_measured_twice(m))
            values[m.seed] = m.metrics[metric]
    return values
