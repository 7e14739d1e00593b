"""A small space whose subnets have a quality by a formula."""

import numpy as np

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas.study import SearchStudy
from ofa_aec_tf.nas.study import open_storage

FAMILY = Cnn10Family(
    5,
    hidden_units=8,
    channels=(4, 8, 12),
    width_ratios=(0.5, 0.75, 1.0),
    depth_pattern="2X",
)
SPACE = FAMILY.search_space()
IDENTITY = {"supernet_digest": "abc", "seed": 0}


def costs_of(subnet):
    return FAMILY.complexity(subnet, num_frames=64).to_json()


CANDIDATES, _ = candidates.list_candidates(
    SPACE, costs_of, np.random.default_rng(0)
)


def quality(subnet):
    """A fixed number for each subnet, in no order of size."""
    position = [c.subnet for c in CANDIDATES].index(subnet)
    return (7 * position % len(CANDIDATES)) / len(CANDIDATES)


class Evaluator:
    """Notes what it evaluates; can be interrupted or fail."""

    def __init__(self, interrupt_at=None, failing=()):
        self.calls = []
        self._interrupt_at = interrupt_at
        self._failing = failing

    def __call__(self, subnet):
        if len(self.calls) == self._interrupt_at:
            raise KeyboardInterrupt
        self.calls.append(subnet)
        if subnet in self._failing:
            raise ValueError("outputs are not finite")
        return {"mAP": quality(subnet), "accuracy": None, "num_clips": 4}


def open_study(directory, space=SPACE, identity=IDENTITY, url=None):
    return SearchStudy(open_storage(url, directory), space, identity)
