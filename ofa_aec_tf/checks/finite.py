"""Numbers that are none: NaN and infinity in what is learned or computed."""

from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np

_NUM_NAMED = 3


class NotFiniteError(ValueError):
    """Something holds NaN or infinity, of which nothing useful can come."""


def check_finite(
    arrays: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]],
    owner: str,
    remedy: str,
) -> None:
    """Refuses arrays of which one holds NaN or infinity.

    Args:
        arrays: mapping from names to arrays, or pairs of both.
        owner: str. What they belong to, for the message.
        remedy: str. What to do, a sentence.

    Raises:
        NotFiniteError: naming some of those that do.
    """
    broken = [
        name
        for name, array in dict(arrays).items()
        if not np.isfinite(array).all()
    ]
    if broken:
        more = f" and {len(broken) - _NUM_NAMED} more"
        raise NotFiniteError(
            f"{owner} holds numbers that are not finite, NaN or infinity, in "
            f"{', '.join(broken[:_NUM_NAMED])}"
            f"{more if len(broken) > _NUM_NAMED else ''}. {remedy}"
        )
