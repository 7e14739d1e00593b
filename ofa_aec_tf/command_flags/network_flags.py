"""Flags that choose and describe the networks that `train` trains."""

import dataclasses

from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.command_flags.setting_flags import SettingFlags
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.models.score_activations import SOFTMAX

_FAMILIES = registry.families()

_NETWORK = flags.DEFINE_enum(
    "network",
    registry.family_class().name,
    list(_FAMILIES),
    "Which kind of network to train. A supernet needs one of: "
    f"{', '.join(registry.elastic_names())}.",
)
INITIAL_WEIGHTS = path_flags.define_path_or_name(
    "initial_weights",
    None,
    "Weights to start with: all but the classifier of a network that `train` "
    "has saved, or those of an image model. "
    + " ".join(
        f"For --network={name} these are {family.image_weights}."
        for name, family in _FAMILIES.items()
        if family.image_weights
    ),
)
# Those that all families have.
_COMMON = setting_flags.define(Family)


@dataclasses.dataclass(frozen=True)
class _OwnFlags:
    """The flags of one family.

    Args:
        family: subclass of Family.
        settings: SettingFlags of its own fields; None stands for what the
            size says.
        size: absl FlagHolder of the size, or None.
        training: SettingFlags of its training options.
    """

    family: type[Family]
    settings: SettingFlags
    size: flags.FlagHolder | None
    training: SettingFlags

    def given(self) -> list[str]:
        """Names of the flags that were given."""
        size = (
            [self.size.name] if self.family.sizes and self.size.present else []
        )
        return size + self.settings.given() + self.training.given()

    def given_fields(self) -> dict[str, str]:
        """Fields that are set by given flags, with the names of the flags."""
        sized = {}
        if self.family.sizes and self.size.present:
            sized = dict.fromkeys(self.family.sizes.fields, self.size.name)
        return sized | self.settings.given_fields() | _COMMON.given_fields()

    def build(self, **of_data) -> Family:
        """The family that the flags describe, for some data."""
        values = _COMMON.field_values()
        for field in dataclasses.fields(self.family):
            if field.name in of_data:
                values[field.name] = of_data[field.name]
        if self.family.sizes:
            sized = self.family.sizes.values[self.size.value]
            given = self.settings.given_fields()
            values |= {n: v for n, v in sized.items() if n not in given}
        return self.settings.values(**values)


def _define_own(family: type[Family]) -> _OwnFlags:
    sizes, size = family.sizes, None
    if sizes:
        size = flags.DEFINE_enum(
            sizes.flag, sizes.default, list(sizes.values), sizes.help
        )
    return _OwnFlags(
        family,
        setting_flags.define(
            family,
            without=[field.name for field in dataclasses.fields(Family)],
            defaults=dict.fromkeys(sizes.fields) if sizes else {},
        ),
        size,
        setting_flags.define(family.training_options),
    )


_OWN = {name: _define_own(family) for name, family in _FAMILIES.items()}


def family(dataset: DatasetInfo) -> Family:
    """The family that the flags describe.

    Args:
        dataset: DatasetInfo of the data to train on.

    Raises:
        ValueError: if there is none such, a flag is of another network, or the
            data may have clips with several classes, or none, and a softmax is
            asked for.
    """
    built = _family(_NETWORK.value, dataset)
    if INITIAL_WEIGHTS.value is not None:
        registry.check_initial_weights(built, INITIAL_WEIGHTS.value)
    return built


def _family(name, dataset):
    for network, own in _OWN.items():
        if network != name and own.given():
            raise ValueError(
                f"--{own.given()[0]} is for --network={network}. "
                f"Received: --network={name}"
            )
    built = _OWN[name].build(
        num_classes=len(dataset.class_map),
        num_mel_bins=dataset.frontend.num_mel_bins,
        num_frames=dataset.num_frames,
    )
    if built.score_activation == SOFTMAX and dataset.label_type != SINGLE_LABEL:
        raise ValueError(
            "--score_activation=softmax is for data with one class a clip. "
            f"Received: data with label_type={dataset.label_type}"
        )
    return built


def training_options(family: Family) -> dict:
    """The training options of a family, as arguments of its builder."""
    return _OWN[family.name].training.values().to_json()


def check_agrees(recorded: Family, model_path, dataset: DatasetInfo):
    """Refuses flags that contradict the record of a model.

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
    for field, flag in _OWN[recorded.name].given_fields().items():
        is_now, was = getattr(flagged, field), getattr(recorded, field)
        if is_now != was:
            raise ValueError(
                f"--{flag}={is_now} is not what {model_path} was built with: "
                f"{was}. Leave it out."
            )
