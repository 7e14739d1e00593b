"""Command: trains a teacher, a supernet, a baseline, or fine-tunes a subnet.

python -m ofa_aec_tf.train --flagfile=flags/ofa.cfg
"""

import json
import pathlib

from absl import flags

from ofa_aec_tf import command_line
from ofa_aec_tf import quiet_tensorflow  # noqa: F401
from ofa_aec_tf import run_record
from ofa_aec_tf import workdir
from ofa_aec_tf.data import reading_flags
from ofa_aec_tf.data import sampling
from ofa_aec_tf.data.augmentation import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.models import registry
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
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_SAMPLING = flags.DEFINE_enum(
    "sampling",
    sampling.UNIFORM,
    sampling.SAMPLINGS,
    "How training clips are drawn: each once in a pass; or every class "
    "equally often, as PANNs does; or with replacement and a weight that is "
    "larger for rarer classes, as PSLA does.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where the run records itself, saves its model, and resumes.",
    required=True,
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of everything random.")
_TEACHER = flags.DEFINE_string(
    "teacher", None, "A `.keras` file to learn from."
)
_INITIAL = flags.DEFINE_string(
    "initial", None, "The `.keras` file that a fine-tuning starts from."
)
_SUBNET = flags.DEFINE_string(
    "subnet",
    "largest",
    "Which subnet to train from scratch or by distillation: `smallest`, "
    "`largest`, a JSON object of choices, or the `.json` beside a model.",
)

_CHANNELS = flags.DEFINE_list(
    "channels", ["64", "128", "256", "512"], "Channels of each block."
)
_HIDDEN_UNITS = flags.DEFINE_integer(
    "hidden_units", 512, "Units of the dense layer before the classifier."
)
_WIDTH_RATIOS = flags.DEFINE_list(
    "width_ratios", ["0.4", "0.6", "0.8", "1.0"], "Elastic width choices."
)
_DEPTH_PATTERN = flags.DEFINE_string(
    "depth_pattern",
    "22X",
    "For each block after the first: `2` keeps both convolutions, `X` is "
    "elastic.",
)
_ELASTIC_STEM = flags.DEFINE_bool(
    "elastic_stem", False, "Whether the width of block 1 is elastic too."
)
_WIDTH_GRANULARITY = flags.DEFINE_enum(
    "width_granularity",
    "block",
    ["block", "layer"],
    "One width ratio a block, or one a convolution.",
)

_CHANNEL_MULTIPLE = flags.DEFINE_integer(
    "channel_multiple",
    1,
    "Elastic widths are multiples of it: 8 or 16 suit processors.",
    lower_bound=1,
)
_NUM_STEPS = flags.DEFINE_integer("num_steps", 1000, "Optimizer steps.")
_STEPS_PER_EPOCH = flags.DEFINE_integer(
    "steps_per_epoch", 100, "Steps between validations and checkpoints."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Clips a step.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at most.")
_SCHEDULE = flags.DEFINE_enum(
    "schedule", "constant", configs.SCHEDULES, "Learning rate after warm-up."
)
_WARMUP_STEPS = flags.DEFINE_integer(
    "warmup_steps", 0, "Steps of linear learning-rate warm-up."
)
_CLIP_NORM = flags.DEFINE_float(
    "clip_norm", 0.0, "Largest global gradient norm; 0 is no limit."
)
_LABEL_WEIGHT = flags.DEFINE_float(
    "label_weight",
    None,
    "Weight of the labels in the loss; the teacher has the rest. By default "
    "1 where a stage takes no teacher, else 0.",
)
_NUM_SUBNETS = flags.DEFINE_integer("num_subnets", 4, "Subnets a step.")
_SAMPLING_RULE = flags.DEFINE_enum(
    "sampling_rule",
    "uniform",
    configs.SAMPLING_RULES,
    "How the subnets of a step are drawn.",
)
_LARGEST_STEPS = flags.DEFINE_integer(
    "largest_steps", 0, "First steps, on the largest subnet alone."
)
_BLOCK_DROPOUT = flags.DEFINE_float("block_dropout", 0.0, "After each block.")
_HEAD_DROPOUT = flags.DEFINE_float("head_dropout", 0.0, "In the head.")

_TIME_ROLL = flags.DEFINE_bool("time_roll", False, "Roll clips in time.")
_GAIN_DB = flags.DEFINE_float(
    "gain_db", 0.0, "Make clips louder or softer by up to so much."
)
_MIXUP_ALPHA = flags.DEFINE_float("mixup_alpha", 0.0, "0 is no mixup.")
_NUM_TIME_MASKS = flags.DEFINE_integer("num_time_masks", 2, "SpecAugment.")
_MAX_TIME_MASK_FRAMES = flags.DEFINE_integer(
    "max_time_mask_frames", 64, "SpecAugment."
)
_NUM_FREQUENCY_MASKS = flags.DEFINE_integer(
    "num_frequency_masks", 2, "SpecAugment."
)
_MAX_FREQUENCY_MASK_BANDS = flags.DEFINE_integer(
    "max_frequency_mask_bands", 8, "SpecAugment."
)

_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    configs.PRECISIONS,
    "Compute type. `auto` is what the machine multiplies fastest at the "
    "network's widths.",
)
_CONVOLUTION = flags.DEFINE_enum(
    "convolution",
    "auto",
    configs.ALGORITHMS,
    "How convolutions compute. `auto` multiplies less, by Winograd's "
    "algorithm, where that is faster.",
)
_DETERMINISTIC = flags.DEFINE_bool(
    "deterministic", False, "Repeatable bit for bit, and slower."
)
_NUM_VALIDATION_CLIPS = flags.DEFINE_integer(
    "num_validation_clips", 0, "Clips of a validation; 0 is all."
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    256,
    "Training clips that estimate a subnet's batch normalization.",
)


# Named as the fields of the family that they give.
_FAMILY_FLAGS = (
    _CHANNELS,
    _HIDDEN_UNITS,
    _WIDTH_RATIOS,
    _DEPTH_PATTERN,
    _ELASTIC_STEM,
    _WIDTH_GRANULARITY,
    _CHANNEL_MULTIPLE,
)
# A flag that is given but cannot matter is a misunderstanding, and an error.
_STAGES_OF_FLAG = (
    (_TEACHER, ("supernet", "kd", "finetune")),
    (_INITIAL, ("finetune",)),
    (_SUBNET, ("teacher", "kd", "scratch")),
    (_NUM_SUBNETS, ("supernet",)),
    (_SAMPLING_RULE, ("supernet",)),
    (_LARGEST_STEPS, ("supernet",)),
    (_BLOCK_DROPOUT, ("teacher", "kd", "scratch", "finetune")),
    (_HEAD_DROPOUT, ("teacher", "kd", "scratch", "finetune")),
)


def _numbers(flag, number):
    try:
        return tuple(number(value) for value in flag.value)
    except ValueError:
        raise ValueError(
            f"--{flag.name} must be numbers with commas between them. "
            f"Received: {','.join(flag.value)}"
        ) from None


def _family(dataset):
    return Cnn10Family(
        num_classes=len(dataset.class_map),
        channels=_numbers(_CHANNELS, int),
        hidden_units=_HIDDEN_UNITS.value,
        num_mel_bins=dataset.frontend.num_mel_bins,
        width_ratios=_numbers(_WIDTH_RATIOS, float),
        depth_pattern=_DEPTH_PATTERN.value,
        elastic_stem=_ELASTIC_STEM.value,
        width_granularity=_WIDTH_GRANULARITY.value,
        channel_multiple=_CHANNEL_MULTIPLE.value,
    )


def _family_and_subnet(dataset):
    """The family to train, and its subnet or None for a supernet."""
    if _STAGE.value == "finetune":
        return _recorded_subnet(_INITIAL.value, dataset)
    if _SUBNET.value.endswith(".json"):
        path = pathlib.Path(_SUBNET.value).with_suffix(".keras")
        return _recorded_subnet(path, dataset)
    family = _family(dataset)
    if _STAGE.value == "supernet":
        return family, None
    return family, family.search_space().parse(_SUBNET.value)


def _recorded_subnet(model_path, dataset):
    trainer.check_model(model_path, dataset)
    details = ModelInfo.read(model_path).details
    if "family" not in details or "subnet" not in details:
        raise ValueError(
            f"The record of {model_path} names no subnet. Name a model that "
            "materialize, or train with --stage=teacher, kd, scratch or "
            "finetune, has written."
        )
    family = registry.family_from_json(details["family"])
    flagged = _family(dataset)
    for flag in _FAMILY_FLAGS:
        recorded = getattr(family, flag.name)
        if flag.present and getattr(flagged, flag.name) != recorded:
            raise ValueError(
                f"--{flag.name}={getattr(flagged, flag.name)} is not what "
                f"{model_path} was built with: {recorded}. Leave it out."
            )
    return family, family.search_space().subnet(details["subnet"])


def _config():
    label_weight = _LABEL_WEIGHT.value
    if label_weight is None:
        distills = _STAGE.value in ("supernet", "kd") or _TEACHER.value
        label_weight = 0.0 if distills else 1.0
    return configs.TrainConfig(
        stage=_STAGE.value,
        seed=_SEED.value,
        num_steps=_NUM_STEPS.value,
        steps_per_epoch=_STEPS_PER_EPOCH.value,
        batch_size=_BATCH_SIZE.value,
        learning_rate=_LEARNING_RATE.value,
        schedule=_SCHEDULE.value,
        warmup_steps=_WARMUP_STEPS.value,
        clip_norm=_CLIP_NORM.value,
        label_weight=label_weight,
        num_subnets=_NUM_SUBNETS.value,
        sampling_rule=_SAMPLING_RULE.value,
        largest_steps=_LARGEST_STEPS.value,
        block_dropout=_BLOCK_DROPOUT.value,
        head_dropout=_HEAD_DROPOUT.value,
        precision=_PRECISION.value,
        convolution=_CONVOLUTION.value,
        num_validation_clips=_NUM_VALIDATION_CLIPS.value,
        num_calibration_clips=_NUM_CALIBRATION_CLIPS.value,
        sampling=_SAMPLING.value,
        skip_corrupt=_SKIP_CORRUPT.value,
        augmentation=AugmentationConfig(
            time_roll=_TIME_ROLL.value,
            gain_db=_GAIN_DB.value,
            num_time_masks=_NUM_TIME_MASKS.value,
            max_time_mask_frames=_MAX_TIME_MASK_FRAMES.value,
            num_frequency_masks=_NUM_FREQUENCY_MASKS.value,
            max_frequency_mask_bands=_MAX_FREQUENCY_MASK_BANDS.value,
            mixup_alpha=_MIXUP_ALPHA.value,
        ),
    )


def _check_stage(config):
    """Refuses flags that the stage lacks or would ignore."""
    stage = config.stage
    for flag, stages in _STAGES_OF_FLAG:
        if flag.present and stage not in stages:
            raise ValueError(
                f"--{flag.name} is for --stage={'|'.join(stages)}. "
                f"Received: --stage={stage}"
            )
    if stage == "finetune" and not _INITIAL.value:
        raise ValueError(
            "--stage=finetune needs --initial, the `.keras` file to start from."
        )
    if bool(_TEACHER.value) != (config.label_weight < 1):
        raise ValueError(
            "Distillation needs a --teacher, and a teacher needs a "
            "--label_weight below 1. Received: "
            f"--teacher={_TEACHER.value} and a label weight of "
            f"{config.label_weight:g}"
        )


def main(unused_arguments):
    config = _config()
    _check_stage(config)
    dataset = DatasetInfo.read(_DATA_DIR.value)
    trainer.check_data(dataset)
    trainer.check_model(_TEACHER.value, dataset)
    family, subnet = _family_and_subnet(dataset)
    # Refuses clips too short for the network, before anything is recorded.
    family.complexity(subnet, dataset.num_frames)
    identity = {
        "config": config.to_json(),
        "family": {"name": family.name, **family.to_json()},
        "subnet": None if subnet is None else dict(subnet),
        "data_fingerprint": dataset.fingerprint,
        "teacher": _fingerprint(_TEACHER.value),
        "initial": _fingerprint(_INITIAL.value),
        "deterministic": _DETERMINISTIC.value,
        "precision": trainer.training_precision(config, family, subnet),
    }
    pathlib.Path(_WORKDIR.value).mkdir(parents=True, exist_ok=True)
    with workdir.lock(_WORKDIR.value):
        run_record.start_run(
            _WORKDIR.value,
            # As JSON would give it back: tuples become lists.
            json.loads(json.dumps(identity)),
            flags.FLAGS.flags_into_string(),
            has_results=trainer.has_results(_WORKDIR.value, config.stage),
        )
        trainer.configure_determinism(_DETERMINISTIC.value)
        path = trainer.train(
            config,
            family,
            _DATA_DIR.value,
            dataset,
            _WORKDIR.value,
            subnet=subnet,
            teacher_path=_TEACHER.value,
            initial_path=_INITIAL.value,
        )
    print(f"wrote {path}")


def _fingerprint(model_path):
    return None if model_path is None else workdir.file_digest(model_path)


if __name__ == "__main__":
    command_line.run(main)
