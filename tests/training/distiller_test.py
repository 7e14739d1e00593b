"""The training steps against gradients computed one by one."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.config import OptimizerConfig
from ofa_aec_tf.training.distiller import NetworkDistiller
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.losses import cross_entropy
from ofa_aec_tf.training.optimization import make_optimizer
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from ofa_aec_tf.training.teachers import NetworkTeacher


def make_batch(num_clips=6, num_classes=5, seed=0):
    rng = np.random.default_rng(seed)
    log_mel = rng.normal(-40, 15, (num_clips, 33, 64)).astype(np.float32)
    labels = (rng.random((num_clips, num_classes)) < 0.3).astype(np.float32)
    return {"log_mel": tf.constant(log_mel), "labels": tf.constant(labels)}


def small_family(**options):
    return Cnn10Family(
        num_classes=5, channels=(6, 8, 10, 12), hidden_units=16, **options
    )


def small_twin(**options):
    return networks.builders(small_family()).build_training_twin(**options)


def make_teacher(seed=3):
    keras.utils.set_random_seed(seed)
    return logits_model(small_twin())


def make_supernet_distiller(num_subnets=3, label_weight=0.0, **options):
    keras.utils.set_random_seed(0)
    family = small_family(**options)
    supernet = networks.build_supernet(family)
    sampler = SubnetSampler(family.search_space(), num_subnets, "uniform", 0, 0)
    teacher = make_teacher()
    distiller = SupernetDistiller(
        supernet,
        sampler,
        NetworkTeacher([functools.partial(teacher, training=False)]),
        LossConfig(label_weight),
    )
    return distiller, teacher


@pytest.mark.parametrize("elastic_stem", [False, True])
@pytest.mark.parametrize("sharing", ["none", "stages", "twice the same"])
@pytest.mark.parametrize("count", [1, 4])
def test_gradients_equal_the_mean_over_separate_subnets(
    elastic_stem, sharing, count
):
    distiller, teacher = make_supernet_distiller(elastic_stem=elastic_stem)
    supernet = distiller.supernet
    batch = make_batch()
    space = supernet.family.search_space()
    others = space.to_indices(space.largest())
    # The last two rows differ from the first in block 4, or not at all.
    rows = np.array([space.to_indices(space.smallest())] * 4)
    rows[1] = others
    if sharing == "none":
        rows[2, -3], rows[3, -3] = 1, 2
        rows[2, 0], rows[3, 0] = 1, 2
    elif sharing == "stages":
        rows[2, -1], rows[3, -1] = 1, 2
    subnets = tf.constant(rows)
    losses, gradients = tf.function(distiller.loss_and_gradients)(
        batch, subnets, tf.constant(count)
    )
    variables = [v.value for v in supernet.trainable_variables]
    targets = tf.sigmoid(teacher(batch["log_mel"], training=False))
    expected_loss = 0.0
    expected = [np.zeros(v.shape, np.float32) for v in variables]
    for subnet in subnets[:count]:
        with tf.GradientTape() as tape:
            logits = supernet(batch["log_mel"], subnet=subnet, training=True)
            loss = tf.reduce_mean(cross_entropy(targets, logits, SIGMOID))
        expected_loss += float(loss) / count
        parts = tape.gradient(loss, variables, unconnected_gradients="zero")
        expected = [e + p.numpy() / count for e, p in zip(expected, parts)]
    np.testing.assert_allclose(losses["loss"], expected_loss, rtol=1e-5)
    for variable, ours, theirs in zip(variables, gradients, expected):
        np.testing.assert_allclose(
            ours, theirs, atol=2e-5, err_msg=variable.name
        )


def test_a_channel_that_no_subnet_used_has_gradient_zero():
    distiller, _ = make_supernet_distiller(num_subnets=1)
    space = distiller.supernet.family.search_space()
    batch = make_batch()
    _, gradients = distiller.loss_and_gradients(
        batch,
        tf.constant(space.to_indices(space.smallest())[None]),
        tf.constant(1),
    )
    by_path = {
        variable.path: gradient.numpy()
        for variable, gradient in zip(
            distiller.supernet.trainable_variables, gradients
        )
    }
    # Smallest: 0.4 of 8, of 10 and of 12 channels. Block 2's convolution runs
    # with all its filters, for all subnets at once.
    for name, active in (
        ("block2_conv1/kernel", np.s_[:, :, :, :3]),
        ("block4_conv1/kernel", np.s_[:, :, :4, :5]),
    ):
        kernel = by_path[name]
        assert kernel[active].any(), name
        kernel[active] = 0
        assert not kernel.any(), name
    assert not by_path["block4_conv2/kernel"].any()


def fit(distiller, num_steps=4, learning_rate=1e-2):
    distiller.compile(keras.optimizers.Adam(learning_rate), jit_compile=False)
    batches = [make_batch(seed=seed) for seed in range(num_steps)]
    dataset = tf.data.Dataset.from_tensor_slices(
        {
            key: tf.concat([batch[key] for batch in batches], 0)
            for key in ("log_mel", "labels")
        }
    ).batch(6)
    return distiller.fit(dataset, shuffle=False, verbose=0).history


def test_teacher_stays_bit_for_bit_the_same():
    distiller, teacher = make_supernet_distiller()
    before = teacher.get_weights()
    start = distiller.supernet.get_weights()
    fit(distiller)
    for old, new in zip(before, teacher.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert any(
        not np.array_equal(old, new)
        for old, new in zip(start, distiller.supernet.get_weights())
    )


def test_teacher_is_not_among_the_trained_variables():
    distiller, _ = make_supernet_distiller()
    supernet_paths = {v.path for v in distiller.supernet.trainable_variables}
    assert {v.path for v in distiller.trainable_variables} == supernet_paths


def test_supernet_step_traces_once_for_all_subnets():
    distiller, _ = make_supernet_distiller()
    counted = []

    def counting(stage):
        def run(*arguments, **options):
            counted.append(stage.decisions)
            return stage.run(*arguments, **options)

        return dataclasses.replace(stage, run=run)

    distiller._stages = [counting(stage) for stage in distiller._stages]
    fit(distiller, num_steps=1)
    first_step = len(counted)
    # TensorFlow traces the body of a loop more than once to find out shapes,
    # that of a loop in a loop more often.
    assert set(counted) == {stage.decisions for stage in distiller._stages}
    assert first_step <= 2 + 4 + 8
    batches = tf.data.Dataset.from_tensors(make_batch()).repeat(6)
    distiller.fit(batches, shuffle=False, verbose=0)
    assert len(counted) == first_step


def test_one_update_equals_adam_on_the_mean_gradient():
    distiller, _ = make_supernet_distiller(num_subnets=2)
    batch = make_batch()
    subnets, count = distiller.sampler.sample(tf.constant(0))
    _, gradients = distiller.loss_and_gradients(batch, subnets, count)
    before = [v.numpy() for v in distiller.supernet.trainable_variables]
    fit(distiller, num_steps=1, learning_rate=0.01)
    for old, gradient, variable in zip(
        before, gradients, distiller.supernet.trainable_variables
    ):
        gradient = gradient.numpy()
        # The first step of Adam: moments 0.1 g and 0.001 g^2, corrected for
        # their start at 0; the epsilon is added before that correction.
        step = 0.01 * np.sqrt(0.001) / 0.1 * (0.1 * gradient)
        expected = old - step / (np.sqrt(0.001) * np.abs(gradient) + 1e-7)
        # Rounding decides the direction where the gradient is all but 0.
        clear = (np.abs(gradient) > 1e-5) | (gradient == 0)
        assert clear.mean() > 0.5, variable.path
        np.testing.assert_allclose(
            variable.numpy()[clear], expected[clear], atol=1e-4
        )


def test_accumulated_batches_update_as_one_large_batch():
    updated = []
    for num_clips, accumulation_steps in ((12, 1), (4, 3)):
        keras.utils.set_random_seed(0)
        inputs = keras.layers.Input((33, 64))
        pooled = keras.layers.GlobalAveragePooling1D()(inputs)
        distiller = NetworkDistiller(
            keras.Model(inputs, keras.layers.Dense(5, name="logits")(pooled))
        )
        config = OptimizerConfig(accumulation_steps=accumulation_steps)
        distiller.compile(make_optimizer(config, 0.01), jit_compile=False)
        batches = [make_batch(12, seed=seed) for seed in range(2)]
        dataset = tf.data.Dataset.from_tensor_slices(
            {
                key: tf.concat([batch[key] for batch in batches], 0)
                for key in ("log_mel", "labels")
            }
        ).batch(num_clips)
        start = distiller.get_weights()
        distiller.fit(dataset, shuffle=False, verbose=0)
        updated.append(distiller.network.get_weights())
        assert int(distiller.optimizer.iterations) == 2
    assert not np.allclose(updated[0][0], start[0], atol=1e-3)
    for large, accumulated in zip(*updated):
        np.testing.assert_allclose(accumulated, large, atol=1e-5)


def test_accumulated_steps_draw_other_subnets():
    distiller, _ = make_supernet_distiller(num_subnets=2)
    config = OptimizerConfig(accumulation_steps=2)
    distiller.compile(make_optimizer(config, 0.01), jit_compile=False)
    drawn = []

    class Recording:
        def sample(self, step):
            drawn.append(int(step))
            return sampler.sample(step)

    sampler, distiller.sampler = distiller.sampler, Recording()
    before = distiller.supernet.get_weights()
    for seed in range(4):
        distiller.train_step(make_batch(seed=seed))
        is_updated = any(
            not np.array_equal(old, new)
            for old, new in zip(before, distiller.supernet.get_weights())
        )
        assert is_updated == (seed >= 1)
    assert drawn == [0, 1, 2, 3]
    assert int(distiller.optimizer.iterations) == 2


def test_float32_curves_match_those_of_the_plain_step():
    """Slices, shared stages and Winograd against masks of everything."""
    histories, weights = [], []
    for execution, algorithm in (("slice", "winograd"), ("mask", "auto")):
        keras.utils.set_random_seed(0)
        family = small_family()
        supernet = networks.build_supernet(family, execution, algorithm)
        teacher = make_teacher()
        distiller = SupernetDistiller(
            supernet,
            SubnetSampler(family.search_space(), 4, "uniform", 0, 0),
            NetworkTeacher([functools.partial(teacher, training=False)]),
        )
        if weights:
            supernet.set_weights(weights[0])
        weights.append(supernet.get_weights())
        distiller.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
        batches = [make_batch(seed=seed) for seed in range(4)]
        step = tf.function(distiller.train_step)
        distiller.optimizer.build(supernet.trainable_variables)
        histories.append([one_loss(distiller, step, b) for b in batches * 6])
    sliced, masked = map(np.array, histories)
    # It does learn, and by the same steps.
    assert sliced[-1] < 0.9 * sliced[0]
    np.testing.assert_allclose(sliced, masked, rtol=2e-3)


def one_loss(distiller, step, batch):
    for metric in distiller.metrics:
        metric.reset_state()
    return float(step(batch)["loss"])


@pytest.mark.parametrize("kind", ["network", "supernet"])
def test_float16_learns_with_a_scaled_loss(kind):
    with precision_scope("float16"):
        if kind == "supernet":
            distiller, _ = make_supernet_distiller()
        else:
            keras.utils.set_random_seed(0)
            network = logits_model(small_twin())
            distiller = NetworkDistiller(network)
    history = fit(distiller, num_steps=3)
    assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    later = fit(distiller, num_steps=3)
    # The reported loss is not the scaled one.
    assert later["loss"][0] < history["loss"][0] < 2
    for variable in distiller.trainable_variables:
        assert variable.dtype == "float32"
        assert np.isfinite(variable.numpy()).all()


def test_float16_gradients_are_scaled_back():
    with precision_scope("float16"):
        distiller, _ = make_supernet_distiller()
    batch = make_batch()
    subnets, count = distiller.sampler.sample(tf.constant(0))

    def gradients():
        return distiller.loss_and_gradients(batch, subnets, count)

    losses, plain = gradients()
    distiller.compile(
        keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(1.0), initial_scale=1024.0
        ),
        jit_compile=False,
    )
    distiller.optimizer.build(distiller.trainable_variables)
    scaled_losses, scaled = gradients()
    assert float(losses["loss"]) == float(scaled_losses["loss"])
    largest = max(float(tf.reduce_max(tf.abs(g))) for g in plain)
    for one, thousand in zip(plain, scaled):
        np.testing.assert_allclose(thousand / 1024, one, atol=0.02 * largest)


def test_history_has_each_part_of_the_loss():
    distiller, _ = make_supernet_distiller(label_weight=0.5)
    history = fit(distiller)
    assert set(history) == {
        "loss",
        "label_loss",
        "distillation_loss",
        "kl_divergence",
    }
    np.testing.assert_allclose(
        history["loss"][0],
        0.5 * history["label_loss"][0] + 0.5 * history["distillation_loss"][0],
        rtol=1e-5,
    )


def test_network_step_learns_labels_and_moves_statistics():
    keras.utils.set_random_seed(0)
    twin = small_twin()
    distiller = NetworkDistiller(logits_model(twin))
    moving_mean = twin.get_layer("input_bn").moving_mean
    before = moving_mean.numpy()
    history = fit(distiller, num_steps=30)
    assert set(history) == {"loss", "label_loss"}
    after = fit(distiller, num_steps=30)
    assert after["loss"][0] < history["loss"][0]
    assert np.abs(moving_mean.numpy() - before).max() > 10


def test_twin_and_plain_network_give_the_same_scores():
    keras.utils.set_random_seed(0)
    family = small_family()
    subnet = family.search_space().smallest()
    twin = networks.builders(family).build_training_twin(
        subnet, head_dropout=0.5
    )
    fit(NetworkDistiller(logits_model(twin)))
    plain = networks.builders(family).to_plain_network(twin, subnet)
    log_mel = make_batch()["log_mel"]
    np.testing.assert_allclose(
        plain(log_mel), twin(log_mel, training=False), atol=1e-5
    )


def test_dropout_changes_the_training_outputs_only():
    keras.utils.set_random_seed(0)
    twin = small_twin(block_dropout=0.2, head_dropout=0.5)
    log_mel = make_batch()["log_mel"]
    first, second = (twin(log_mel, training=True).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    first, second = (twin(log_mel, training=False).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_settings_without_sense_are_refused():
    network = logits_model(small_twin())
    with pytest.raises(ValueError, match="Distillation needs a teacher"):
        NetworkDistiller(network, None, LossConfig(label_weight=0.5))
