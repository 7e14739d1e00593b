"""A reproduction of the paper's tables and figures."""

import dataclasses
import pathlib
import re

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import paper_experiments
from ofa_aec_tf.experiments import preprocessing
from ofa_aec_tf.experiments import run_settings
from ofa_aec_tf.experiments.paper_steps import PaperSteps
from ofa_aec_tf.experiments.reports import measurements
from ofa_aec_tf.experiments.reports import paper_report
from ofa_aec_tf.experiments.run_settings import PREPROCESS
from ofa_aec_tf.experiments.run_settings import StagedRunSettings
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.tasks import Task
from ofa_aec_tf.experiments.tasks import measure_all
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.reports import document
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record

_REPORT = "report"
_BASELINE_FORM = re.compile(
    r"(?P<name>[^:]+):width=(?P<width>\d+(\.\d+)?),depth=(?P<depth>\d+)"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproductionSettings(StagedRunSettings):
    """What is reproduced, and on which data."""

    flags_dir: str = setting(
        settings.REQUIRED,
        "Directory with teacher.cfg, supernet.cfg, scratch.cfg, kd.cfg, "
        "finetune_short.cfg, finetune_long.cfg, search.cfg, and preprocess.cfg "
        "where there is no --data_dir.",
        is_path=True,
    )
    title: str = setting("Reproduction of the paper", "Title of the report.")
    experiments: tuple[str, ...] = setting(
        measurements.EXPERIMENTS,
        f"What to do, of {', '.join(measurements.EXPERIMENTS)}.",
        choices=measurements.EXPERIMENTS,
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2), "Seeds of what the paper's claims rest on.", at_least=0
    )
    ablation_seeds: tuple[int, ...] = setting(
        (0,), "Seeds of the rest, some of --seeds.", at_least=0
    )
    budget: tuple[str, ...] = setting(
        (),
        "A budget of the paper, such as `0.9M:parameters=0.9M+-0.1M`; "
        "repeated.",
        is_repeated=True,
    )
    baseline: tuple[str, ...] = setting(
        (),
        "The uniform network that is trained alone for a budget, such as "
        "`0.9M:width=0.6,depth=1`; repeated.",
        is_repeated=True,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.budget:
            raise ValueError("Give a --budget for each size of the tables.")
        self.baselines()
        if not self.experiments:
            raise ValueError(
                "--experiments are some of "
                f"{', '.join(measurements.EXPERIMENTS)}. Received: none"
            )
        for name in ("seeds", "ablation_seeds"):
            run_settings.check_distinct(name, getattr(self, name))
        if not set(self.ablation_seeds) <= set(self.seeds):
            raise ValueError(
                "--ablation_seeds are some of --seeds. Received: "
                f"{list(self.ablation_seeds)} and {list(self.seeds)}"
            )

    def budgets(self) -> list[Budget]:
        """The budgets of the paper."""
        return parse_budgets(self.budget)

    def baselines(self) -> dict[str, tuple[float, int]]:
        """The width and the depth of the baselines, by budget."""
        names = [budget.name for budget in self.budgets()]
        found = {}
        for text in self.baseline:
            match = _BASELINE_FORM.fullmatch(text)
            if match is None or match["name"] not in names:
                raise ValueError(
                    "A --baseline is written `name:width=0.6,depth=1`, with "
                    f"the name of a --budget, of {sorted(names)}. Received: "
                    f"{text!r}"
                )
            if match["name"] in found:
                raise ValueError(
                    f"Give one --baseline for {match['name']!r}. Received two."
                )
            found[match["name"]] = float(match["width"]), int(match["depth"])
        return found

    def facts(self, dataset: DatasetInfo) -> dict:
        """How it was measured, for the report."""
        files = sorted(pathlib.Path(self.flags_dir).glob("*.cfg"))
        if self.data_dir is not None:
            files = [path for path in files if path.stem != PREPROCESS]
        return {
            "Machine": machine.description(),
            "Versions": run_record.versions(),
            "Data": preprocessing.facts(dataset),
            "Flags of the stages": {
                path.name: " ".join(flagfiles.read(path)) for path in files
            },
        }


def tasks(
    config: ReproductionSettings, data: Data, shape: tuple[int, int, int]
) -> list[Task]:
    """What to measure.

    Args:
        config: ReproductionSettings.
        data: Data.
        shape: tuple of int: the classes of these data, and the frames and the
            mel bands of a clip.

    Raises:
        ValueError: if a flagfile is missing or wrong.
    """
    paper = PaperSteps(
        pathlib.Path(config.flags_dir),
        config.budgets(),
        config.baselines(),
        data,
        shape,
    )
    found = list(
        paper_experiments.tasks(
            paper, config.experiments, config.seeds, config.ablation_seeds
        )
    )
    for task in found:
        # Reads all flagfiles, so that mistakes are found before step one.
        _ = task.step.identity
    return found


def run(config: ReproductionSettings) -> pathlib.Path:
    """Runs what the experiments need, and writes the report as it goes.

    Args:
        config: ReproductionSettings.

    Returns:
        Path of the report.

    Raises:
        ValueError: if a flagfile or the data are missing or wrong.
        SystemExit: with the status of a step that has failed.
    """
    with config.locked_directory() as directory:
        data_dir, _ = config.make_data()
        dataset = DatasetInfo.read(data_dir)
        shape = (
            len(dataset.class_map),
            dataset.num_frames,
            dataset.frontend.num_mel_bins,
        )
        planned = tasks(config, Data(data_dir, dataset.fingerprint), shape)
        facts = config.facts(dataset)

        def report(measured):
            paper_report.write_report(
                directory / _REPORT, measured, facts, config.title
            )

        measure_all(planned, StepRunner(directory, config.jobs), report)
    return directory / _REPORT / document.MARKDOWN_REPORT
