"""When a run ends because its numbers are none, and when it does not."""

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.training.checkpoints import DivergenceCheck
from ofa_aec_tf.training.checkpoints import ResumableTraining
from ofa_aec_tf.training.distiller import NetworkDistiller


def test_a_step_that_is_skipped_for_its_scale_ends_nothing(tmp_path):
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(3)]
    )
    start = network.get_weights()[0]
    distiller = NetworkDistiller(network)
    # As with float16, whose largest number is smaller.
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=2.0**127
    )
    distiller.compile(optimizer=optimizer, jit_compile=False)
    optimizer.build(distiller.trainable_variables)
    scales = []
    batch = {
        "log_mel": np.full((8, 4), 100.0, np.float32),
        "labels": np.eye(3, dtype=np.float32)[np.arange(8) % 3],
    }
    resumable = ResumableTraining(distiller, tmp_path)
    distiller.fit(
        tf.data.Dataset.from_tensors(batch).repeat(),
        epochs=2,
        steps_per_epoch=6,
        shuffle=False,
        verbose=0,
        callbacks=[
            DivergenceCheck(resumable),
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: scales.append(
                    float(optimizer.dynamic_scale)
                )
            ),
            resumable,
        ],
    )
    # Gradients were infinite at first, and are not in the end.
    assert scales[0] == 2.0**126
    assert scales[-1] == scales[-2]
    assert not np.array_equal(network.get_weights()[0], start)
    assert resumable.num_saved_epochs == 2
