"""The flags of augmentation, for commands that train or listen."""

from absl import flags

from ofa_aec_tf.data.augmentation import AugmentationConfig

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


def augmentation_config() -> AugmentationConfig:
    """What the flags describe.

    Raises:
        ValueError: if a flag has a value that cannot be.
    """
    return AugmentationConfig(
        time_roll=_TIME_ROLL.value,
        gain_db=_GAIN_DB.value,
        num_time_masks=_NUM_TIME_MASKS.value,
        max_time_mask_frames=_MAX_TIME_MASK_FRAMES.value,
        num_frequency_masks=_NUM_FREQUENCY_MASKS.value,
        max_frequency_mask_bands=_MAX_FREQUENCY_MASK_BANDS.value,
        mixup_alpha=_MIXUP_ALPHA.value,
    )
