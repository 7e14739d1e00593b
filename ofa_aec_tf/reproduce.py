r"""Command: the paper's tables and figures, from one flagfile.

python -m ofa_aec_tf.reproduce --flagfile=flags/paper/esc10.cfg \
    --audio_dir=ESC10 --workdir=runs/paper/esc10

Runs what the experiments need, each thing once, and writes the report again
after everything that was measured. Run again after an interruption, it goes on
where it was.
"""

import pathlib
import re

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import run_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.experiments import datasets
from ofa_aec_tf.experiments import experiments
from ofa_aec_tf.experiments import measuring
from ofa_aec_tf.experiments import plan as plans
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.reports import measurements
from ofa_aec_tf.experiments.reports import paper_report
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.reports import document
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_REPORT, _STEPS = "report", "steps"
_PREPROCESS = "preprocess.cfg"
_BASELINE_FORM = re.compile(
    r"(?P<name>[^:]+):width=(?P<width>\d+(\.\d+)?),depth=(?P<depth>\d+)"
)

_FLAGS_DIR = path_flags.define_path(
    "flags_dir",
    None,
    "Directory with teacher.cfg, supernet.cfg, scratch.cfg, kd.cfg, "
    "finetune_short.cfg, finetune_long.cfg, search.cfg, and preprocess.cfg "
    "where there is no --data_dir.",
    required=True,
)
_WORKDIR = run_flags.define_workdir()
_DATA_DIR = path_flags.define_path(
    "data_dir",
    None,
    "Data that is preprocessed already. By default preprocess.cfg is run.",
)
_AUDIO_DIR = path_flags.define_path(
    "audio_dir", None, "Passed on to data_pipeline.preprocess."
)
_TITLE = flags.DEFINE_string(
    "title", "Reproduction of the paper", "Title of the report."
)
_EXPERIMENTS = flags.DEFINE_list(
    "experiments",
    list(measurements.EXPERIMENTS),
    f"What to do, of {', '.join(measurements.EXPERIMENTS)}.",
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "Seeds of what the paper's claims rest on."
)
_ABLATION_SEEDS = flags.DEFINE_list(
    "ablation_seeds", ["0"], "Seeds of the rest, some of --seeds."
)
_BUDGET = flags.DEFINE_multi_string(
    "budget",
    [],
    "A budget of the paper, such as `0.9M:parameters=0.9M+-0.1M`; repeated.",
)
_BASELINE = flags.DEFINE_multi_string(
    "baseline",
    [],
    "The uniform network that is trained alone for a budget, such as "
    "`0.9M:width=0.6,depth=1`; repeated.",
)
_JOBS = run_flags.define_jobs()


def _checked_experiments():
    unknown = sorted(set(_EXPERIMENTS.value) - set(measurements.EXPERIMENTS))
    if unknown or not _EXPERIMENTS.value:
        raise ValueError(
            "--experiments are of "
            f"{', '.join(measurements.EXPERIMENTS)}. Received: {unknown}"
        )
    return _EXPERIMENTS.value


def _baselines(names):
    baselines = {}
    for text in _BASELINE.value:
        match = _BASELINE_FORM.fullmatch(text)
        if match is None or match["name"] not in names:
            raise ValueError(
                "A --baseline is written `name:width=0.6,depth=1`, with the "
                f"name of a --budget, of {sorted(names)}. Received: {text!r}"
            )
        if match["name"] in baselines:
            raise ValueError(
                f"Give one --baseline for {match['name']!r}. Received two."
            )
        baselines[match["name"]] = float(match["width"]), int(match["depth"])
    return baselines


def _data_dir(directory):
    audio_dir = _AUDIO_DIR.value
    if _DATA_DIR.value is not None:
        if audio_dir is not None:
            raise ValueError(
                "--audio_dir is for preprocessing, which --data_dir leaves "
                "out. Give one or the other."
            )
        return pathlib.Path(_DATA_DIR.value)
    flagfile = pathlib.Path(_FLAGS_DIR.value) / _PREPROCESS
    return datasets.preprocessed(directory, flagfile, audio_dir)


def _facts(dataset):
    return {
        "Machine": machine.description(),
        "Versions": run_record.versions(),
        "Data": datasets.facts(dataset),
        "Flags of the stages": {
            path.name: " ".join(flagfiles.read(path))
            for path in sorted(pathlib.Path(_FLAGS_DIR.value).glob("*.cfg"))
            if _DATA_DIR.value is None or path.name != _PREPROCESS
        },
    }


def _checked_flags():
    """Budgets, baselines, experiments and both lists of seeds."""
    wanted = budgets.parse_budgets(_BUDGET.value)
    if not wanted:
        raise ValueError("Give a --budget for each size of the tables.")
    baselines = _baselines([budget.name for budget in wanted])
    seeds, ablation_seeds = (
        run_flags.distinct_numbers(_SEEDS),
        run_flags.distinct_numbers(_ABLATION_SEEDS),
    )
    if not set(ablation_seeds) <= set(seeds):
        raise ValueError(
            "--ablation_seeds are some of --seeds. Received: "
            f"{ablation_seeds} and {seeds}"
        )
    return wanted, baselines, _checked_experiments(), seeds, ablation_seeds


def planned_cells(num_classes, num_frames, num_mel_bins=64):
    """What the flags ask for.

    Args:
        num_classes: int. Of the data.
        num_frames: int. Of a clip of the data.
        num_mel_bins: int. The same.

    Returns:
        list of Cell.

    Raises:
        ValueError: if a flag is wrong, or a flagfile is missing.
    """
    wanted, baselines, names, seeds, ablation_seeds = _checked_flags()
    plan = plans.Plan(
        plans.Settings(
            pathlib.Path(_FLAGS_DIR.value),
            wanted,
            baselines,
            num_classes,
            num_frames,
            num_mel_bins,
        )
    )
    cells = list(experiments.cells(plan, names, seeds, ablation_seeds))
    for cell in cells:
        # Reads the flagfiles of all steps before the first one runs.
        _ = cell.step.identity
    return cells


def main(unused_arguments):
    """Runs the command."""
    # Before data are made, which takes longer.
    _checked_flags()
    directory = pathlib.Path(_WORKDIR.value)
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        data_dir = _data_dir(directory)
        dataset = dataset_info.DatasetInfo.read(data_dir)
        cells = planned_cells(
            len(dataset.class_map),
            dataset.num_frames,
            dataset.frontend.num_mel_bins,
        )
        runner = steps.StepRunner(
            directory / _STEPS, data_dir, dataset.fingerprint
        )
        facts = _facts(dataset)

        def report(measured):
            paper_report.write_report(
                directory / _REPORT, measured, facts, _TITLE.value
            )

        measuring.measure_all(
            [(runner, cell) for cell in cells], _JOBS.value, report
        )
    print(f"wrote {directory / _REPORT / document.MARKDOWN_REPORT}")


if __name__ == "__main__":
    command_line.run(main)
