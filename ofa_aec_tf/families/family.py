"""The contract of a family of networks, on which the rest relies.

Free of TensorFlow. The counterpart that builds Keras models is
`families.builders`.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.checks.settings import Settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.models.score_activations import SCORE_ACTIVATIONS
from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.search_space import complexity
from ofa_aec_tf.search_space import space as search_spaces

_KINDS = {
    int: json_kinds.is_count,
    float: json_kinds.is_number,
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    tuple[int, ...]: json_kinds.is_counts,
    tuple[float, ...]: json_kinds.is_numbers,
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Named sizes of a family, each of which sets several of its fields.

    Args:
        flag: str. Name of the flag that chooses one.
        help: str. Of that flag.
        default: str. Name of the default size.
        values: dict from names of sizes to dicts from fields to values.
    """

    flag: str
    help: str
    default: str
    values: Mapping[str, Mapping]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that a size sets."""
        return tuple(self.values[self.default])


@dataclasses.dataclass(frozen=True)
class TrainingOptions(Settings):
    """Options of a family that change how its networks train.

    They are arguments of the family's builder, and in no record of a model: a
    trained network is the same with and without them.
    """


@dataclasses.dataclass(frozen=True)
class Family(Settings, abc.ABC):
    """A set of networks of one kind, described without building any.

    A subclass is a frozen dataclass. Fields made by `setting` become flags of
    `train`; `num_classes`, `num_mel_bins` and `num_frames`, if there is such a
    field, come from the data set.

    Class attributes:
        name: str. As flags and records write it.
        title: str. As messages write it.
        is_elastic: bool. Whether it has a supernet: see `ElasticFamily`.
        image_weights: str or None. For the help of `--initial_weights`: which
            weights of image models its networks can start with.
        sizes: Sizes or None.
        training_options: a subclass of TrainingOptions.

    Args:
        num_classes: int. Sound event classes.
        num_mel_bins: int. Mel bands of the input.
    """

    num_classes: int
    _: dataclasses.KW_ONLY
    num_mel_bins: int = 64
    score_activation: str = setting(
        SIGMOID,
        "What makes scores of logits, and which loss goes with it: sigmoids "
        "and binary cross-entropy, or for data with one class a clip a "
        "softmax and cross-entropy.",
        choices=SCORE_ACTIVATIONS,
    )

    name: ClassVar[str]
    title: ClassVar[str]
    is_elastic: ClassVar[bool] = False
    image_weights: ClassVar[str | None] = None
    sizes: ClassVar[Sizes | None] = None
    training_options: ClassVar[type[TrainingOptions]] = TrainingOptions

    def __post_init__(self):
        super().__post_init__()
        if self.num_classes < 1:
            raise ValueError(
                "`num_classes` must be positive. "
                f"Received: num_classes={self.num_classes}"
            )

    def search_space(self) -> search_spaces.SearchSpace:
        """All subnets; a family that is not elastic has one."""
        return search_spaces.SearchSpace(())

    @abc.abstractmethod
    def fewest_filters(self, subnet: Mapping[str, float] | None = None) -> int:
        """Filters of the narrowest convolution.

        `--precision=auto` avoids bfloat16 where they are few.

        Args:
            subnet: Subnet of this family's space; None is the largest.
        """

    @abc.abstractmethod
    def layer_costs(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> list[complexity.LayerCost]:
        """The layers of a subnet with their costs.

        Args:
            subnet: Subnet of this family's space; None is the largest.
            num_frames: int. Frames of the input clip.

        Returns:
            list of LayerCost, from the input on.

        Raises:
            ValueError: if clips of this length cannot pass the network.
        """

    def complexity(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> complexity.Complexity:
        """Parameters, MACs and peaks of activations of a subnet.

        Args:
            subnet, num_frames: as for `layer_costs`.
        """
        return complexity.total_complexity(
            self.layer_costs(subnet, num_frames), num_frames * self.num_mel_bins
        )

    def check_largest_is_whole(self) -> None:
        """Refuses settings whose largest subnet lacks some of their channels.

        Raises:
            ValueError: naming the flags to change.
        """

    def record(self) -> dict:
        """This family with its name, as stored in the records of models."""
        return {"name": self.name, **self.to_json()}

    @classmethod
    def from_json(cls, values: Mapping) -> "Family":
        """The family that `to_json` described.

        Raises:
            ValueError: if a key is unknown or missing, or its value is of
                another kind.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - expected)
        if unknown:
            raise ValueError(
                f"A family of {cls.title} has the keys {sorted(expected)}. "
                f"Received unknown: {unknown}"
            )
        json_kinds.check(
            values,
            {
                field.name: _KINDS[field.type]
                for field in dataclasses.fields(cls)
                if field.default is dataclasses.MISSING or field.name in values
            },
            "family.",
        )
        return cls(**values)


class ElasticFamily(Family):
    """A family whose networks are the subnets of one supernet."""

    is_elastic = True

    @abc.abstractmethod
    def search_space(self) -> search_spaces.SearchSpace:
        """All subnets."""
