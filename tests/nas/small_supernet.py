"""A small supernet with random weights, saved as training saves one."""

import keras

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family


def make_supernet(num_classes):
    """A supernet of eight subnets; the same weights every time."""
    family = Cnn10Family(
        num_classes,
        channels=(4, 6, 8, 8),
        hidden_units=8,
        width_ratios=(0.5, 1.0),
        depth_pattern="222",
    )
    keras.utils.set_random_seed(0)
    return networks.build_supernet(family)


def save_supernet(path, dataset):
    """Saves the supernet for a data set, with its record; returns it."""
    supernet = make_supernet(len(dataset.class_map))
    supernet.save(path)
    ModelInfo.for_dataset(dataset, stage="supernet").write(path)
    return supernet
