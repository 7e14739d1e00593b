"""Which clips are in the batch of a step, if some classes are rare.

Both samplers are pure functions of (seed, step). Their memory is proportional
to the number of labels of all clips. Clips without a label count as one more
class.
"""

import numpy as np

from ofa_aec_tf.data.record_reader import ClipLabels

UNIFORM = "uniform"
CLASS_BALANCED = "class_balanced"
WEIGHTED = "weighted"
SAMPLINGS = (UNIFORM, CLASS_BALANCED, WEIGHTED)

# Added to the count of a class, as PSLA does.
COUNT_EPSILON = 0.01

# Parts of seeds, so that different uses of a seed draw different numbers.
_CLASS_ORDER, _CLIP_ORDER, _WEIGHTED_DRAW = range(3)


def class_weights(class_counts: np.ndarray) -> np.ndarray:
    """What each label adds to the weight of a clip.

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
    """The weights of clips, sums of the weights of their classes.

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
    """Draws clips with replacement, clips of rare classes more often.

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
    """Draws every class equally often, and the clips of a class in turn.

    Every pass over the classes that have clips is a shuffle of them. A class
    takes the next clip of its own list, which is shuffled again after its last
    clip. A clip with several labels is in several lists.

    A class occurs once per pass over the classes, so that in pass r it takes
    clip r mod n of its shuffle number r div n, where n is its number of clips.
    PANNs goes through the same lists with pointers, which it has to store;
    only the random numbers differ.

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
        # For each class its latest shuffle: the number, and the clips.
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
        # Threads may compute the same shuffle twice.
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
