"""Events: the classes whose scores are high enough to be listed."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A class that was detected.

    Args:
        name: str. Name of the class.
        score: float in [0, 1]. In a file, the highest over its windows.
        start_seconds: float. Start of the window with that score.
        end_seconds: float. End of that window, or of the file if it ends
            before.
    """

    name: str
    score: float
    start_seconds: float
    end_seconds: float


class EventSelector:
    """Selects the classes that are listed, best first.

    Args:
        class_names: sequence of str, one for each score.
        thresholds: sequence of float or None, one for each class: the lowest
            score that is listed, or None if the class never is. By default
            all scores are listed.
        top_k: int or None. List at most so many classes.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        thresholds: Sequence[float | None] | None = None,
        top_k: int | None = None,
    ):
        self._class_names = tuple(class_names)
        if thresholds is None:
            thresholds = [-np.inf] * len(self._class_names)
        self._thresholds = np.array(
            [np.inf if value is None else value for value in thresholds]
        )
        self._top_k = top_k

    def select(self, scores, start_seconds, end_seconds) -> list[Event]:
        """Selects events by their scores.

        Args:
            scores: float array of shape (num_classes,).
            start_seconds: float, or float array of shape (num_classes,). The
                starts of the windows with these scores.
            end_seconds: like `start_seconds`. Their ends.

        Returns:
            list of Event. Equal scores keep the order of the classes.
        """
        starts = np.broadcast_to(start_seconds, np.shape(scores))
        ends = np.broadcast_to(end_seconds, np.shape(scores))
        order = np.argsort(-scores, kind="stable")
        listed = order[scores[order] >= self._thresholds[order]]
        return [
            Event(
                self._class_names[index],
                float(scores[index]),
                float(starts[index]),
                float(ends[index]),
            )
            for index in listed[: self._top_k]
        ]
