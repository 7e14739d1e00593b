"""Which classes of the scores of a window or a file are its events."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A class and how sure the model is to have heard it.

    Args:
        name: str. Class.
        score: float in [0, 1]. In a file the highest over its windows.
        start_seconds: float. Start of the window with that score.
        end_seconds: float. End of that window, or of the file in it.
    """

    name: str
    score: float
    start_seconds: float
    end_seconds: float


class EventSelector:
    """Which classes are listed, best first.

    Args:
        class_names: sequence of str, one for each score.
        thresholds: sequence of float or None, one for each class: the lowest
            score that is listed, None for a class that never is. Without any,
            all scores are.
        top_k: int or None. At most so many classes.
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
        """The events among scores.

        Args:
            scores: float array of shape (num_classes,).
            start_seconds: float, or array of that shape. Where the windows
                with these scores begin.
            end_seconds: likewise. Where they end.

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
