"""Class names and their indices."""

import dataclasses
import hashlib
import json

from ofa_aec_tf.checks.argument_checks import check_class_names


@dataclasses.dataclass(frozen=True)
class ClassMap:
    """The classes of a data set or model, in the order of its outputs.

    Args:
        names: tuple of str, distinct, each a line of text.
    """

    names: tuple[str, ...]

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names:
            raise ValueError("A class map needs at least one class.")
        check_class_names(self.names)
        repeated = sorted(n for n in set(self.names) if self.names.count(n) > 1)
        if repeated:
            raise ValueError(
                f"Class names must be distinct. Received twice: {repeated}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of a class.

        Raises:
            ValueError: if there is no such class.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(
                f"Classes are {list(self.names)}. Received: {name!r}"
            ) from None

    def digest(self) -> str:
        """Short hash of the names and their order."""
        text = json.dumps(self.names)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
