"""The flags of augmentation, for commands that train or listen."""

from absl import flags

from ofa_aec_tf.data.augmentation import AugmentationConfig

_TIME_ROLL = flags.DEFINE_bool("time_roll", False, "Roll clips in time.")
_MAX_ROLL_FRAMES = flags.DEFINE_integer(
    "max_roll_frames",
    0,
    "With --time_roll: the farthest, forwards or backwards; 0 is any distance.",
)
_GAIN_DB = flags.DEFINE_float(
    "gain_db", 0.0, "Make clips louder or softer by up to so much."
)
_FILTER_DB = flags.DEFINE_float(
    "filter_db",
    0.0,
    "Make some mel bands louder than others by up to so much, as another "
    "microphone would.",
)
_MAX_SHIFT_BANDS = flags.DEFINE_integer(
    "max_shift_bands", 0, "Move clips up or down by up to so many mel bands."
)
_MIXUP_ALPHA = flags.DEFINE_float("mixup_alpha", 0.0, "0 is no mixup.")
_MIXUP_RATE = flags.DEFINE_float(
    "mixup_rate", 1.0, "With --mixup_alpha: the share of clips to mix."
)
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


def augmentation_config() -> AugmentationConfig:
    """The augmentation that the flags describe.

    Raises:
        ValueError: if a flag has a value that cannot be, or has no part in
            what the others ask for.
    """
    for flag, other in (
        (_MAX_ROLL_FRAMES, _TIME_ROLL),
        (_MIXUP_RATE, _MIXUP_ALPHA),
    ):
        if flag.value != flag.default and not other.value:
            raise ValueError(
                f"--{flag.name} needs --{other.name}. "
                f"Received: --{flag.name}={flag.value} alone"
            )
    return AugmentationConfig(
        time_roll=_TIME_ROLL.value,
        max_roll_frames=_MAX_ROLL_FRAMES.value,
        gain_db=_GAIN_DB.value,
        filter_db=_FILTER_DB.value,
        max_shift_bands=_MAX_SHIFT_BANDS.value,
        num_time_masks=_NUM_TIME_MASKS.value,
        max_time_mask_frames=_MAX_TIME_MASK_FRAMES.value,
        num_frequency_masks=_NUM_FREQUENCY_MASKS.value,
        max_frequency_mask_bands=_MAX_FREQUENCY_MASK_BANDS.value,
        mixup_alpha=_MIXUP_ALPHA.value,
        mixup_rate=_MIXUP_RATE.value,
    )
