"""Cross-validation of networks that may teach each other."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import OTHER_FOLDS
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import fold_runs
from ofa_aec_tf.experiments import preprocessing
from ofa_aec_tf.experiments import run_settings
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments import tasks as tasks_lib
from ofa_aec_tf.experiments.fold_runs import Ensemble
from ofa_aec_tf.experiments.fold_runs import Run
from ofa_aec_tf.experiments.reports import fold_report
from ofa_aec_tf.experiments.reports.fold_results import FoldResult
from ofa_aec_tf.experiments.run_settings import RunSettings
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.experiments.tasks import Task
from ofa_aec_tf.reports import document
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.training.stages import STAGES

_REPORT = "report"
_ALL = "all"
_DIGEST_CHARACTERS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossValidationSettings(RunSettings):
    """What is trained, and on which folds."""

    preprocess: str = setting(
        settings.REQUIRED,
        "Flagfile of data_pipeline.preprocess, for a source with folds. Which "
        "folds it names itself does not count.",
        is_path=True,
    )
    num_folds: int = setting(
        5, "Folds of the data, which are called 1, 2 and so on.", at_least=2
    )
    fold: tuple[str, ...] = setting(
        (_ALL,),
        f"Folds that test, such as 1,3; `{_ALL}` for each of them.",
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2), "Seeds of the trainings.", at_least=0
    )
    run: tuple[str, ...] = setting(
        (),
        "A training, NAME:FLAGFILE, with a flagfile of ofa_aec_tf.train; "
        "repeated. NAME:FLAGFILE:teacher=A+B learns from earlier ones, of the "
        "same fold and seed. Of a supernet :subnets=S+T, after the teachers, "
        "are cut out and evaluated: by default largest+smallest.",
        is_repeated=True,
    )
    ensemble: tuple[str, ...] = setting(
        (),
        "NAME:A+B, of which the mean of the scores is evaluated; repeated.",
        is_repeated=True,
    )
    title: str = setting("Cross-validation", "Title of the report.")

    def __post_init__(self):
        super().__post_init__()
        run_settings.check_distinct("seeds", self.seeds)
        self.folds()
        flagfiles.read(self.preprocess)
        self.ensembles()

    def folds(self) -> list[int]:
        """The folds that test."""
        every = [str(number) for number in range(1, self.num_folds + 1)]
        folds = every if self.fold == (_ALL,) else self.fold
        if not folds or not set(folds) <= set(every):
            raise ValueError(
                f"--fold is `{_ALL}` or some of {','.join(every)} (see "
                f"--num_folds). Received: {','.join(self.fold)}"
            )
        run_settings.check_distinct("fold", tuple(map(int, folds)))
        return sorted(map(int, folds))

    def runs(self) -> list[Run]:
        """The trainings."""
        return fold_runs.parse_runs(self.run)

    def ensembles(self) -> list[Ensemble]:
        """The ensembles of what is trained."""
        return fold_runs.parse_ensembles(self.ensemble, self.runs())

    def num_results(self) -> int:
        """Lines of the table of all results."""
        num_networks = sum(len(run.rows) for run in self.runs())
        num_networks += len(self.ensembles())
        return num_networks * len(self.folds()) * len(self.seeds)

    def facts(self, datasets: Mapping[int, DatasetInfo]) -> dict:
        """What the report says of how it was measured.

        Args:
            datasets: dict from a fold to the data in which it is the test
                split.
        """
        how_preprocessed = [
            text
            for text in flagfiles.read(self.preprocess)
            # Each fold has folds of its own.
            if not text.partition("=")[0].endswith("_folds")
        ]
        return {
            "Machine": machine.description(),
            "Versions": run_record.versions(),
            "Data, by the fold that tests": {
                str(fold): preprocessing.facts(dataset)
                for fold, dataset in datasets.items()
            },
            "Flags": {
                "preprocessing": " ".join(how_preprocessed),
                **{
                    run.name: " ".join(flagfiles.read(run.flagfile))
                    for run in self.runs()
                },
            },
            "Ensembles": {
                ensemble.name: ensemble.members for ensemble in self.ensembles()
            },
        }


def run(config: CrossValidationSettings) -> pathlib.Path:
    """Trains and evaluates all networks, and writes the report as it goes.

    Args:
        config: CrossValidationSettings.

    Returns:
        Path of the report.

    Raises:
        ValueError: if the data have other folds.
        SystemExit: with the status of a step that has failed.
    """
    with config.locked_directory() as directory:
        data, datasets = {}, {}
        for fold in config.folds():
            data_dir = _preprocess(config, fold)
            datasets[fold] = DatasetInfo.read(data_dir)
            data[fold] = Data(data_dir, datasets[fold].fingerprint)
            others = datasets[fold].source.get(OTHER_FOLDS)
            if others:
                raise ValueError(
                    f"The data have the folds {others} too, which would "
                    "neither train nor test. Folds are called 1, 2 and so on; "
                    f"how many there are says --num_folds={config.num_folds}."
                )
        facts = config.facts(datasets)

        def report(results):
            fold_report.write_report(
                directory / _REPORT,
                results,
                config.folds(),
                config.num_results(),
                facts,
                config.title,
            )

        planned = tasks(config.runs(), config.ensembles(), data, config.seeds)
        runner = StepRunner(directory, config.jobs)
        tasks_lib.measure_all(list(planned), runner, report)
    return directory / _REPORT / document.MARKDOWN_REPORT


def _preprocess(config, fold) -> pathlib.Path:
    """The directory of the data with one fold for testing."""
    others = [n for n in range(1, config.num_folds + 1) if n != fold]
    made = config.preprocessing(
        config.preprocess,
        f"--train_folds={','.join(map(str, others))}",
        "--validation_folds=",
        f"--test_folds={fold}",
        title=f"data of fold {fold}",
    )
    made.run()
    return made.data_dir


def tasks(
    runs: Sequence[Run],
    ensembles: Sequence[Ensemble],
    data: Mapping[int, Data],
    seeds: Sequence[int],
) -> Iterator[Task]:
    """What to measure: seed by seed, and within a seed fold by fold.

    Args:
        runs: sequence of Run, as `parse_runs` returns them.
        ensembles: sequence of Ensemble, of them.
        data: dict from a fold to the Data in which it is the test split.
        seeds: sequence of int.
    """
    for seed in seeds:
        for fold in data:
            where = f"fold {fold} seed {seed}"
            trained: dict[str, Output] = {}
            networks: dict[str, Output] = {}
            for run in runs:
                teachers = tuple(trained[name] for name in run.teachers)
                step = Step(
                    f"{run.name} {where}",
                    steps.TRAIN,
                    data[fold],
                    run.flagfile,
                    (
                        *((("teacher", teachers),) if teachers else ()),
                        ("seed", str(seed)),
                    ),
                )
                model = Output(step, STAGES[run.stage].file_name)
                trained[run.name] = model
                models = dict(zip(run.rows, _networks(run, model, where)))
                networks |= models
                yield _task(run, models, fold, seed, where)
            for ensemble in ensembles:
                members = [networks[name] for name in ensemble.members]
                yield _ensemble_task(ensemble, members, fold, seed, where)


def _networks(run, model, where) -> list[Output]:
    """The plain networks of a run: itself, or the subnets of a supernet."""
    if not run.is_supernet:
        return [model]
    return [
        Output(
            Step(
                f"{name} {where}",
                steps.MATERIALIZE,
                model.step.data,
                None,
                (("supernet", model), ("subnet", subnet)),
            ),
            steps.SUBNET,
        )
        for name, subnet in zip(run.rows, run.subnets)
    ]


def _task(run, models, fold, seed, where) -> Task:
    title = f"{run.name} {where}"
    step = steps.evaluation(f"evaluation {title}", list(models.values()))

    def measure(runner):
        for name, model in models.items():
            details, costs, metrics = tasks_lib.evaluated(runner, step, model)
            yield FoldResult(
                name,
                run.teachers,
                _network(details),
                fold,
                seed,
                costs,
                metrics,
            )

    return Task(title, step, measure)


def _ensemble_task(ensemble, members, fold, seed, where) -> Task:
    title = f"{ensemble.name} {where}"
    step = steps.evaluation(f"evaluation {title}", members, ensemble=True)

    def measure(runner):
        records = [tasks_lib.recorded(runner, member) for member in members]
        yield FoldResult(
            ensemble.name,
            (),
            " + ".join(sorted(_network(details) for details, _ in records)),
            fold,
            seed,
            {
                name: sum(costs[name] for _, costs in records)
                for name in tasks_lib.COSTS
            },
            tasks_lib.ensemble_metrics(runner, step),
        )

    return Task(title, step, measure)


def _network(details) -> str:
    """A name for the architecture that the record of a model describes."""
    family = dict(details["family"])
    # It depends on the loss, not on the architecture.
    family.pop("score_activation", None)
    # Different search spaces may contain the same subnet. Equal layers have
    # equal costs, and other layers hardly ever do.
    content = json.dumps(
        details["complexity"] if details["subnet"] else family, sort_keys=True
    )
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"{family['name']} {digest[:_DIGEST_CHARACTERS]}"
