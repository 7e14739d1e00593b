"""Settings of augmentation."""

import dataclasses

from ofa_aec_tf.checks.settings import Settings
from ofa_aec_tf.checks.settings import setting


@dataclasses.dataclass(frozen=True)
class AugmentationConfig(Settings):
    """How a training batch is augmented, in the order of the fields.

    Reference: SpecAugment (arXiv 1904.08779), with the widths of PANNs; mixup
    (arXiv 1710.09412); FilterAugment (arXiv 2110.03282), its linear kind, with
    evenly spaced bands.
    """

    time_roll: bool = setting(
        False,
        "Roll each clip in time by its own random distance. What leaves at the "
        "end comes back at the beginning.",
    )
    max_roll_frames: int = setting(
        0,
        "The largest distance of --time_roll, in frames, either way; 0 is any.",
        at_least=0,
        when={"time_roll": True},
    )
    gain_db: float = setting(
        0.0,
        "Make each clip louder or softer by up to this many dB.",
        at_least=0,
    )
    filter_db: float = setting(
        0.0,
        "Filter each clip at random, as another microphone would: mel bands "
        "get louder or softer by up to this many dB.",
        at_least=0,
    )
    max_shift_bands: int = setting(
        0,
        "Shift each clip up or down by up to this many mel bands, much as a "
        "change of pitch would.",
        at_least=0,
    )
    num_time_masks: int = setting(
        2, "SpecAugment: masks over frames.", at_least=0
    )
    max_time_mask_frames: int = setting(
        64, "SpecAugment: masks are shorter than this.", at_least=0
    )
    num_frequency_masks: int = setting(
        2, "SpecAugment: masks over mel bands.", at_least=0
    )
    max_frequency_mask_bands: int = setting(
        8, "SpecAugment: masks are narrower than this.", at_least=0
    )
    mixup_alpha: float = setting(
        0.0,
        "Mix clips with weights from Beta(alpha, alpha); 0 is no mixup. Clips "
        "are masked before they are mixed, as in PANNs.",
        at_least=0,
    )
    mixup_rate: float = setting(
        1.0,
        "Probability that --mixup_alpha mixes a clip.",
        at_least=0,
        at_most=1,
        when={"mixup_alpha": True},
    )
