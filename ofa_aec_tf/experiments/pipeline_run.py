"""A pipeline from audio to evaluated `.tflite` files."""

import dataclasses
import pathlib

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.run_settings import PREPROCESS
from ofa_aec_tf.experiments.run_settings import StagedRunSettings
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.nas.report import PARETO_REPORT
from ofa_aec_tf.reports import summary
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.stages import STAGES

_SUMMARY, _DATA = "summary.json", "data"
# Stages of every pipeline; each has a flagfile of this name.
_STAGES = ("teacher", "supernet", "search", "export")
_BASELINES = ("kd", "scratch")
# Formats in the summary. Export writes more.
_SUMMARY_MODES = ("float32", "int8")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineSettings(StagedRunSettings):
    """What a pipeline runs, and on which data."""

    flags_dir: str = setting(
        settings.REQUIRED,
        "Directory with teacher.cfg, supernet.cfg, search.cfg, export.cfg, and "
        "where they are needed preprocess.cfg and the baselines' files.",
        is_path=True,
    )
    labels_csv: str | None = setting(
        None, "Passed on to data_pipeline.preprocess.", is_path=True
    )
    overwrite_data: bool = setting(
        False,
        "Preprocess again in any case, and replace the data that are there: by "
        "default that is done when flags, tables or audio files have changed, "
        "but not when audio files are gone.",
    )
    baseline: tuple[str, ...] = setting(
        (),
        "Train the chosen architectures in another way too, for comparison: by "
        "distillation alone (kd) or on labels alone (scratch). May be "
        "repeated.",
        choices=_BASELINES,
        is_repeated=True,
    )
    seed: int = setting(0, "Seed of supernet and baselines.", at_least=0)
    skip_corrupt: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.overwrite_data:
            self._check_no_data_given("overwrite_data")

    def flagfile(self, name: str) -> pathlib.Path:
        """The flagfile of a stage.

        Raises:
            ValueError: if it is not there.
        """
        path = super().flagfile(name)
        if not path.is_file():
            raise ValueError(
                f"There is no {path}. Name a directory such as "
                "flags/quickstart."
            )
        return path

    def check_flagfiles(self) -> None:
        """Reads all flagfiles, so that a mistake is found before step one."""
        preprocess = [PREPROCESS] if self.data_dir is None else []
        for name in (*preprocess, *_STAGES, *self.baseline):
            flagfiles.read(self.flagfile(name))

    def preprocess_flags(self) -> dict[str, str]:
        """Flags to pass on to data_pipeline.preprocess."""
        labels = (
            {} if self.labels_csv is None else {"labels_csv": self.labels_csv}
        )
        return super().preprocess_flags() | labels


def run(config: PipelineSettings) -> None:
    """Runs all steps that are not done yet, and prints a summary.

    Args:
        config: PipelineSettings.

    Raises:
        ValueError: if a flagfile or the data are missing.
        SystemExit: with the status of a step that has failed.
    """
    config.check_flagfiles()
    with config.locked_directory() as directory:
        data_dir, seconds = config.make_data(_DATA, config.overwrite_data)
        data = Data(
            data_dir,
            DatasetInfo.read(data_dir).fingerprint,
            config.skip_corrupt,
        )
        runner = StepRunner(directory, config.jobs)
        _Pipeline(config, data, runner).run(seconds)


class _Pipeline:
    """The steps after preprocessing.

    Args:
        config: PipelineSettings.
        data: Data.
        runner: StepRunner.
    """

    def __init__(self, config: PipelineSettings, data: Data, runner):
        self._config = config
        self._data = data
        self._runner = runner

    def run(self, data_seconds: float) -> None:
        """Runs all steps, and prints where their results are."""
        teacher = self._training("teacher", "teacher", "teacher")
        supernet = self._training(
            "supernet", "supernet", "supernet", self._seed, teacher=teacher
        )
        search = Output(
            self._step(
                "search", "search", steps.SEARCH, "search", supernet=supernet
            ),
            PARETO_REPORT,
        )
        # The steps after the search depend on what it has found.
        self._run(teacher.step, supernet.step, search.step)
        subnets = self._materialized(supernet, search)
        models = {"ofa": subnets}
        for kind in dict.fromkeys(self._config.baseline):
            models[kind] = self._baselines(kind, teacher, subnets)
        evaluated = {"teacher": teacher}
        for kind, of_kind in models.items():
            evaluated |= self._exported(kind, of_kind)
        rows = self._summary(evaluated)
        seconds = data_seconds + self._runner.seconds
        directory = self._config.directory
        workdir.write_json(
            directory / _SUMMARY,
            {
                "seed": self._config.seed,
                "seconds": round(seconds, 1),
                "models": rows,
            },
        )
        print(f"\n{summary.summary_table(rows)}\n")
        print(f"done: {seconds:.0f} s in all steps")
        for what, path in (
            ("table", directory / _SUMMARY),
            (
                "Search report",
                self._runner.directory(search.step) / "report.html",
            ),
            ("Keras models", directory / "ofa"),
            ("TFLite files", directory / "export"),
        ):
            print(f"{what:<14}{path}")

    @property
    def _seed(self):
        return ("seed", str(self._config.seed))

    def _run(self, *wanted: Step) -> None:
        for step, is_new in self._runner.run(wanted):
            if not is_new:
                output = self._runner.output(step)
                print(f"== {step.title}: kept, in {output}", flush=True)

    def _step(
        self, title, place, command, flagfile, *arguments, **inputs
    ) -> Step:
        return Step(
            title,
            command,
            self._data,
            flagfile and self._config.flagfile(flagfile),
            (*arguments, *inputs.items()),
            place,
        )

    def _training(self, stage, place, title, *arguments, **inputs) -> Output:
        step = self._step(
            title, place, steps.TRAIN, stage, *arguments, **inputs
        )
        return Output(step, STAGES[stage].file_name)

    def _materialized(self, supernet, search) -> dict[str, Output]:
        """The chosen subnet of each budget, as a plain model."""
        step = self._step(
            "materialize",
            "ofa",
            steps.MATERIALIZE,
            None,
            supernet=supernet,
            pareto=search,
        )
        self._run(step)
        budgets = workdir.read_json(self._runner.path(search))["budgets"]
        names = [budget["name"] for budget in budgets if budget["chosen"]]
        return {name: Output(step, f"{name}/{steps.SUBNET}") for name in names}

    def _baselines(self, kind, teacher, subnets) -> dict[str, Output]:
        """Models with the architectures of the subnets, trained otherwise."""
        teachers = {"teacher": teacher} if kind == "kd" else {}
        record = workdir.record_path(steps.SUBNET).name
        models = {
            name: self._training(
                kind,
                f"{kind}/{name}",
                f"baseline {kind} {name}",
                self._seed,
                subnet=subnet.sibling(record),
                **teachers,
            )
            for name, subnet in subnets.items()
        }
        self._run(*(model.step for model in models.values()))
        return models

    def _exported(self, kind, models) -> dict[str, Output]:
        """Models and their `.tflite` files, by name."""
        step = self._step(
            f"export of {kind}",
            f"export/{kind}",
            steps.EXPORT,
            "export",
            model=tuple(models.values()),
        )
        # Never beside another step: it measures latencies.
        self._run(step)
        found = {}
        for name, model in models.items():
            found[f"{kind} {name}"] = model
            path = self._runner.path(model)
            # Export names the directory of a single model by its file.
            folder = path.stem if len(models) == 1 else path.parent.name
            for mode in _SUMMARY_MODES:
                # The data are log-mel spectrograms. Files that take raw
                # audio samples give the same scores.
                file = Output(
                    step, f"{folder}/{path.stem}_log_mel_{mode}.tflite"
                )
                if self._runner.path(file).is_file():
                    found[f"{kind} {name} {mode}"] = file
        return found

    def _summary(self, evaluated: dict[str, Output]) -> list[dict]:
        """A row for each model, with its metrics on the test split."""
        step = steps.evaluation(
            "evaluation on the test split", list(evaluated.values()), place="."
        )
        self._run(step)
        metrics = workdir.read_json(
            self._runner.path(Output(step, steps.METRICS_FILE))
        )
        paths = map(self._runner.path, evaluated.values())
        return [
            # By position: the paths are those of the call that evaluated.
            summary.summary_row(name, path, {str(path): values})
            for name, path, values in zip(evaluated, paths, metrics.values())
        ]
