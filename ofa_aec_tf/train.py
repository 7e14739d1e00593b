"""Command: trains a teacher, a supernet, a baseline, or fine-tunes a subnet.

python -m ofa_aec_tf.train --flagfile=flags/ofa.cfg
"""

import pathlib

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import network_flags
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.command_flags import training_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families import registry
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training import inputs as train_inputs
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.inputs import TrainInputs
from ofa_aec_tf.training.stages import STAGES

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    "Where the run records itself, saves its model, and resumes.",
    required=True,
)
_INPUTS = setting_flags.define(TrainInputs)
_DETERMINISTIC = flags.DEFINE_bool(
    "deterministic", False, "Repeatable bit for bit, and slower."
)


def _settings() -> tuple[TrainConfig, TrainInputs]:
    inputs = _INPUTS.values(
        stage=training_flags.stage(),
        initial_weights=network_flags.INITIAL_WEIGHTS.value,
    )
    config = training_flags.train_config(
        inputs.has_teacher, _SKIP_CORRUPT.value
    )
    return config, inputs


def _family_and_subnet(dataset, inputs):
    """The family to train, and its subnet or None for a supernet."""
    is_supernet = STAGES[inputs.stage].is_supernet
    if inputs.initial is not None:
        return _recorded(inputs.initial, dataset, is_supernet)
    if inputs.subnet.endswith(".json"):
        path = pathlib.Path(inputs.subnet).with_suffix(".keras")
        return _recorded(path, dataset)
    family = network_flags.family(dataset)
    if is_supernet:
        registry.check_is_elastic(family)
        return family, None
    if inputs.subnet == "largest":
        family.check_largest_is_whole()
    return family, family.search_space().parse(inputs.subnet)


def _recorded(model_path, dataset, is_supernet=False):
    """The family of a model's record, and its subnet or None."""
    train_inputs.check_model(model_path, dataset, is_supernet)
    details = ModelInfo.read(model_path).details
    if "family" not in details or ("subnet" not in details) != is_supernet:
        raise ValueError(
            f"The record of {model_path} names no subnet. Name a model that "
            "materialize, or train with --stage=teacher, kd, scratch or "
            "finetune, has written."
        )
    family = registry.family_from_json(details["family"])
    network_flags.check_agrees(family, model_path, dataset)
    if is_supernet:
        return family, None
    return family, family.search_space().subnet(details["subnet"])


def _how_to_go_on(path):
    """What else to do about other settings than those of a finished run."""
    if not path.is_file():
        return ""
    return (
        " To train its model further, name another --workdir and "
        f"--initial={path}."
    )


def main(unused_arguments):
    config, inputs = _settings()
    inputs.check_loss(config.loss)
    dataset = DatasetInfo.read(_DATA_DIR.value)
    train_inputs.check_data(dataset, config)
    for path in inputs.teacher:
        train_inputs.check_model(path, dataset)
    family, subnet = _family_and_subnet(dataset, inputs)
    # Not before: what has been checked, and --help, need no TensorFlow.
    from ofa_aec_tf.training import trainer
    from ofa_aec_tf.training.job import TrainingJob

    job = TrainingJob(
        config,
        inputs,
        _DATA_DIR.value,
        dataset,
        family,
        subnet,
        network_flags.training_options(family),
        _DETERMINISTIC.value,
    )
    path = trainer.model_path(job, _WORKDIR.value)
    identity = job.identity()
    pathlib.Path(_WORKDIR.value).mkdir(parents=True, exist_ok=True)
    with workdir.lock(_WORKDIR.value):
        run_record.start_run(
            _WORKDIR.value,
            identity,
            flagfiles.recorded(),
            has_results=trainer.has_results(job, _WORKDIR.value),
            further=_how_to_go_on(path),
        )
        trainer.train(job, _WORKDIR.value)
    print(f"wrote {path}")


if __name__ == "__main__":
    command_line.run(main)
