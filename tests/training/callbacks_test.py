"""When a plateau lowers the learning rate."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training.optimization import AdjustableRate

MAPS = [0.1, 0.3, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0.5, 0.1, 0.1]


def keras_rates(values, factor, patience):
    """The learning rates that Keras's own callback sets after epochs."""
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_mAP", factor=factor, patience=patience, mode="max", min_delta=0
    )
    plateau.set_model(model)
    plateau.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        plateau.on_epoch_end(epoch, {"val_mAP": value})
        rates.append(float(model.optimizer.learning_rate.numpy()))
    return rates


def make_plateau(factor, patience, map_names=("val_mAP",)):
    rate = AdjustableRate(1.0, warmup_steps=0)
    return rate, callbacks.Plateau(rate, factor, patience, map_names)


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.5, 0.1])
def test_rates_are_those_of_keras(factor, patience):
    rate, plateau = make_plateau(factor, patience)
    ours = []
    for epoch, value in enumerate(MAPS):
        logs = {"val_mAP": value}
        plateau.on_epoch_end(epoch, logs)
        # What the epoch was trained with, not the next.
        np.testing.assert_allclose(
            logs["learning_rate"], ours[-1] if ours else 1.0
        )
        ours.append(float(rate.peak.numpy()))
    expected = keras_rates(MAPS, factor, patience)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert ours[-1] < 0.6


def test_two_epochs_without_a_better_one_lower_the_rate():
    rate, plateau = make_plateau(0.5, 2)
    rates = []
    for epoch, value in enumerate([0.3, 0.2, 0.3, 0.2, 0.1, 0.4]):
        plateau.on_epoch_end(epoch, {"val_mAP": value})
        rates.append(float(rate.peak.numpy()))
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("killed_after", range(1, len(MAPS)))
def test_restored_variables_go_on_alike(killed_after):
    first_rate, first = make_plateau(0.5, 2)
    for epoch, value in enumerate(MAPS[:killed_after]):
        first.on_epoch_end(epoch, {"val_mAP": value})
    rate, second = make_plateau(0.5, 2)
    for saved, restored in zip(first.variables, second.variables):
        restored.assign(saved)
    assert float(rate.peak.numpy()) == float(first_rate.peak.numpy())
    for epoch, value in enumerate(MAPS[killed_after:]):
        second.on_epoch_end(epoch, {"val_mAP": value})
    assert float(rate.peak.numpy()) == keras_rates(MAPS, 0.5, 2)[-1]


def test_a_supernet_has_the_mean_of_its_subnets():
    names = ("val_smallest_mAP", "val_largest_mAP")
    rate, plateau = make_plateau(0.5, 1, names)
    rates = []
    # Means 0.3, 0.35, 0.3.
    for pair in ((0.2, 0.4), (0.4, 0.3), (0.1, 0.5)):
        plateau.on_epoch_end(0, dict(zip(names, pair)))
        rates.append(float(rate.peak.numpy()))
    assert rates == [1.0, 1.0, 0.5]


def test_a_validation_without_map_is_refused():
    _, plateau = make_plateau(0.5, 1)
    with pytest.raises(ValueError, match="needs a mAP, and no class has clips"):
        plateau.on_epoch_end(0, {"val_mAP": None})
