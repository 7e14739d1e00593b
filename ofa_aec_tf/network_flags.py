"""Which networks `train` trains: its flags of the model family."""

from absl import flags

from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.score_activations import SCORE_ACTIVATIONS
from ofa_aec_tf.score_activations import SIGMOID
from ofa_aec_tf.score_activations import SOFTMAX

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
_SCORE_ACTIVATION = flags.DEFINE_enum(
    "score_activation",
    SIGMOID,
    SCORE_ACTIVATIONS,
    "What makes scores of logits, and which loss goes with it: sigmoids and "
    "binary cross-entropy, or for data with one class a clip a softmax and "
    "cross-entropy.",
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
    _SCORE_ACTIVATION,
)


def _numbers(flag, number):
    try:
        return tuple(number(value) for value in flag.value)
    except ValueError:
        raise ValueError(
            f"--{flag.name} must be numbers with commas between them. "
            f"Received: {','.join(flag.value)}"
        ) from None


def family(dataset: DatasetInfo) -> Cnn10Family:
    """The family that the flags describe.

    Args:
        dataset: DatasetInfo of the data to train on.

    Raises:
        ValueError: if there is none such, or the data may have clips with
            several classes, or none, and a softmax is asked for.
    """
    if _SCORE_ACTIVATION.value == SOFTMAX and (
        dataset.label_type != SINGLE_LABEL
    ):
        raise ValueError(
            "--score_activation=softmax is for data with one class a clip. "
            f"Received: data with label_type={dataset.label_type}"
        )
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
        score_activation=_SCORE_ACTIVATION.value,
    )


def check_agrees(recorded: Cnn10Family, model_path, dataset: DatasetInfo):
    """Refuses flags that say otherwise than the record of a model.

    Args:
        recorded: the family that the model was built with.
        model_path: path of the model.
        dataset: DatasetInfo of the data to train on.

    Raises:
        ValueError: if a flag that was given differs.
    """
    flagged = family(dataset)
    for flag in _FAMILY_FLAGS:
        was = getattr(recorded, flag.name)
        if flag.present and getattr(flagged, flag.name) != was:
            raise ValueError(
                f"--{flag.name}={getattr(flagged, flag.name)} is not what "
                f"{model_path} was built with: {was}. Leave it out."
            )
