"""Command: trains a teacher, a supernet, a baseline, or fine-tunes a subnet.

python -m ofa_aec_tf.train --flagfile=flags/ofa.cfg
"""

import json
import pathlib

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import network_flags
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import training_flags
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.stored_logits import StoredLogits
from ofa_aec_tf.families import registry
from ofa_aec_tf.runs import quiet_tensorflow  # noqa: F401
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training import config as configs
from ofa_aec_tf.training import trainer

_STAGE = flags.DEFINE_enum(
    "stage",
    None,
    configs.STAGES,
    "What to train: a teacher on labels; a supernet; one subnet with a "
    "teacher (kd) or on labels alone (scratch); or a subnet further "
    "(finetune).",
    required=True,
)
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
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of everything random.",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
_TEACHER = path_flags.define_paths(
    "teacher",
    [],
    "A `.keras` file to learn from, or several with commas between them: "
    "then from the mean of their scores.",
)
_STORED_LOGITS = path_flags.define_path(
    "stored_logits",
    None,
    "A directory of ofa_aec_tf.store_logits to learn from, instead of a "
    "--teacher that listens to every batch.",
)
_INITIAL = path_flags.define_path(
    "initial",
    None,
    "The `.keras` file that a training starts from, of the same network: what "
    "another run of `train`, or materialize, has saved. A supernet starts from "
    "another one of the same space. --stage=finetune needs it.",
)
_SUBNET = path_flags.define_path_or_name(
    "subnet",
    "largest",
    "Which subnet to train from scratch or by distillation: `smallest`, "
    "`largest`, choices such as `width=0.8,depth=2`, a JSON object of them, or "
    "the `.json` beside a model.",
)
_DETERMINISTIC = flags.DEFINE_bool(
    "deterministic", False, "Repeatable bit for bit, and slower."
)

_STAGES_OF_FLAG = (
    (_TEACHER, ("supernet", "kd", "finetune")),
    (_STORED_LOGITS, ("supernet", "kd", "finetune")),
    (_SUBNET, ("teacher", "kd", "scratch")),
    (network_flags.INITIAL_WEIGHTS, ("teacher", "kd", "scratch")),
)


def _family_and_subnet(dataset):
    """The family to train, and its subnet or None for a supernet."""
    is_supernet = _STAGE.value == "supernet"
    if _INITIAL.value is not None:
        return _recorded(_INITIAL.value, dataset, is_supernet)
    if _SUBNET.value.endswith(".json"):
        path = pathlib.Path(_SUBNET.value).with_suffix(".keras")
        return _recorded(path, dataset)
    family = network_flags.family(dataset)
    if is_supernet:
        registry.check_is_elastic(family)
        return family, None
    if _SUBNET.value == "largest":
        family.check_largest_is_whole()
    return family, family.search_space().parse(_SUBNET.value)


def _recorded(model_path, dataset, is_supernet=False):
    """The family of a model's record, and its subnet or None."""
    trainer.check_model(model_path, dataset, is_supernet)
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


def _config():
    return training_flags.train_config(
        _STAGE.value, _SEED.value, _SKIP_CORRUPT.value, _has_teacher()
    )


def _check_stage(config):
    """Refuses flags that the stage lacks or would ignore."""
    for flag, stages in _STAGES_OF_FLAG:
        training_flags.check_is_for(flag, stages, config.stage)
    training_flags.check_stage(config)
    if config.stage == "finetune" and not _INITIAL.value:
        raise ValueError(
            "--stage=finetune needs --initial, the `.keras` file to start from."
        )
    for flag in (_SUBNET, network_flags.INITIAL_WEIGHTS):
        if _INITIAL.value and flag.value != flag.default:
            raise ValueError(
                f"--initial has a network and its weights. Leave out "
                f"--{flag.name}, or --initial. "
                f"Received: --{flag.name}={flag.value}"
            )
    if _TEACHER.value and _STORED_LOGITS.value:
        raise ValueError("Give either a --teacher or --stored_logits.")
    label_weight = config.loss.label_weight
    if _has_teacher() != (label_weight < 1):
        raise ValueError(
            "Distillation needs a --teacher or --stored_logits, and these need "
            "a --label_weight below 1. Received: "
            f"--teacher={','.join(_TEACHER.value) or None}, "
            f"--stored_logits={_STORED_LOGITS.value} and a label weight of "
            f"{label_weight:g}"
        )


def _has_teacher():
    return bool(_TEACHER.value or _STORED_LOGITS.value)


def _stored_logits(config, dataset, family):
    """What to learn from, refused where it does not fit; and its digest."""
    if _STORED_LOGITS.value is None:
        return None, None
    stored = StoredLogits(_STORED_LOGITS.value)
    stored.check(dataset, config.augmentation, family.score_activation)
    path = pathlib.Path(_STORED_LOGITS.value) / stored_logits.FILE_NAME
    return stored, workdir.file_digest(path)


def _how_to_train_on():
    path = pathlib.Path(_WORKDIR.value, workdir.MODEL_NAMES[_STAGE.value])
    if not path.is_file():
        return ""
    return (
        f" To train what it has made further, give the other --workdir and "
        f"--initial={path}."
    )


def main(unused_arguments):
    config = _config()
    _check_stage(config)
    dataset = DatasetInfo.read(_DATA_DIR.value)
    trainer.check_data(dataset, config)
    for path in _TEACHER.value:
        trainer.check_model(path, dataset)
    family, subnet = _family_and_subnet(dataset)
    # Refuses clips too short for the network, before anything is recorded.
    family.complexity(subnet, dataset.num_frames)
    stored, stored_digest = _stored_logits(config, dataset, family)
    identity = {
        "config": config.to_json(),
        "family": family.record(),
        "subnet": None if subnet is None else dict(subnet),
        "data_fingerprint": dataset.fingerprint,
        "teacher": [workdir.file_digest(path) for path in _TEACHER.value],
        "stored_logits": stored_digest,
        "initial": _INITIAL.value and workdir.file_digest(_INITIAL.value),
        **network_flags.start_identity(family),
        "deterministic": _DETERMINISTIC.value,
        "precision": trainer.training_precision(config, family, subnet),
    }
    pathlib.Path(_WORKDIR.value).mkdir(parents=True, exist_ok=True)
    with workdir.lock(_WORKDIR.value):
        run_record.start_run(
            _WORKDIR.value,
            # As JSON would give it back: tuples become lists.
            json.loads(json.dumps(identity)),
            flagfiles.recorded(),
            has_results=trainer.has_results(_WORKDIR.value, config.stage),
            further=_how_to_train_on(),
        )
        trainer.configure_determinism(_DETERMINISTIC.value)
        path = trainer.train(
            config,
            family,
            _DATA_DIR.value,
            dataset,
            _WORKDIR.value,
            subnet=subnet,
            teacher_paths=_TEACHER.value,
            stored=stored,
            initial_path=_INITIAL.value,
            initial_weights=network_flags.INITIAL_WEIGHTS.value,
            network_options=network_flags.training_options(family),
        )
    print(f"wrote {path}")


if __name__ == "__main__":
    command_line.run(main)
