"""Which clips are in the batch of a step, where classes are unequally common.

Both samplers are pure functions of (seed, step). They keep arrays as long as
all labels of all clips, and nothing of the steps before. Clips without a label
are drawn as if they were one class more.
"""

import numpy as np

from ofa_aec_tf.data.record_reader import ClipLabels

UNIFORM = "uniform"
CLASS_BALANCED = "class_balanced"
WEIGHTED = "weighted"
SAMPLINGS = (UNIFORM, CLASS_BALANCED, WEIGHTED)

# Added to the count of a class, as PSLA does.
COUNT_EPSILON = 0.01

# Parts of seeds, so that no two uses of one seed draw the same numbers.
_CLASS_ORDER, _CLIP_ORDER, _WEIGHTED_DRAW = range(3)


def class_weights(class_counts: np.ndarray) -> np.ndarray:
    """The part of a clip's weight that each of its labels adds.

    Args:
        class_counts: int array of shape (num_classes,). Clips of each class.

    Returns:
        float64 array of shape (num_classes,), 1 / (count + COUNT_EPSILON), and
        0 for a class without clips.

    Reference: PSLA (arXiv 2102.01243), section "balanced sampling".
    """
    counts = np.asarray(class_counts, np.float64)
    return np.where(counts > 0, 1 / (counts + COUNT_EPSILON), 0.0)


def clip_weights(labels: ClipLabels, num_classes: int) -> np.ndarray:
    """Weights that clips are drawn by: the sum of those of their classes.

    Args:
        labels: ClipLabels.
        num_classes: int.

    Returns:
        float64 array of shape (num_clips,).
    """
    labels = labels.with_none_as_class(num_classes)
    num_classes += 1
    weights = class_weights(labels.class_counts(num_classes))
    return np.bincount(
        labels.clips, weights[labels.classes], minlength=labels.num_clips
    )


class WeightedSampler:
    """Draws clips with replacement, those of rare classes more often.

    Args:
        labels: ClipLabels.
        num_classes: int.
        seed: int.

    Raises:
        ValueError: if no clip has a label.
    """

    def __init__(self, labels: ClipLabels, num_classes: int, seed: int):
        _check_any(labels)
        self._cumulative = np.cumsum(clip_weights(labels, num_classes))
        self._seed = seed

    def clip_numbers(self, step: int, batch_size: int) -> np.ndarray:
        """int64 array of shape (batch_size,), the clips of a step."""
        rng = np.random.default_rng([self._seed, _WEIGHTED_DRAW, int(step)])
        drawn = rng.random(batch_size) * self._cumulative[-1]
        return np.searchsorted(self._cumulative, drawn, side="right")


class ClassBalancedSampler:
    """Draws every class equally often, and every clip of a class in turn.

    The classes come in passes, each a shuffle of all that have clips; a class
    that comes up gives the next clip of its own list, which is shuffled anew
    whenever it has been gone through. A clip with several labels is in several
    lists.

    A class comes up once in every pass over the classes, so that in pass r it
    gives the clip r mod n of its shuffle number r div n, where n is its number
    of clips. PANNs walks through the same lists with pointers, which it has to
    store; only the random numbers differ.

    Args:
        labels: ClipLabels.
        num_classes: int.
        seed: int.

    Raises:
        ValueError: if no clip has a label.

    Reference: PANNs (arXiv 1912.10211), section "data balancing".
    """

    def __init__(self, labels: ClipLabels, num_classes: int, seed: int):
        _check_any(labels)
        labels = labels.with_none_as_class(num_classes)
        num_classes += 1
        counts = labels.class_counts(num_classes)
        (self._classes,) = counts.nonzero()
        by_class = labels.clips[np.argsort(labels.classes, kind="stable")]
        self._clips_of = np.split(by_class, np.cumsum(counts)[:-1])
        self._seed = seed
        # The last shuffle of every class: its number, and the clips.
        self._shuffles: dict[int, tuple[int, np.ndarray]] = {}

    def clip_numbers(self, step: int, batch_size: int) -> np.ndarray:
        """int64 array of shape (batch_size,), the clips of a step."""
        position = int(step) * batch_size
        end = position + batch_size
        clips = []
        while position < end:
            pass_number, start = divmod(position, len(self._classes))
            stop = min(start + end - position, len(self._classes))
            order = self._shuffled(self._classes, _CLASS_ORDER, pass_number)
            clips += [
                self._clip(label, pass_number) for label in order[start:stop]
            ]
            position += stop - start
        return np.array(clips, np.int64)

    def _shuffled(self, values, *key):
        return np.random.default_rng([self._seed, *key]).permutation(values)

    def _clip(self, label, pass_number):
        clips = self._clips_of[label]
        shuffle_number, place = divmod(pass_number, len(clips))
        # Threads may compute a shuffle twice; it is the same.
        number, shuffled = self._shuffles.get(label, (None, None))
        if number != shuffle_number:
            shuffled = self._shuffled(clips, _CLIP_ORDER, label, shuffle_number)
            self._shuffles[label] = (shuffle_number, shuffled)
        return shuffled[place]


def make_sampler(
    sampling: str, labels: ClipLabels, num_classes: int, seed: int
) -> ClassBalancedSampler | WeightedSampler:
    """The sampler of a name.

    Args:
        sampling: `CLASS_BALANCED` or `WEIGHTED`.
        labels: ClipLabels.
        num_classes: int.
        seed: int.
    """
    samplers = {
        CLASS_BALANCED: ClassBalancedSampler,
        WEIGHTED: WeightedSampler,
    }
    return samplers[sampling](labels, num_classes, seed)


def _check_any(labels):
    if not len(labels.clips):
        raise ValueError(
            f"None of the {labels.num_clips} clips has a label, so that they "
            "cannot be sampled by class. Use --sampling=uniform."
        )
