"""How `train` trains: loss, optimizer, augmentation, subnets."""

from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.stages import STAGES

# Whose default depends on the stage and the teacher.
_LABEL_WEIGHT = "label_weight"

_LOSS = setting_flags.define(LossConfig, defaults={_LABEL_WEIGHT: None})
_TRAINING = setting_flags.define(TrainConfig, without=("loss",))


def train_config(has_teacher: bool, skip_corrupt: bool) -> TrainConfig:
    """The settings that the flags describe.

    Args:
        has_teacher: bool. Whether there is a teacher to learn from.
        skip_corrupt: bool. As in RandomAccessReader.

    Raises:
        ValueError: if a flag has a value that cannot be, or the stage or
            another flag makes it useless.
    """
    label_weight = _LOSS[_LABEL_WEIGHT].value
    if label_weight is None:
        distills = STAGES[stage()].distills or has_teacher
        label_weight = 0.0 if distills else 1.0
    return _TRAINING.values(
        loss=_LOSS.values(label_weight=label_weight), skip_corrupt=skip_corrupt
    )


def stage() -> str:
    """The stage of training."""
    return _TRAINING["stage"].value
