"""Tasks: what is measured once a step is done."""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import METRICS_FILE
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.runs import workdir

COSTS = ("parameters", "macs")
METRICS = ("mAP", "mAUC", "d_prime", "accuracy")
# The entry of an ensemble in the metrics file.
_ENSEMBLE = "ensemble"


@dataclasses.dataclass(frozen=True)
class Task:
    """Something to measure.

    Args:
        title: str.
        step: Step. What must be done before.
        measure: function from a StepRunner to the measurements.
    """

    title: str
    step: Step
    measure: Callable[[StepRunner], Iterable]


def evaluated(
    runner: StepRunner, step: Step, model: Output
) -> tuple[dict, dict, dict]:
    """The record and the metrics of an evaluated model.

    The working directory may have been moved since then.

    Args:
        runner: StepRunner.
        step: Step of `steps.evaluation`, done.
        model: Output. One of its models.

    Returns:
        The details of its record, its COSTS and its METRICS.
    """
    details, costs = recorded(runner, model)
    metrics = workdir.read_json(runner.path(Output(step, METRICS_FILE)))
    parts = pathlib.PurePath(model.name).parts
    place = (runner.directory(model.step).name, *parts)
    (values,) = [
        values
        for path, values in metrics.items()
        if pathlib.PurePath(path).parts[-len(place) :] == place
    ]
    return details, costs, {name: values[name] for name in METRICS}


def recorded(runner: StepRunner, model: Output) -> tuple[dict, dict]:
    """The details of a model's record, and its COSTS."""
    details = ModelInfo.read(runner.path(model)).details
    return details, {name: details["complexity"][name] for name in COSTS}


def ensemble_metrics(runner: StepRunner, step: Step) -> dict:
    """The METRICS of the ensemble of all models of an evaluation."""
    metrics = workdir.read_json(runner.path(Output(step, METRICS_FILE)))
    return {name: metrics[_ENSEMBLE][name] for name in METRICS}


def measure_all(
    tasks: Sequence[Task], runner: StepRunner, report: Callable[[list], None]
) -> None:
    """Runs the steps of all tasks and measures, in their order.

    Args:
        tasks: sequence of Task.
        runner: StepRunner.
        report: function of all measurements so far. It is called after each
            task, but not for results of earlier calls until a step runs.
    """
    measured: list = []
    has_run = False
    for number, (task, (_, is_new)) in enumerate(
        zip(tasks, runner.run([task.step for task in tasks])), 1
    ):
        has_run |= is_new
        measured += task.measure(runner)
        print(f"{number} of {len(tasks)} measured: {task.title}", flush=True)
        if has_run or number == len(tasks):
            report(measured)
