r"""Command: the whole way, from audio to evaluated `.tflite` files.

python -m ofa_aec_tf.pipeline --flags_dir=flags/quickstart \
    --workdir=runs/quickstart

Runs the other commands one after the other, each in a process of its own and
printed as it would be typed, with the flagfiles of one directory. Run again, it
goes on where it was: what is finished is kept, unless what it was made of has
changed.
"""

import pathlib

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.experiments import kept_data
from ofa_aec_tf.experiments import kept_steps
from ofa_aec_tf.nas import report
from ofa_aec_tf.reports import summary
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.stages import STAGES

_SUMMARY, _STEPS = "summary.json", "steps"
# What a search leaves for people and for what comes after it.
_SEARCH_RESULTS = (".json", ".csv", ".png", ".html")
# Those that each run has, by the names of their flagfiles.
_STAGES = ("teacher", "supernet", "search", "export")
_BASELINES = ("kd", "scratch")
# What a summary shows of each subnet; export writes more.
_SUMMARY_MODES = ("float32", "int8")

_FLAGS_DIR = path_flags.define_path(
    "flags_dir",
    None,
    "Directory with teacher.cfg, supernet.cfg, search.cfg, export.cfg, and "
    "where they are needed preprocess.cfg and the baselines' files.",
    required=True,
)
_WORKDIR = path_flags.define_path(
    "workdir", None, "Where everything goes.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir",
    None,
    "Data that is preprocessed already. By default preprocess.cfg is run.",
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_AUDIO_DIR = path_flags.define_path(
    "audio_dir", None, "Passed on to data_pipeline.preprocess."
)
_LABELS_CSV = path_flags.define_path(
    "labels_csv", None, "Passed on to data_pipeline.preprocess."
)
_OVERWRITE_DATA = flags.DEFINE_bool(
    "overwrite_data",
    False,
    "Preprocess again in any case, and replace the data that are there: by "
    "default that is done when flags, tables or audio files have changed, but "
    "not when audio files are gone.",
)
_BASELINE = flags.DEFINE_multi_enum(
    "baseline",
    [],
    _BASELINES,
    "Train the chosen architectures in another way too, for comparison: by "
    "distillation alone (kd) or on labels alone (scratch). May be repeated.",
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of supernet and baselines.", lower_bound=0
)


def _flagfile(name):
    path = pathlib.Path(_FLAGS_DIR.value) / f"{name}.cfg"
    if not path.is_file():
        raise ValueError(
            f"There is no {path}. Name a directory such as flags/quickstart."
        )
    return path


def _preprocess(directory):
    """The directory of the data, and the seconds that it took to make them."""
    if _DATA_DIR.value is not None:
        for flag in (_AUDIO_DIR, _LABELS_CSV, _OVERWRITE_DATA):
            if flag.present:
                raise ValueError(
                    f"--{flag.name} is for preprocessing, which --data_dir "
                    "leaves out. Give one or the other."
                )
        dataset_info.DatasetInfo.read(_DATA_DIR.value)
        return pathlib.Path(_DATA_DIR.value), 0.0
    data_dir = directory / "data"
    data = kept_data.KeptData(
        directory / _STEPS,
        data_dir,
        _flagfile("preprocess"),
        [
            f"--{flag.name}={flag.value}"
            for flag in (_AUDIO_DIR, _LABELS_CSV)
            if flag.value is not None
        ],
    )
    return data_dir, data.make(_OVERWRITE_DATA.value)


class _Pipeline:
    """The steps after preprocessing, each in its place.

    Args:
        directory: path of the working directory.
        data_dir: path of the data.
    """

    def __init__(self, directory, data_dir):
        self._directory = directory
        self._steps = kept_steps.KeptSteps(directory / _STEPS, data_dir)

    @property
    def seconds(self) -> float:
        """What the steps have taken, also those of earlier calls."""
        return self._steps.seconds

    def _run(
        self, name, title, module, flagfile, settings, inputs, output, results
    ):
        reading = [f"--{_SKIP_CORRUPT.name}"] if _SKIP_CORRUPT.value else []
        self._steps.run(
            kept_steps.KeptStep(
                name,
                title,
                f"ofa_aec_tf.{module}",
                flagfile and _flagfile(flagfile),
                (*reading, *settings),
                tuple(inputs.items()),
                output,
                results,
            )
        )

    def train(self, stage, place, title, seed=None, **inputs):
        """Trains a network; returns the path of its model.

        Args:
            stage: str, one of `STAGES`, with a flagfile.
            place: path in the working directory.
            title: str.
            seed: int or None.
            inputs: tuple of paths, by flag.
        """
        run_dir = self._directory / place
        model = run_dir / STAGES[stage].file_name
        self._run(
            str(place).replace("/", "_"),
            title,
            "train",
            stage,
            [] if seed is None else [f"--seed={seed}"],
            inputs,
            ("workdir", run_dir),
            lambda: [model, workdir.record_path(model)],
        )
        return model

    def search(self, supernet):
        """Searches a supernet; returns the path of the result."""
        search_dir = self._directory / "search"
        self._run(
            "search",
            "search",
            "search",
            "search",
            [],
            {"supernet": (supernet,)},
            ("workdir", search_dir),
            lambda: [
                path
                for path in sorted(search_dir.iterdir())
                if path.suffix in _SEARCH_RESULTS
            ],
        )
        return search_dir / report.PARETO_REPORT

    def materialize(self, supernet, pareto):
        """Cuts out what a search chose; returns the models by budget."""
        output_dir = self._directory / "ofa"
        self._run(
            "materialize",
            "materialize",
            "materialize",
            None,
            [],
            {"supernet": (supernet,), "pareto": (pareto,)},
            ("workdir", output_dir),
            lambda: sorted(output_dir.rglob("subnet.*")),
        )
        budgets = workdir.read_json(pareto)["budgets"]
        names = [budget["name"] for budget in budgets if budget["chosen"]]
        return {name: output_dir / name / "subnet.keras" for name in names}

    def train_baseline(self, kind, teacher, subnets):
        """Trains the architectures of `subnets` in another way."""
        teachers = {"teacher": (teacher,)} if kind == "kd" else {}
        return {
            name: self.train(
                kind,
                pathlib.Path(kind, name),
                f"baseline {kind} {name}",
                _SEED.value,
                subnet=(workdir.record_path(subnet),),
                **teachers,
            )
            for name, subnet in subnets.items()
        }

    def export(self, kind, models):
        """Exports models; returns `.keras` and `.tflite` files by name."""
        output_dir = self._directory / "export" / kind
        self._run(
            f"export_{kind}",
            f"export of {kind}",
            "export",
            "export",
            [],
            {"model": tuple(models.values())},
            ("output_dir", output_dir),
            lambda: sorted(p for p in output_dir.rglob("*") if p.is_file()),
        )
        paths = {}
        for name, model in models.items():
            paths[f"{kind} {name}"] = model
            # As export says: one model goes to the directory of its stem.
            subdirectory = model.stem if len(models) == 1 else model.parent.name
            for mode in _SUMMARY_MODES:
                # Those on log-mel spectrograms, as the data are; behind the
                # front end they give the same scores.
                file_name = f"{model.stem}_log_mel_{mode}.tflite"
                file = output_dir / subdirectory / file_name
                if file.is_file():
                    paths[f"{kind} {name} {mode}"] = file
        return paths

    def evaluate(self, paths):
        """Evaluates models; returns their metrics by path."""
        output = self._directory / "metrics.json"
        self._run(
            "evaluate",
            "evaluation on the test split",
            "evaluate",
            None,
            ["--split=test"],
            {"model": tuple(paths)},
            ("output", output),
            lambda: [output],
        )
        # An earlier call may have named the same files in another way.
        metrics = workdir.read_json(output).values()
        return {str(path): values for path, values in zip(paths, metrics)}


def main(unused_arguments):
    """Runs the command."""
    _check_flagfiles()
    directory = pathlib.Path(_WORKDIR.value)
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        _run_all(directory)


def _check_flagfiles():
    """Refuses flagfiles that cannot be read before the first step runs."""
    preprocess = ["preprocess"] if _DATA_DIR.value is None else []
    for name in (*preprocess, *_STAGES, *_BASELINE.value):
        flagfiles.read(_flagfile(name))


def _run_all(directory):
    data_dir, data_seconds = _preprocess(directory)
    pipeline = _Pipeline(directory, data_dir)
    teacher = pipeline.train("teacher", "teacher", "teacher")
    supernet = pipeline.train(
        "supernet", "supernet", "supernet", _SEED.value, teacher=(teacher,)
    )
    pareto = pipeline.search(supernet)
    subnets = pipeline.materialize(supernet, pareto)
    models = {"ofa": subnets}
    for kind in dict.fromkeys(_BASELINE.value):
        models[kind] = pipeline.train_baseline(kind, teacher, subnets)
    paths = {"teacher": teacher}
    for kind, kind_models in models.items():
        paths |= pipeline.export(kind, kind_models)
    metrics = pipeline.evaluate(paths.values())
    rows = [
        summary.summary_row(name, path, metrics) for name, path in paths.items()
    ]
    seconds = data_seconds + pipeline.seconds
    workdir.write_json(
        directory / _SUMMARY,
        {"seed": _SEED.value, "seconds": round(seconds, 1), "models": rows},
    )
    print(f"\n{summary.summary_table(rows)}\n")
    print(f"done: {seconds:.0f} s in all steps")
    for what, path in (
        ("table", directory / _SUMMARY),
        ("Search report", pareto.parent / "report.html"),
        ("Keras models", directory / "ofa"),
        ("TFLite files", directory / "export"),
    ):
        print(f"{what:<14}{path}")


if __name__ == "__main__":
    command_line.run(main)
