r"""Command: cuts subnets out of a supernet as plain Keras models.

python -m ofa_aec_tf.materialize --supernet=runs/ofa/supernet.keras \
    --data_dir=data --pareto=runs/search/pareto.json --workdir=runs/subnets
"""

import json
import pathlib

import numpy as np
from absl import flags

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.command_flags import calibration_flags
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_MODEL_NAME = "subnet.keras"
_NUM_PARITY_CLIPS = 16
# Of logits; float32 rounding alone gives about 1e-6.
_MAX_LOGIT_DIFFERENCE = 1e-4

_SUPERNET = path_flags.define_path(
    "supernet", None, "The `supernet.keras` to cut from.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir",
    None,
    "Directory of data_pipeline.preprocess; its training split gives the "
    "batch normalization statistics.",
    required=True,
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    f"Where to write {_MODEL_NAME}; with --pareto, into a sub-directory for "
    "each budget.",
    required=True,
)
_SUBNET = flags.DEFINE_string(
    "subnet",
    None,
    "Which subnet: `smallest`, `largest`, choices such as `width=0.8,depth=2`, "
    "or a JSON object of them.",
)
_PARETO = path_flags.define_path(
    "pareto",
    None,
    "The `pareto.json` of a search: the subnets that it chose for its budgets.",
)
_NUM_CALIBRATION_CLIPS, _BATCH_SIZE, _SEED = (
    calibration_flags.define_calibration()
)

# With --pareto, by default those of the search. The size of batches is none of
# them: it does not change the statistics.
_CALIBRATION_FLAGS = (_NUM_CALIBRATION_CLIPS, _SEED)
_CALIBRATION = tuple(flag.name for flag in _CALIBRATION_FLAGS)


def _check_search(chosen, calibration):
    for name in chosen:
        # Each is a directory in that of this run.
        if not json_kinds.is_file_name(name):
            raise ValueError(f"a budget has the name {name!r}")
    for name, value in calibration.items():
        if not json_kinds.is_count(value):
            raise ValueError(f"{name} is {value!r}")


def _read_search(space, identity):
    """The subnets that a search chose, by budget, and its calibration."""
    path = pathlib.Path(_PARETO.value)
    if not path.is_file():
        raise ValueError(
            f"There is no search result {path}. Make it with `python -m "
            "ofa_aec_tf.search`."
        )
    results = workdir.read_json(path)
    try:
        recorded = results["identity"]
        chosen = {
            budget["name"]: space.subnet(budget["chosen"]["subnet"])
            for budget in results["budgets"]
            if budget["chosen"]
        }
        calibration = {name: recorded[name] for name in _CALIBRATION}
        _check_search(chosen, calibration)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not the `pareto.json` of a search: {error!r}."
        ) from error
    for name, value in identity.items():
        if recorded.get(name) != value:
            raise ValueError(
                f"{path} is the result of another search: its {name} is "
                f"{recorded.get(name)}, that of the files given is {value}. "
                "Search again, or name the files that it was made with."
            )
    if not chosen:
        raise ValueError(
            f"{path} chose no subnet. Search again with --budget, or name a "
            "--subnet."
        )
    return chosen, calibration


def _plan(space, identity):
    """Directories with their subnets, and the calibration."""
    directory = pathlib.Path(_WORKDIR.value)
    if (_SUBNET.value is None) == (_PARETO.value is None):
        raise ValueError("Give either --subnet or --pareto.")
    calibration = {flag.name: flag.value for flag in _CALIBRATION_FLAGS}
    if _SUBNET.value is not None:
        return {directory: space.parse(_SUBNET.value)}, calibration
    chosen, searched = _read_search(space, identity)
    for flag in _CALIBRATION_FLAGS:
        if not flag.present:
            calibration[flag.name] = searched[flag.name]
    return {directory / name: s for name, s in chosen.items()}, calibration


def _is_finished(path, record):
    """Whether a model is there that this would make once more."""
    try:
        found = dict(ModelInfo.read(path).to_json()["details"])
    except ValueError:
        return False
    found.pop("max_logit_difference", None)
    return found == json.loads(json.dumps(record.to_json()["details"]))


def _materialize(supernet, subnet, calibration_clips):
    """The plain model, and how far its logits are from the supernet's."""
    moments = batch_norm_calibration.calibrate(
        supernet,
        subnet,
        batch_norm_calibration.split_into_batches(
            calibration_clips, _BATCH_SIZE.value
        ),
    )
    model = materialize_subnet(supernet, subnet, moments)
    clips = calibration_clips[:_NUM_PARITY_CLIPS]
    expected = supernet.predict_logits(clips, subnet, moments)
    logits = logits_model(model).predict(clips, verbose=0)
    difference = float(np.abs(expected - logits).max())
    if not difference <= _MAX_LOGIT_DIFFERENCE:
        raise ValueError(
            f"The plain model of {subnet} gives logits that differ by "
            f"{difference:.1e} from the supernet's; expected at most "
            f"{_MAX_LOGIT_DIFFERENCE:.0e}. Are its weights finite?"
        )
    return model, difference


def main(unused_arguments):
    """Runs the command."""
    dataset = DatasetInfo.read(_DATA_DIR.value)
    info = ModelInfo.read(_SUPERNET.value)
    info.check_matches(dataset)
    supernet = load_supernet(_SUPERNET.value)
    identity = {
        "supernet_digest": workdir.file_digest(_SUPERNET.value),
        "data_fingerprint": dataset.fingerprint,
    }
    wanted, calibration = _plan(supernet.family.search_space(), identity)
    for directory in wanted:
        workdir.check_writable(directory / _MODEL_NAME)
    run_record.start_run(
        _WORKDIR.value,
        {
            **identity,
            **calibration,
            "skip_corrupt": _SKIP_CORRUPT.value,
            "subnets": {
                str(directory.relative_to(_WORKDIR.value)): dict(subnet)
                for directory, subnet in wanted.items()
            },
        },
        flagfiles.recorded(),
        has_results=False,
    )
    calibration_clips, _, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        "train",
        max_clips=calibration["num_calibration_clips"],
        seed=calibration["seed"],
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    for directory, subnet in wanted.items():
        path = directory / _MODEL_NAME
        complexity = supernet.family.complexity(subnet, dataset.num_frames)
        record = info.with_details(
            stage="materialized",
            subnet=dict(subnet),
            complexity=complexity.to_json(),
            supernet_digest=identity["supernet_digest"],
            calibration={
                "split": "train",
                "num_clips": len(calibration_clips),
                "statistics": batch_norm_calibration.DEFINITION,
                **calibration,
            },
        )
        is_finished = _is_finished(path, record)
        if not is_finished:
            model, difference = _materialize(
                supernet, subnet, calibration_clips
            )
            directory.mkdir(parents=True, exist_ok=True)
            save_keras_file(model, path)
            # After the model: where there is a record, it is of this one.
            record.with_details(max_logit_difference=difference).write(path)
        print(
            f"{'kept' if is_finished else 'wrote'} {path}: "
            f"{complexity.parameters:,} parameters, "
            f"{complexity.macs / 1e6:,.1f} MMAC, {subnet}",
            flush=True,
        )


if __name__ == "__main__":
    command_line.run(main)
