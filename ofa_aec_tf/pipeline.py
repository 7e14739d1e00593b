r"""Command: the whole way, from audio to evaluated `.tflite` files.

python -m ofa_aec_tf.pipeline --flags_dir=flags/quickstart \
    --workdir=runs/quickstart

Runs the other commands one after the other, each in a process of its own and
printed as it would be typed, with the flagfiles of one directory. Run again
after an interruption, it goes on where it was.
"""

import pathlib
import time

from absl import flags

from ofa_aec_tf import child_commands
from ofa_aec_tf import command_line
from ofa_aec_tf import path_flags
from ofa_aec_tf import workdir
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import reading_flags
from ofa_aec_tf.reporting import summary

_SUMMARY = "summary.json"
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
    return f"--flagfile={path}"


def _preprocess(directory):
    if _DATA_DIR.value is not None:
        for flag in (_AUDIO_DIR, _LABELS_CSV):
            if flag.value is not None:
                raise ValueError(
                    f"--{flag.name} is for preprocessing, which --data_dir "
                    "leaves out. Give one or the other."
                )
        dataset_info.DatasetInfo.read(_DATA_DIR.value)
        return pathlib.Path(_DATA_DIR.value)
    data_dir = directory / "data"
    passed_on = [
        f"--{flag.name}={flag.value}"
        for flag in (_AUDIO_DIR, _LABELS_CSV)
        if flag.value is not None
    ]
    child_commands.call(
        "data",
        "data_pipeline.preprocess",
        _flagfile("preprocess"),
        *passed_on,
        f"--output_dir={data_dir}",
    )
    return data_dir


def _train_baseline(kind, directory, data, teacher, subnets):
    """Trains the architectures of `subnets` in another way."""
    paths = {}
    for name, subnet in subnets.items():
        run_dir = directory / kind / name
        child_commands.call(
            f"baseline {kind} {name}",
            "ofa_aec_tf.train",
            _flagfile(kind),
            *data,
            f"--workdir={run_dir}",
            f"--subnet={subnet.with_suffix('.json')}",
            f"--seed={_SEED.value}",
            *([f"--teacher={teacher}"] if kind == "kd" else []),
        )
        paths[name] = run_dir / "subnet.keras"
    return paths


def _export(kind, directory, data, models):
    """Exports models; returns all files, `.keras` and `.tflite`, by name."""
    output_dir = directory / "export" / kind
    child_commands.call(
        f"export of {kind}",
        "ofa_aec_tf.export",
        _flagfile("export"),
        *data,
        f"--model={','.join(map(str, models.values()))}",
        f"--output_dir={output_dir}",
    )
    paths = {}
    for name, model in models.items():
        paths[f"{kind} {name}"] = model
        # As export says: one model goes to the directory of its stem.
        subdirectory = model.stem if len(models) == 1 else model.parent.name
        for mode in _SUMMARY_MODES:
            # Those on log-mel spectrograms, as the data are; behind the front
            # end they give the same scores.
            file_name = f"{model.stem}_log_mel_{mode}.tflite"
            file = output_dir / subdirectory / file_name
            if file.is_file():
                paths[f"{kind} {name} {mode}"] = file
    return paths


def main(unused_arguments):
    """Runs the command."""
    start = time.monotonic()
    directory = pathlib.Path(_WORKDIR.value)
    data_dir = _preprocess(directory)
    data = [f"--data_dir={data_dir}"]
    if _SKIP_CORRUPT.value:
        data.append(f"--{_SKIP_CORRUPT.name}")
    child_commands.call(
        "teacher",
        "ofa_aec_tf.train",
        _flagfile("teacher"),
        *data,
        f"--workdir={directory / 'teacher'}",
    )
    teacher = directory / "teacher" / "teacher.keras"
    child_commands.call(
        "supernet",
        "ofa_aec_tf.train",
        _flagfile("supernet"),
        *data,
        f"--teacher={teacher}",
        f"--workdir={directory / 'supernet'}",
        f"--seed={_SEED.value}",
    )
    supernet = f"--supernet={directory / 'supernet' / 'supernet.keras'}"
    search_dir = directory / "search"
    child_commands.call(
        "search",
        "ofa_aec_tf.search",
        _flagfile("search"),
        supernet,
        *data,
        f"--workdir={search_dir}",
    )
    pareto = search_dir / "pareto.json"
    child_commands.call(
        "materialize",
        "ofa_aec_tf.materialize",
        supernet,
        *data,
        f"--pareto={pareto}",
        f"--workdir={directory / 'ofa'}",
    )
    names = [b["name"] for b in workdir.read_json(pareto)["budgets"]]
    subnets = {n: directory / "ofa" / n / "subnet.keras" for n in names}
    models = {"ofa": subnets}
    for kind in dict.fromkeys(_BASELINE.value):
        models[kind] = _train_baseline(kind, directory, data, teacher, subnets)
    paths = {"teacher": teacher}
    for kind, kind_models in models.items():
        paths |= _export(kind, directory, data, kind_models)
    metrics_path = directory / "metrics.json"
    child_commands.call(
        "evaluation on the test split",
        "ofa_aec_tf.evaluate",
        *data,
        "--split=test",
        f"--model={','.join(map(str, paths.values()))}",
        f"--output={metrics_path}",
    )
    metrics = workdir.read_json(metrics_path)
    rows = [
        summary.summary_row(name, path, metrics) for name, path in paths.items()
    ]
    seconds = time.monotonic() - start
    workdir.write_json(
        directory / _SUMMARY,
        {"seed": _SEED.value, "seconds": round(seconds, 1), "models": rows},
    )
    print(f"\n{summary.summary_table(rows)}\n")
    print(f"done in {seconds:.0f} s")
    for what, path in (
        ("table", directory / _SUMMARY),
        ("Search report", search_dir / "report.html"),
        ("Keras models", directory / "ofa"),
        ("TFLite files", directory / "export"),
    ):
        print(f"{what:<14}{path}")


if __name__ == "__main__":
    command_line.run(main)
