r"""Command: networks over all folds of a data set, and what teaches what.

python -m ofa_aec_tf.cross_validate --flagfile=flags/esc10/folds.cfg \
    --audio_dir=ESC10 --workdir=runs/esc10/folds

Each fold tests what all others have trained. The report is written again after
everything that was measured. Run again after an interruption, it goes on where
it was.
"""

import dataclasses
import pathlib

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import run_flags
from ofa_aec_tf.data.dataset_info import OTHER_FOLDS
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import cross_validation
from ofa_aec_tf.experiments import datasets
from ofa_aec_tf.experiments import measuring
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.reports import fold_report
from ofa_aec_tf.reports import document
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_REPORT, _STEPS = "report", "steps"
_ALL = "all"

_WORKDIR = run_flags.define_workdir()
_PREPROCESS = path_flags.define_path(
    "preprocess",
    None,
    "Flagfile of data_pipeline.preprocess, for a source with folds. Which "
    "folds it names itself does not count.",
    required=True,
)
_AUDIO_DIR = path_flags.define_path(
    "audio_dir", None, "Passed on to data_pipeline.preprocess."
)
_NUM_FOLDS = flags.DEFINE_integer(
    "num_folds",
    5,
    "Folds of the data, which are called 1, 2 and so on.",
    lower_bound=2,
)
_FOLD = flags.DEFINE_list(
    "fold", [_ALL], "Folds that test, such as 1,3; `all` for each of them."
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the trainings.")
_RUN = flags.DEFINE_multi_string(
    "run",
    [],
    "A training, NAME:FLAGFILE, with a flagfile of ofa_aec_tf.train; repeated. "
    "NAME:FLAGFILE:teacher=A+B learns from earlier ones, of the same fold and "
    "seed. Of a supernet :subnets=S+T, after the teachers, are cut out and "
    "evaluated: by default largest+smallest.",
)
_ENSEMBLE = flags.DEFINE_multi_string(
    "ensemble",
    [],
    "NAME:A+B, of which the mean of the scores is evaluated; repeated.",
)
_JOBS = run_flags.define_jobs()
_TITLE = flags.DEFINE_string(
    "title", "Cross-validation", "Title of the report."
)


def _folds():
    every = list(range(1, _NUM_FOLDS.value + 1))
    if _FOLD.value == [_ALL]:
        return every
    folds = run_flags.distinct_numbers(_FOLD)
    if not set(folds) <= set(every):
        raise ValueError(
            f"--fold is `{_ALL}` or some of {every} (see --num_folds). "
            f"Received: {','.join(_FOLD.value)}"
        )
    return sorted(folds)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the flags ask for.

    Args:
        runs: list of Run.
        ensembles: list of Ensemble.
        folds: list of int.
        seeds: list of int.
    """

    runs: list[cross_validation.Run]
    ensembles: list[cross_validation.Ensemble]
    folds: list[int]
    seeds: list[int]

    @property
    def num_results(self) -> int:
        """Lines of the table of all results."""
        num_rows = sum(len(run.rows) for run in self.runs)
        num_networks = num_rows + len(self.ensembles)
        return num_networks * len(self.folds) * len(self.seeds)

    def cells(self):
        """What to measure, a list of tuples of a fold and a Cell."""
        return list(
            cross_validation.cells(
                self.runs, self.ensembles, self.folds, self.seeds
            )
        )


def read_plan():
    """The Plan of the flags.

    Raises:
        ValueError: if a flag is wrong, or a flagfile is missing.
    """
    flagfiles.read(_PREPROCESS.value)
    runs = cross_validation.parse_runs(_RUN.value)
    return Plan(
        runs,
        cross_validation.parse_ensembles(_ENSEMBLE.value, runs),
        _folds(),
        run_flags.distinct_numbers(_SEEDS),
    )


def _data_dir(directory, fold):
    """The data of which a fold is the test and all others train."""
    others = [n for n in range(1, _NUM_FOLDS.value + 1) if n != fold]
    return datasets.preprocessed(
        directory,
        _PREPROCESS.value,
        _AUDIO_DIR.value,
        (
            f"--train_folds={','.join(map(str, others))}",
            "--validation_folds=",
            f"--test_folds={fold}",
        ),
        f"data of fold {fold}",
    )


def _facts(data, plan):
    preprocessing = [
        text
        for text in flagfiles.read(_PREPROCESS.value)
        # They do not count.
        if not text.partition("=")[0].endswith("_folds")
    ]
    return {
        "Machine": machine.description(),
        "Versions": run_record.versions(),
        "Data, by the fold that tests": {
            str(fold): datasets.facts(dataset) for fold, dataset in data.items()
        },
        "Flags": {
            "preprocessing": " ".join(preprocessing),
            **{
                run.name: " ".join(flagfiles.read(run.flagfile))
                for run in plan.runs
            },
        },
        "Ensembles": {
            ensemble.name: ensemble.members for ensemble in plan.ensembles
        },
    }


def main(unused_arguments):
    """Runs the command."""
    # Before data are made, which takes longer.
    plan = read_plan()
    directory = pathlib.Path(_WORKDIR.value)
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        runners, data = {}, {}
        for fold in plan.folds:
            data_dir = _data_dir(directory, fold)
            data[fold] = DatasetInfo.read(data_dir)
            others = data[fold].source.get(OTHER_FOLDS)
            if others:
                raise ValueError(
                    f"The data have the folds {others} too, which would "
                    "neither train nor test. Folds are called 1, 2 and so on; "
                    f"how many there are says --num_folds={_NUM_FOLDS.value}."
                )
            runners[fold] = steps.StepRunner(
                directory / _STEPS, data_dir, data[fold].fingerprint
            )
        facts = _facts(data, plan)

        def report(results):
            fold_report.write_report(
                directory / _REPORT,
                results,
                plan.folds,
                plan.num_results,
                facts,
                _TITLE.value,
            )

        measuring.measure_all(
            [(runners[fold], cell) for fold, cell in plan.cells()],
            _JOBS.value,
            report,
        )
    print(f"wrote {directory / _REPORT / document.MARKDOWN_REPORT}")


if __name__ == "__main__":
    command_line.run(main)
