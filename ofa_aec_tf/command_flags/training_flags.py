"""How `train` trains: its flags of loss, optimizer, data and subnets."""

from absl import flags

from ofa_aec_tf.command_flags import augmentation_flags
from ofa_aec_tf.data import sampling
from ofa_aec_tf.training import config as configs
from ofa_aec_tf.training import losses
from ofa_aec_tf.training import optimization

_SAMPLING = flags.DEFINE_enum(
    "sampling",
    sampling.UNIFORM,
    sampling.SAMPLINGS,
    "How training clips are drawn: each once in a pass; or every class "
    "equally often, as PANNs does; or with replacement and a weight that is "
    "larger for rarer classes, as PSLA does.",
)
_NUM_STEPS = flags.DEFINE_integer(
    "num_steps", 1000, "Batches, which --warmup_steps counts as well."
)
_STEPS_PER_EPOCH = flags.DEFINE_integer(
    "steps_per_epoch", 100, "Steps between validations and checkpoints."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Clips a step.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at most.")
_SCHEDULE = flags.DEFINE_enum(
    "schedule",
    "constant",
    optimization.SCHEDULES,
    "Learning rate after warm-up. `step` lowers it at epochs that are set, "
    "`plateau` when the mAP of the validation gets no better; for a supernet, "
    "the mean of that of its smallest and its largest subnet.",
)
_DECAY_FACTOR = flags.DEFINE_float(
    "decay_factor",
    0.5,
    "What --schedule=step and plateau multiply the learning rate by.",
)
_DECAY_START_EPOCH = flags.DEFINE_integer(
    "decay_start_epoch",
    10,
    "--schedule=step lowers the learning rate first after so many epochs.",
)
_DECAY_EVERY_EPOCHS = flags.DEFINE_integer(
    "decay_every_epochs",
    5,
    "And --schedule=step lowers it again after every so many more.",
)
_PLATEAU_PATIENCE = flags.DEFINE_integer(
    "plateau_patience",
    2,
    "--schedule=plateau lowers the learning rate after so many epochs without "
    "a better validation, as Keras counts; PyTorch waits for one more.",
)
_WARMUP_STEPS = flags.DEFINE_integer(
    "warmup_steps", 0, "Steps of linear learning-rate warm-up."
)
_CLIP_NORM = flags.DEFINE_float(
    "clip_norm", 0.0, "Largest global gradient norm; 0 is no limit."
)
_ADAM_BETA_1 = flags.DEFINE_float(
    "adam_beta_1", 0.9, "Decay of Adam's mean of the gradients."
)
_WEIGHT_DECAY = flags.DEFINE_float(
    "weight_decay",
    0.0,
    "So much of each weight is added to its gradient, as in PyTorch's Adam; "
    "Keras's decay is another one.",
)
_ACCUMULATION_STEPS = flags.DEFINE_integer(
    "accumulation_steps",
    1,
    "Batches whose mean gradient makes one update, where a larger "
    "--batch_size has no room. Batch normalization sees each alone.",
)
_EMA_DECAY = flags.DEFINE_float(
    "ema_decay",
    0.0,
    "Validate and save the exponential moving average of the weights, with "
    "this decay a step, such as 0.999; 0 is none.",
)
_AVERAGE_FROM_EPOCH = flags.DEFINE_integer(
    "average_from_epoch",
    0,
    "Save the mean of the weights after this epoch, counted from 1, and after "
    "all later ones; 0 is none.",
)
_LABEL_WEIGHT = flags.DEFINE_float(
    "label_weight",
    None,
    "Weight of the labels in the loss; the teacher has the rest. By default "
    "1 where a stage takes no teacher, else 0.",
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    1.0,
    "Divides the logits of the teacher, and of the teacher only.",
)
_LABEL_SMOOTHING = flags.DEFINE_float(
    "label_smoothing",
    0.0,
    "How far labels are moved towards one half, or with a softmax towards "
    "equal shares of the classes.",
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
    "How the convolutions of CNN10s compute. `auto` multiplies less, by "
    "Winograd's algorithm, where that is faster.",
)
_NUM_VALIDATION_CLIPS = flags.DEFINE_integer(
    "num_validation_clips", 0, "Clips of a validation, at most; 0 is all."
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    256,
    "Training clips, at most, that estimate batch normalization: that of the "
    "subnets at a validation, and of a network with --calibrate_batch_norm.",
)
_CALIBRATE_BATCH_NORM = flags.DEFINE_bool(
    "calibrate_batch_norm",
    False,
    "Validate and save a network with batch normalization statistics of "
    "training clips as they are: moving ones are of augmented clips. A "
    "supernet's subnets always have such.",
)


def train_config(
    stage: str, seed: int, skip_corrupt: bool, has_teacher: bool
) -> configs.TrainConfig:
    """The settings that the flags describe.

    Args:
        stage: one of `config.STAGES`.
        seed: int.
        skip_corrupt: bool. As in RandomAccessReader.
        has_teacher: bool. Whether there is a teacher to learn from.

    Raises:
        ValueError: if a flag has a value that cannot be.
    """
    label_weight = _LABEL_WEIGHT.value
    if label_weight is None:
        distills = stage in ("supernet", "kd") or has_teacher
        label_weight = 0.0 if distills else 1.0
    return configs.TrainConfig(
        stage=stage,
        seed=seed,
        num_steps=_NUM_STEPS.value,
        steps_per_epoch=_STEPS_PER_EPOCH.value,
        batch_size=_BATCH_SIZE.value,
        optimizer=optimization.OptimizerConfig(
            learning_rate=_LEARNING_RATE.value,
            schedule=_SCHEDULE.value,
            warmup_steps=_WARMUP_STEPS.value,
            decay_factor=_DECAY_FACTOR.value,
            decay_start_epoch=_DECAY_START_EPOCH.value,
            decay_every_epochs=_DECAY_EVERY_EPOCHS.value,
            plateau_patience=_PLATEAU_PATIENCE.value,
            clip_norm=_CLIP_NORM.value,
            beta_1=_ADAM_BETA_1.value,
            weight_decay=_WEIGHT_DECAY.value,
            accumulation_steps=_ACCUMULATION_STEPS.value,
            ema_decay=_EMA_DECAY.value,
        ),
        loss=losses.LossConfig(
            label_weight=label_weight,
            temperature=_TEMPERATURE.value,
            label_smoothing=_LABEL_SMOOTHING.value,
        ),
        num_subnets=_NUM_SUBNETS.value,
        sampling_rule=_SAMPLING_RULE.value,
        largest_steps=_LARGEST_STEPS.value,
        block_dropout=_BLOCK_DROPOUT.value,
        head_dropout=_HEAD_DROPOUT.value,
        precision=_PRECISION.value,
        convolution=_CONVOLUTION.value,
        num_validation_clips=_NUM_VALIDATION_CLIPS.value,
        num_calibration_clips=_NUM_CALIBRATION_CLIPS.value,
        calibrate_batch_norm=_CALIBRATE_BATCH_NORM.value,
        sampling=_SAMPLING.value,
        skip_corrupt=skip_corrupt,
        average_from_epoch=_AVERAGE_FROM_EPOCH.value,
        augmentation=augmentation_flags.augmentation_config(),
    )


# A flag that is given but cannot matter is a misunderstanding, and an error.
_STAGES_OF_FLAG = (
    (_NUM_SUBNETS, ("supernet",)),
    (_SAMPLING_RULE, ("supernet",)),
    (_LARGEST_STEPS, ("supernet",)),
    (_BLOCK_DROPOUT, ("teacher", "kd", "scratch", "finetune")),
    (_HEAD_DROPOUT, ("teacher", "kd", "scratch", "finetune")),
    (_CALIBRATE_BATCH_NORM, ("teacher", "kd", "scratch", "finetune")),
)


_SCHEDULES_OF_FLAG = (
    (_DECAY_FACTOR, (optimization.STEP, optimization.PLATEAU)),
    (_DECAY_START_EPOCH, (optimization.STEP,)),
    (_DECAY_EVERY_EPOCHS, (optimization.STEP,)),
    (_PLATEAU_PATIENCE, (optimization.PLATEAU,)),
)


def check_stage(config: configs.TrainConfig) -> None:
    """Refuses flags that the stage, the schedule or the loss would ignore.

    Raises:
        ValueError: naming the flag.
    """
    for flag, stages in _STAGES_OF_FLAG:
        check_is_for(flag, stages, config.stage)
    for flag, schedules in _SCHEDULES_OF_FLAG:
        check_is_for(flag, schedules, config.optimizer.schedule, "schedule")
    for flag, needs in (
        (_TEMPERATURE, config.loss.label_weight < 1),
        (_LABEL_SMOOTHING, config.loss.label_weight > 0),
    ):
        if flag.present and flag.value != flag.default and not needs:
            raise ValueError(
                f"--{flag.name} has no part in a loss with a label weight of "
                f"{config.loss.label_weight:g}. Change --label_weight, or "
                f"leave it out. Received: --{flag.name}={flag.value}"
            )


def check_is_for(
    flag: flags.FlagHolder, choices, chosen: str, of: str = "stage"
) -> None:
    """Refuses a flag that was given and is for other choices of another.

    Args:
        flag: the flag.
        choices: tuple of str. What it is for.
        chosen: str. The choice.
        of: str. Name of the other flag.

    Raises:
        ValueError: naming the flag and what it is for.
    """
    if flag.present and chosen not in choices:
        raise ValueError(
            f"--{flag.name} is for --{of}={'|'.join(choices)}. "
            f"Received: --{of}={chosen}"
        )
