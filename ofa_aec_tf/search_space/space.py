"""Search spaces of subnets: framework-free, immutable, JSON both ways.

A subnet is a choice for every decision of its space. What a decision means
(the width of a block, the kernel of a layer) is known to the model family
only; sampler, search and BN calibration see names and choices.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

Choice = int | float

_ASSIGNMENT = r"\w+=\d+(\.\d+)?"
_ASSIGNMENTS = re.compile(rf"{_ASSIGNMENT}(,{_ASSIGNMENT})*")


@dataclasses.dataclass(frozen=True)
class Decision:
    """One thing to decide about a subnet.

    Args:
        name: str. Unique in its space, such as `"block2_width"`.
        choices: tuple of numbers, ascending; the last one is the largest.
        requires: `(name, choice)` of an earlier decision, or None. The
            decision matters only where the earlier one made that choice or a
            larger one: the width of a second layer needs a block of at least
            depth 2.
    """

    name: str
    choices: tuple[Choice, ...]
    requires: tuple[str, Choice] | None = None

    def __post_init__(self):
        if not self.choices or list(self.choices) != sorted(set(self.choices)):
            raise ValueError(
                f"Choices of `{self.name}` must be distinct and ascending. "
                f"Received: choices={self.choices}"
            )

    def matters(self, choices: Mapping[str, Choice]) -> bool:
        """Whether a subnet with these earlier choices makes this decision."""
        if self.requires is None:
            return True
        name, least = self.requires
        return name in choices and choices[name] >= least


@dataclasses.dataclass(frozen=True)
class Subnet(Mapping):
    """An immutable choice for every decision that matters.

    Behaves as a mapping from decision names to choices; hashable, so that
    subnets can be the members of a set.
    """

    items_: tuple[tuple[str, Choice], ...]

    @classmethod
    def of(cls, choices: Mapping[str, Choice]) -> "Subnet":
        """The subnet with the given choices, in the order given."""
        return cls(tuple(choices.items()))

    def __getitem__(self, name: str) -> Choice:
        for key, choice in self.items_:
            if key == name:
                return choice
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.items_)

    def __len__(self) -> int:
        return len(self.items_)

    def __hash__(self) -> int:
        # Equal subnets may have been given in another order.
        return hash(frozenset(self.items()))

    def __eq__(self, other) -> bool:
        return isinstance(other, Subnet) and dict(self) == dict(other)

    def __str__(self) -> str:
        return json.dumps(dict(self))


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """All subnets of a supernet.

    Args:
        decisions: tuple of Decision. A decision that `requires` another one
            comes after it.
    """

    decisions: tuple[Decision, ...]

    def __post_init__(self):
        seen: dict[str, Decision] = {}
        for decision in self.decisions:
            if decision.name in seen:
                raise ValueError(
                    "Decision names must be unique. "
                    f"Received twice: `{decision.name}`"
                )
            if decision.requires is not None:
                name, choice = decision.requires
                if name not in seen or choice not in seen[name].choices:
                    raise ValueError(
                        f"`{decision.name}` requires {name}={choice}, which "
                        "no earlier decision offers. "
                        f"Received: earlier decisions {sorted(seen)}"
                    )
            seen[decision.name] = decision

    def subnet(self, choices: Mapping[str, Choice]) -> Subnet:
        """The canonical subnet with these choices.

        Args:
            choices: mapping from decision names to choices. Decisions that do
                not matter for this subnet may be left out.

        Returns:
            Subnet, with the decisions that matter, in the order of the space.

        Raises:
            ValueError: if a name is unknown, a choice is missing or illegal.
        """
        names = [decision.name for decision in self.decisions]
        if not isinstance(choices, Mapping):
            raise ValueError(
                f"A subnet of this space decides {names}. "
                f"Received: {choices!r:.80}"
            )
        unknown = sorted(set(choices) - set(names))
        if unknown:
            raise ValueError(
                f"A subnet of this space decides {names}. "
                f"Received unknown: {unknown}"
            )
        kept: dict[str, Choice] = {}
        for decision in self.decisions:
            if not decision.matters(kept):
                continue
            if decision.name not in choices:
                raise ValueError(
                    f"A subnet needs a choice for `{decision.name}`, one of "
                    f"{list(decision.choices)}. Received: {dict(choices)}"
                )
            choice = choices[decision.name]
            if isinstance(choice, bool) or choice not in decision.choices:
                raise ValueError(
                    f"`{decision.name}` must be one of "
                    f"{list(decision.choices)}. "
                    f"Received: {decision.name}={choice!r}"
                )
            # The space's own object, so that 1 and 1.0 print alike.
            index = decision.choices.index(choice)
            kept[decision.name] = decision.choices[index]
        return Subnet.of(kept)

    def validate(self, subnet: Mapping[str, Choice]) -> None:
        """Raises ValueError, with the legal choices, if not of this space."""
        self.subnet(subnet)

    def contains(self, subnet: Mapping[str, Choice]) -> bool:
        """Whether `subnet` is a subnet of this space."""
        try:
            self.validate(subnet)
        except ValueError:
            return False
        return True

    def smallest(self) -> Subnet:
        """The subnet that makes the first choice everywhere."""
        return self.subnet({d.name: d.choices[0] for d in self.decisions})

    def largest(self) -> Subnet:
        """The subnet that makes the last choice everywhere."""
        return self.subnet({d.name: d.choices[-1] for d in self.decisions})

    def sample(self, rng: np.random.Generator) -> Subnet:
        """A random subnet: every decision uniform over its choices.

        Args:
            rng: numpy.random.Generator.
        """
        return self.subnet(
            {
                d.name: d.choices[rng.integers(len(d.choices))]
                for d in self.decisions
            }
        )

    def enumerate(self) -> Iterator[Subnet]:
        """All subnets, each once, from the smallest choices upwards."""
        return self._extensions({}, 0)

    def _extensions(self, chosen, position) -> Iterator[Subnet]:
        if position == len(self.decisions):
            yield Subnet.of(chosen)
            return
        decision = self.decisions[position]
        if not decision.matters(chosen):
            yield from self._extensions(chosen, position + 1)
            return
        for choice in decision.choices:
            extended = {**chosen, decision.name: choice}
            yield from self._extensions(extended, position + 1)

    @property
    def num_subnets(self) -> int:
        """Number of distinct subnets, which may be more than `len` returns."""
        # For each decision, how many ways there are to decide those that
        # require it, directly or not, by its own choice. Later ones first.
        ways = {d.name: dict.fromkeys(d.choices, 1) for d in self.decisions}
        for decision in reversed(self.decisions):
            if decision.requires is not None:
                own = sum(ways.pop(decision.name).values())
                name, least = decision.requires
                for choice in ways[name]:
                    ways[name][choice] *= own if choice >= least else 1
        return math.prod(sum(each.values()) for each in ways.values())

    def neighbours(self, subnet: Mapping[str, Choice]) -> list[Subnet]:
        """The subnets that differ in one decision, each once.

        A decision that starts to matter makes its largest choice.
        """
        subnet = self.subnet(subnet)
        found: dict[Subnet, None] = {}
        for decision in self.decisions:
            if decision.name not in subnet:
                continue
            for choice in decision.choices:
                choices = {
                    **{d.name: d.choices[-1] for d in self.decisions},
                    **subnet,
                    decision.name: choice,
                }
                found.setdefault(self.subnet(choices))
        found.pop(subnet, None)
        return list(found)

    def to_indices(self, subnet: Mapping[str, Choice]) -> np.ndarray:
        """The subnet as choice indices, the form used inside graphs.

        Args:
            subnet: Subnet of this space.

        Returns:
            int32 array of shape (num_decisions,). A decision that does not
            matter has the index 0.
        """
        subnet = self.subnet(subnet)
        return np.array(
            [
                d.choices.index(subnet[d.name]) if d.name in subnet else 0
                for d in self.decisions
            ],
            np.int32,
        )

    def from_indices(self, indices: Sequence[int]) -> Subnet:
        """The subnet with these choice indices.

        Raises:
            ValueError: if there are not as many indices as decisions, or an
                index is out of range.
        """
        if len(indices) != len(self.decisions):
            raise ValueError(
                f"Expected {len(self.decisions)} choice indices. "
                f"Received: {list(indices)}"
            )
        choices = {}
        for decision, index in zip(self.decisions, indices):
            if not 0 <= index < len(decision.choices):
                raise ValueError(
                    f"The index of `{decision.name}` must be in 0..."
                    f"{len(decision.choices) - 1}. Received: {index}"
                )
            choices[decision.name] = decision.choices[index]
        return self.subnet(choices)

    def parse(self, text: str) -> Subnet:
        """The subnet that a user named.

        Args:
            text: `"smallest"`, `"largest"`, a JSON object of choices, or
                choices such as `width=0.8,depth=2`, where a name stands for
                all decisions that end with it, `block2_width` and others. One
                decision may have its own, `block2_width=1.0`, beside it.

        Raises:
            ValueError: if `text` is none of these, or not of this space.
        """
        if text in ("smallest", "largest"):
            return self.smallest() if text == "smallest" else self.largest()
        if _ASSIGNMENTS.fullmatch(text):
            return self.subnet(self._choices(text))
        try:
            choices = json.loads(text)
        except (ValueError, RecursionError):
            choices = None
        if not isinstance(choices, dict):
            raise ValueError(
                "A subnet is `smallest`, `largest`, choices such as "
                "width=0.8,depth=2, or a JSON object such as "
                f"{self.smallest()}. Received: {text}"
            )
        return self.subnet(choices)

    def _choices(self, text) -> dict[str, Choice]:
        """Choices of all decisions that are named in assignments."""
        choices: dict[str, Choice] = {}
        own: dict[str, Choice] = {}
        given: set[str] = set()
        names = {decision.name for decision in self.decisions}
        pairs = [part.split("=") for part in text.split(",")]
        # What stands for fewer decisions counts before what stands for more.
        for key, number in sorted(pairs, key=lambda pair: len(pair[0])):
            if key in given:
                raise ValueError(f"`{key}` is there twice. Received: {text}")
            given.add(key)
            named = [name for name in names if name.endswith(f"_{key}")]
            if key in names or not named:
                # An unknown one is refused with those of the space.
                own[key] = float(number)
            else:
                choices |= dict.fromkeys(named, float(number))
        return choices | own

    def to_json(self) -> list[dict]:
        """This space as JSON types."""
        return [
            {
                "name": d.name,
                "choices": list(d.choices),
                "requires": None if d.requires is None else list(d.requires),
            }
            for d in self.decisions
        ]

    @classmethod
    def from_json(cls, values: Sequence[Mapping]) -> "SearchSpace":
        """The space that `to_json` described."""
        expected = {"name", "choices", "requires"}
        decisions = []
        for value in values:
            if set(value) != expected:
                raise ValueError(
                    f"A decision has the keys {sorted(expected)}. "
                    f"Received: {sorted(value)}"
                )
            requires = value["requires"]
            decisions.append(
                Decision(
                    value["name"],
                    tuple(value["choices"]),
                    None if requires is None else tuple(requires),
                )
            )
        return cls(tuple(decisions))
