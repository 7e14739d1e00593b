"""What is measured, in its order, once the steps that it needs have run."""

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
# The entry of an ensemble among the metrics.
_ENSEMBLE = "ensemble"


@dataclasses.dataclass(frozen=True)
class Task:
    """Something to measure.

    Args:
        title: str.
        step: Step. When it is done, everything is there.
        measure: function from a StepRunner to the measurements.
    """

    title: str
    step: Step
    measure: Callable[[StepRunner], Iterable]


def evaluated(
    runner: StepRunner, step: Step, model: Output
) -> tuple[dict, dict, dict]:
    """What is known of a model, wherever the working directory was then.

    Args:
        runner: StepRunner.
        step: Step of `steps.evaluation`, done.
        model: Output. One of its models.

    Returns:
        The details of its record, and of its costs and its metrics those in
        COSTS and METRICS.
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
    """The details of a model's record, and of its costs those in COSTS."""
    details = ModelInfo.read(runner.path(model)).details
    return details, {name: details["complexity"][name] for name in COSTS}


def ensemble_metrics(runner: StepRunner, step: Step) -> dict:
    """Those in METRICS of the ensemble of all models of an evaluation."""
    metrics = workdir.read_json(runner.path(Output(step, METRICS_FILE)))
    return {name: metrics[_ENSEMBLE][name] for name in METRICS}


def measure_all(
    tasks: Sequence[Task], runner: StepRunner, report: Callable[[list], None]
) -> None:
    """Measures in order, running what is not there.

    Args:
        tasks: sequence of Task.
        runner: StepRunner.
        report: function of all measurements so far, called after each task
            but while those of an earlier call are found again.
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
