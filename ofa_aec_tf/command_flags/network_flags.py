"""Which networks `train` trains: its flags of the model family."""

import collections

from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.families.ast import family as ast
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.efficientnet import family as efficientnet
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.models.score_activations import SCORE_ACTIVATIONS
from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.models.score_activations import SOFTMAX
from ofa_aec_tf.runs import workdir

_NETWORK = flags.DEFINE_enum(
    "network",
    Cnn10Family.name,
    [Cnn10Family.name, AstFamily.name, EfficientNetFamily.name],
    "Which kind of network to train. A supernet is of CNN10s.",
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

_AST_SIZE = flags.DEFINE_enum(
    "ast_size", "base", list(ast.SIZES), "Width, heads and depth of an AST."
)
_AST_WIDTH = flags.DEFINE_integer(
    "ast_width", None, "Width of the encoder, instead of that of --ast_size."
)
_AST_HEADS = flags.DEFINE_integer(
    "ast_heads", None, "Heads of an attention, likewise."
)
_AST_DEPTH = flags.DEFINE_integer(
    "ast_depth", None, "Blocks of the encoder, likewise."
)
_GRADIENT_CHECKPOINTING = flags.DEFINE_bool(
    "gradient_checkpointing",
    False,
    "Whether each block of an AST computes twice in a step, which takes less "
    "memory, more time, and gives the same gradients.",
)

_EFFICIENTNET = flags.DEFINE_enum(
    "efficientnet",
    "b2",
    list(efficientnet.SIZES),
    "Coefficients of width and depth of an EfficientNet.",
)
_EFFICIENTNET_WIDTH = flags.DEFINE_float(
    "efficientnet_width",
    None,
    "Filters in shares of those of B0, instead of the share of --efficientnet.",
)
_EFFICIENTNET_DEPTH = flags.DEFINE_float(
    "efficientnet_depth", None, "Blocks in shares of those of B0, likewise."
)

INITIAL_WEIGHTS = path_flags.define_path_or_name(
    "initial_weights",
    None,
    "Weights to start with: all but the classifier of a network that `train` "
    "has saved, or those of an image model. For an EfficientNet these are "
    "`imagenet`, which is downloaded, or an `.h5` or `.keras` file; for an AST "
    "`hub:` and a KerasHub preset, or a `.keras` file.",
)
_SCORE_ACTIVATION = flags.DEFINE_enum(
    "score_activation",
    SIGMOID,
    SCORE_ACTIVATIONS,
    "What makes scores of logits, and which loss goes with it: sigmoids and "
    "binary cross-entropy, or for data with one class a clip a softmax and "
    "cross-entropy.",
)

# For each network its flags, with the fields of the family that they give.
_FAMILY_FLAGS = {
    Cnn10Family.name: (
        (_CHANNELS, ("channels",)),
        (_HIDDEN_UNITS, ("hidden_units",)),
        (_WIDTH_RATIOS, ("width_ratios",)),
        (_DEPTH_PATTERN, ("depth_pattern",)),
        (_ELASTIC_STEM, ("elastic_stem",)),
        (_WIDTH_GRANULARITY, ("width_granularity",)),
        (_CHANNEL_MULTIPLE, ("channel_multiple",)),
        (INITIAL_WEIGHTS, ()),
        (_SCORE_ACTIVATION, ("score_activation",)),
    ),
    AstFamily.name: (
        (_AST_SIZE, ("width", "num_heads", "depth")),
        (_AST_WIDTH, ("width",)),
        (_AST_HEADS, ("num_heads",)),
        (_AST_DEPTH, ("depth",)),
        (_GRADIENT_CHECKPOINTING, ()),
        (INITIAL_WEIGHTS, ()),
        (_SCORE_ACTIVATION, ("score_activation",)),
    ),
    EfficientNetFamily.name: (
        (_EFFICIENTNET, ("width_coefficient", "depth_coefficient")),
        (_EFFICIENTNET_WIDTH, ("width_coefficient",)),
        (_EFFICIENTNET_DEPTH, ("depth_coefficient",)),
        (INITIAL_WEIGHTS, ()),
        (_SCORE_ACTIVATION, ("score_activation",)),
    ),
}


def _numbers(flag, number):
    try:
        return tuple(number(value) for value in flag.value)
    except ValueError:
        raise ValueError(
            f"--{flag.name} must be numbers with commas between them. "
            f"Received: {','.join(flag.value)}"
        ) from None


def _given(values, *flag_holders):
    """Values with those of flags in the place of theirs, where they are set."""
    return [
        value if flag.value is None else flag.value
        for value, flag in zip(values, flag_holders)
    ]


def family(dataset: DatasetInfo) -> Family:
    """The family that the flags describe.

    Args:
        dataset: DatasetInfo of the data to train on.

    Raises:
        ValueError: if there is none such, a flag is of another network, or the
            data may have clips with several classes, or none, and a softmax is
            asked for.
    """
    return _family(_NETWORK.value, dataset)


def _family(name, dataset):
    _check_flags_are_of(name)
    if _SCORE_ACTIVATION.value == SOFTMAX and (
        dataset.label_type != SINGLE_LABEL
    ):
        raise ValueError(
            "--score_activation=softmax is for data with one class a clip. "
            f"Received: data with label_type={dataset.label_type}"
        )
    common = {
        "num_classes": len(dataset.class_map),
        "num_mel_bins": dataset.frontend.num_mel_bins,
        "score_activation": _SCORE_ACTIVATION.value,
    }
    if name == AstFamily.name:
        width, num_heads, depth = _given(
            ast.SIZES[_AST_SIZE.value], _AST_WIDTH, _AST_HEADS, _AST_DEPTH
        )
        return AstFamily(
            num_frames=dataset.num_frames,
            width=width,
            num_heads=num_heads,
            depth=depth,
            **common,
        )
    if name == EfficientNetFamily.name:
        width_coefficient, depth_coefficient = _given(
            efficientnet.SIZES[_EFFICIENTNET.value],
            _EFFICIENTNET_WIDTH,
            _EFFICIENTNET_DEPTH,
        )
        return EfficientNetFamily(
            width_coefficient=width_coefficient,
            depth_coefficient=depth_coefficient,
            **common,
        )
    source = INITIAL_WEIGHTS.value
    if source is not None and not workdir.has_record(source):
        raise ValueError(
            "A CNN10 starts with the --initial_weights of one that `train` has "
            f"saved, with its record beside it. Received: {source}"
        )
    return Cnn10Family(
        channels=_numbers(_CHANNELS, int),
        hidden_units=_HIDDEN_UNITS.value,
        width_ratios=_numbers(_WIDTH_RATIOS, float),
        depth_pattern=_DEPTH_PATTERN.value,
        elastic_stem=_ELASTIC_STEM.value,
        width_granularity=_WIDTH_GRANULARITY.value,
        channel_multiple=_CHANNEL_MULTIPLE.value,
        **common,
    )


def _check_flags_are_of(name):
    """Refuses flags that were given and are of other networks alone."""
    networks = collections.defaultdict(list)
    given = set()
    for network, family_flags in _FAMILY_FLAGS.items():
        for flag, _ in family_flags:
            networks[flag.name].append(network)
            if flag.present:
                given.add(flag.name)
    for flag_name in sorted(given):
        if name not in networks[flag_name]:
            raise ValueError(
                f"--{flag_name} is for "
                f"--network={'|'.join(networks[flag_name])}. "
                f"Received: --network={name}"
            )


def builder_options() -> dict:
    """Arguments of the network's builder that the flags describe."""
    if not _GRADIENT_CHECKPOINTING.value:
        return {}
    return {"gradient_checkpointing": True}


def check_has_all_channels(family: Family) -> None:
    """Refuses a family whose largest network lacks channels of --channels.

    Raises:
        ValueError: if it has none of the largest width ratio, 1.
    """
    if isinstance(family, Cnn10Family) and family.width_ratios[-1] < 1:
        raise ValueError(
            "The largest network has all --channels only where 1.0 is among "
            "the --width_ratios. Add it, or name the subnet, such as "
            f"--subnet=width={family.width_ratios[-1]:g}. "
            f"Received: --width_ratios={','.join(_WIDTH_RATIOS.value)}"
        )


def check_agrees(recorded: Family, model_path, dataset: DatasetInfo):
    """Refuses flags that say otherwise than the record of a model.

    Args:
        recorded: the family that the model was built with.
        model_path: path of the model.
        dataset: DatasetInfo of the data to train on.

    Raises:
        ValueError: if a flag that was given differs.
    """
    if _NETWORK.present and _NETWORK.value != recorded.name:
        raise ValueError(
            f"--network={_NETWORK.value} is not what {model_path} was built "
            f"with: {recorded.name}. Leave it out."
        )
    flagged = _family(recorded.name, dataset)
    for flag, fields in _FAMILY_FLAGS[recorded.name]:
        if not flag.present:
            continue
        for field in fields:
            is_now, was = getattr(flagged, field), getattr(recorded, field)
            if is_now != was:
                raise ValueError(
                    f"--{flag.name}={is_now} is not what {model_path} was "
                    f"built with: {was}. Leave it out."
                )
