"""What a reproduction of the paper has measured, one tidy line each.

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
methods with `random`, seed by seed. Of `methods` the costs may have
`evaluations`, and the metrics `hypervolume`. The teacher's budget is "": it is
larger than all.
"""

import csv
import dataclasses
import io
import json
import math
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

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
    """What one network reached on one split.

    Args:
        experiment: str. One of EXPERIMENTS.
        series: str. The row or curve that it belongs to.
        budget: str. Name of the budget, such as `"0.9M"`; "" where none is.
        seed: int. Of everything that was trained for it.
        subnet: dict of JSON types from decisions to choices, or None.
        costs: dict of JSON numbers with `parameters`.
        metrics: dict of numbers with `mAP` in [0, 1]. None is the same as
            no value, and left out.
        split: str. One of SPLITS.

    Raises:
        ValueError: for anything else; the text begins with the field.
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
        _check("experiment", self.experiment, EXPERIMENTS)
        _check("split", self.split, SPLITS)
        for field in ("series", "budget"):
            if not getattr(self, field).isprintable():
                raise ValueError(
                    f"{field}: expected a name on one line. Received: "
                    f"{getattr(self, field)!r}"
                )
        if not self.series:
            raise ValueError("series: expected a name. Received: ''")
        _check_numbers(_COST, self.costs, "parameters", math.inf)
        _check_numbers(_METRIC, known, METRIC, 1)

    @property
    def parameters(self) -> int | float:
        """The number of trainable parameters."""
        return self.costs["parameters"]

    def key(self) -> tuple:
        """What is measured at most once, as sortable str and int."""
        return (
            EXPERIMENTS.index(self.experiment),
            self.budget,
            self.series,
            self.seed,
            self.split,
            _json(self.subnet),
            _json(self.costs),
        )


def _check(field, value, choices) -> None:
    if value not in choices:
        raise ValueError(
            f"{field}: expected one of {', '.join(choices)}. Received: "
            f"{value!r}"
        )


def _check_numbers(prefix, values, required, maximum) -> None:
    if required not in values:
        raise ValueError(
            f"{prefix}{required}: expected a number. Received: none"
        )
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(
                f"{prefix}{name}: expected a finite number. Received: {value}"
            )
    if not 0 <= values[required] <= maximum:
        raise ValueError(
            f"{prefix}{required}: expected a number in [0, {maximum}]. "
            f"Received: {values[required]}"
        )


def _json(value) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def measurements_table(measurements: Iterable[Measurement]) -> str:
    """Measurements as CSV, in an order that does not depend on theirs.

    Args:
        measurements: iterable of Measurement.

    Returns:
        str. Columns: the fields, with `subnet` as JSON, then a column
        `costs.<name>` a cost and a column `metrics.<name>` a metric.

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


def read_measurements(path) -> list[Measurement]:
    """Reads what `write_measurements` has written.

    Args:
        path: path of a CSV file.

    Returns:
        list of Measurement, in the order of the file.

    Raises:
        ValueError: for a file that is missing or wrong, naming line and
            column.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There are no measurements {path}.")
    # Spreadsheets put a byte order mark before the first name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        _check_header(path, header)
        measurements = {}
        for row in reader:
            line = f"{path}, line {reader.line_num}"
            if len(row) != len(header):
                raise ValueError(
                    f"{line}: expected {len(header)} columns. Received: "
                    f"{len(row)}"
                )
            try:
                measurement = _measurement(dict(zip(header, row)))
            except ValueError as error:
                raise ValueError(f"{line}, column {error}") from None
            if measurement.key() in measurements:
                raise ValueError(f"{line}: {_measured_twice(measurement)}")
            measurements[measurement.key()] = measurement
    return list(measurements.values())


def _check_header(path, header) -> None:
    for name in _NAMES:
        if name not in header:
            raise ValueError(
                f"{path}, line 1: expected a column {name}. Received: "
                f"{', '.join(header)}"
            )
    for index, name in enumerate(header):
        known = name in _NAMES or name.startswith((_COST, _METRIC))
        if not known or name in header[:index]:
            raise ValueError(
                f"{path}, line 1, column {name}: expected each of "
                f"{', '.join(_NAMES)}, {_COST}... and {_METRIC}... once. "
                f"Received: {', '.join(header)}"
            )


def _measurement(row) -> Measurement:
    return Measurement(
        experiment=row["experiment"],
        series=row["series"],
        budget=row["budget"],
        seed=_parsed(row, "seed", int, "an integer"),
        subnet=_parsed(row, "subnet", _subnet, "a JSON object, or nothing"),
        costs=_numbers(row, _COST),
        metrics=_numbers(row, _METRIC),
        split=row["split"],
    )


def _parsed(row, column, parse, expected):
    try:
        return parse(row[column])
    except ValueError:
        raise ValueError(
            f"{column}: expected {expected}. Received: {row[column]!r}"
        ) from None


def _subnet(text) -> dict | None:
    if not text:
        return None
    choices = json.loads(text)
    if not isinstance(choices, dict):
        raise ValueError(text)
    return choices


def _numbers(row, prefix) -> dict:
    return {
        column.removeprefix(prefix): _parsed(row, column, _number, "a number")
        for column, text in row.items()
        if column.startswith(prefix) and text
    }


def _number(text) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def select(
    measurements: Iterable[Measurement],
    experiment: str,
    series: str | None = None,
    budget: str | None = None,
    split: str | None = None,
) -> list[Measurement]:
    """The measurements of an experiment; None keeps all of a kind."""
    return [
        m
        for m in measurements
        if m.experiment == experiment
        and series in (None, m.series)
        and budget in (None, m.budget)
        and split in (None, m.split)
    ]


def budgets(measurements: Iterable[Measurement]) -> list[str]:
    """Names of the budgets, that of the smallest networks first."""
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
    """A metric of each seed, in their order.

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
