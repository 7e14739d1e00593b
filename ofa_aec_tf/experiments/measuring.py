"""What is measured, in its order, once the steps that it needs have run."""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.experiments import parallel_steps
from ofa_aec_tf.experiments.steps import BoundStep
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.experiments.steps import StepRunner
from ofa_aec_tf.runs import workdir

COSTS = ("parameters", "macs")
METRICS = ("mAP", "mAUC", "d_prime", "accuracy")
_FILE = "metrics.json"
# Its entry for the ensemble.
_ENSEMBLE = "ensemble"


@dataclasses.dataclass(frozen=True)
class Cell:
    """Something to measure.

    Args:
        title: str.
        step: Step. When it is done, everything is there.
        measure: function from a StepRunner to the measurements.
    """

    title: str
    step: Step
    measure: Callable[[StepRunner], Iterable]


def evaluation(
    models: Sequence[Output], title: str, ensemble: bool = False
) -> Step:
    """The step that has the metrics of models on the test split.

    Args:
        models: sequence of Output.
        title: str. Which models they are.
        ensemble: bool. Whether to evaluate the mean of their scores too.
    """
    more = (("ensemble", "true"),) if ensemble else ()
    return Step(
        f"evaluation {title}",
        "ofa_aec_tf.evaluate",
        None,
        (("split", "test"), ("model", tuple(models)), *more),
        output_flag="output",
        output_name=_FILE,
    )


def evaluated(
    runner: StepRunner, step: Step, model: Output
) -> tuple[dict, dict, dict]:
    """What is known of a model, wherever the working directory was then.

    Args:
        runner: StepRunner.
        step: Step of `evaluation`, done.
        model: Output. One of its models.

    Returns:
        The details of its record, and of its costs and its metrics those in
        COSTS and METRICS.
    """
    details, costs = recorded(runner, model)
    metrics = workdir.read_json(runner.path(Output(step, _FILE)))
    place = (runner.directory(model.step).name, *model.parts)
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
    metrics = workdir.read_json(runner.path(Output(step, _FILE)))
    return {name: metrics[_ENSEMBLE][name] for name in METRICS}


def measure_all(
    cells: Sequence[tuple[StepRunner, Cell]],
    num_jobs: int,
    report: Callable[[list], None],
) -> None:
    """Measures cells in their order, running what is not there.

    Args:
        cells: sequence of tuples of a StepRunner and a Cell on its data.
        num_jobs: int. Steps to run at a time.
        report: function of all measurements so far, called after each cell
            but while those of an earlier call are found again.
    """
    wanted = [BoundStep(runner, cell.step) for runner, cell in cells]
    was_done = [bound.is_done() for bound in wanted]
    measured: list = []
    has_run = False
    for number, ((runner, cell), _) in enumerate(
        zip(cells, parallel_steps.run_in_order(wanted, num_jobs)), 1
    ):
        has_run |= not was_done[number - 1]
        measured += cell.measure(runner)
        print(f"{number} of {len(cells)} measured: {cell.title}", flush=True)
        if has_run or number == len(cells):
            report(measured)
