"""The supernet, its subnets cut out, and its statistics."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.evaluation.batch_norm_calibration import calibrate
from ofa_aec_tf.families import networks
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.cnn10.network import build_cnn10
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.models.logits import logits_model

TOLERANCE = 1e-5

FAMILIES = {
    "22X": {},
    "XXX": {"depth_pattern": "XXX"},
    "stem": {"elastic_stem": True, "depth_pattern": "2XX"},
    "layer": {"width_granularity": "layer"},
}


def small_family(**options):
    return Cnn10Family(
        num_classes=5, channels=(6, 8, 10, 12), hidden_units=16, **options
    )


def make_supernet(family, execution="slice", algorithm="auto", seed=0):
    keras.utils.set_random_seed(seed)
    supernet = networks.build_supernet(family, execution, algorithm)
    rng = np.random.default_rng(seed)
    for layer in supernet.weighted_layers():
        values = layer.get_weights()
        if "_bn" in layer.name:
            values = [rng.uniform(0.5, 1.5, v.shape) for v in values]
        layer.set_weights(values)
    return supernet


def make_clips(num_clips=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(-40, 15, (num_clips, 33, 64)).astype(np.float32)


def some_subnets(family, seed=0):
    space = family.search_space()
    rng = np.random.default_rng(seed)
    sampled = [space.sample(rng) for _ in range(3)]
    return [space.smallest(), space.largest(), *sampled]


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("options", FAMILIES.values(), ids=FAMILIES)
def test_mask_slice_and_materialized_give_the_same_outputs(options, algorithm):
    family = small_family(**options)
    supernet = make_supernet(family, algorithm=algorithm)
    masked = make_supernet(family, "mask")
    masked.set_weights(supernet.get_weights())
    clips = make_clips()
    for subnet in some_subnets(family):
        moments = calibrate(supernet, subnet, [clips, clips + 3])
        sliced = supernet.predict_logits(clips, subnet, moments)
        plain = materialize_subnet(supernet, subnet, moments)
        np.testing.assert_allclose(
            masked.predict_logits(clips, subnet, moments),
            sliced,
            atol=TOLERANCE,
        )
        np.testing.assert_allclose(
            logits_model(plain)(clips), sliced, atol=TOLERANCE
        )
        np.testing.assert_allclose(
            plain(clips), 1 / (1 + np.exp(-sliced)), atol=TOLERANCE
        )


def gradients_by_weight(model, clips, **arguments):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(clips, training=True, **arguments) ** 2)
    variables = model.trainable_variables
    gradients = tape.gradient(
        loss, [v.value for v in variables], unconnected_gradients="zero"
    )
    return [g.numpy() for g in gradients]


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("options", FAMILIES.values(), ids=FAMILIES)
def test_mask_slice_and_plain_training_give_the_same_gradients(
    options, algorithm
):
    family = small_family(**options)
    supernet = make_supernet(family, algorithm=algorithm)
    masked = make_supernet(family, "mask")
    masked.set_weights(supernet.get_weights())
    clips = make_clips()
    layer_of = {
        variable.path: layer.name
        for layer in supernet.weighted_layers()
        for variable in layer.trainable_variables
    }
    names = [layer_of[v.path] for v in supernet.trainable_variables]
    for subnet in some_subnets(family):
        indices = tf.constant(family.search_space().to_indices(subnet))
        sliced = gradients_by_weight(supernet, clips, subnet=indices)
        # Small gradients are sums of large terms that cancel.
        tolerance = TOLERANCE * max(np.abs(g).max() for g in sliced)
        moments = calibrate(supernet, subnet, [clips])
        plain = logits_model(materialize_subnet(supernet, subnet, moments))
        expected = {}
        for variable, gradient in zip(
            plain.trainable_variables, gradients_by_weight(plain, clips)
        ):
            name = variable.path.split("/")[0]
            expected.setdefault(name, []).append(gradient)
        for name, ours, other in zip(
            names,
            sliced,
            gradients_by_weight(masked, clips, subnet=indices),
        ):
            np.testing.assert_allclose(ours, other, atol=tolerance)
            if name not in expected:
                # A layer that this subnet does not have.
                assert not ours.any(), name
                continue
            reference = expected[name].pop(0)
            active = tuple(slice(size) for size in reference.shape)
            np.testing.assert_allclose(
                ours[active], reference, atol=tolerance, err_msg=name
            )
            ours[active] = 0
            assert not ours.any(), f"inactive entries of {name}"


def test_all_subnets_run_in_one_trace():
    family = small_family()
    supernet = make_supernet(family)
    clips = make_clips(2)
    for subnet in some_subnets(family):
        moments = calibrate(supernet, subnet, [clips])
        supernet.predict_logits(clips, subnet, moments)
    # Private, but what a retrace would cost is what users would feel.
    counts = [
        function.experimental_get_tracing_count()
        for function in (
            *(s.run for steps in supernet.calibration_steps for s in steps),
            supernet._logits_function,
        )
    ]
    # One with the channels of the first subnet, and one with any.
    assert max(counts) <= 2
    assert counts[-1] == 1


def test_subnets_give_different_outputs():
    family = small_family()
    supernet = make_supernet(family)
    clips = make_clips(2)
    outputs = set()
    for subnet in family.search_space().enumerate():
        moments = calibrate(supernet, subnet, [clips])
        logits = supernet.predict_logits(clips, subnet, moments)
        outputs.add(logits.tobytes())
    assert len(outputs) == 128


def test_supernet_has_the_parameters_of_its_largest_subnet():
    supernet = networks.build_supernet(Cnn10Family(527))
    count = sum(np.prod(v.shape) for v in supernet.trainable_variables)
    assert count == 5_219_279


def test_calibration_equals_the_moments_of_numpy_for_the_input():
    supernet = make_supernet(small_family())
    first, second = make_clips(6), make_clips(2, seed=1) * 2
    subnet = supernet.family.search_space().smallest()
    moments = calibrate(supernet, subnet, [first, second])
    mean, variance = moments["input_bn"]
    # Those of all clips, between which the batches differ, too.
    clips = np.concatenate([first, second]).astype(np.float64)
    np.testing.assert_allclose(mean, clips.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, clips.var((0, 1)), rtol=1e-5)


def test_calibration_does_not_write_into_the_supernet():
    supernet = make_supernet(small_family())
    before = supernet.get_weights()
    subnet = supernet.family.search_space().smallest()
    calibrate(supernet, subnet, [make_clips()])
    for old, new in zip(before, supernet.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_calibration_needs_a_batch():
    supernet = make_supernet(small_family())
    subnet = supernet.family.search_space().smallest()
    with pytest.raises(ValueError, match="at least one batch of training"):
        calibrate(supernet, subnet, [])


def test_a_subnet_is_not_predicted_without_statistics_of_its_own():
    supernet = make_supernet(small_family())
    with pytest.raises(ValueError, match="batch normalization statistics"):
        supernet(make_clips(), subnet=None)


def test_an_illegal_subnet_names_the_legal_choices():
    supernet = make_supernet(small_family())
    subnet = {**supernet.family.search_space().smallest(), "block4_width": 0.5}
    with pytest.raises(ValueError, match=r"\[0.4, 0.6, 0.8, 1.0\].*0.5"):
        calibrate(supernet, subnet, [make_clips()])


def test_materialized_model_has_stock_layers_only_and_the_counted_size():
    family = small_family()
    supernet = make_supernet(family)
    for subnet in some_subnets(family):
        moments = calibrate(supernet, subnet, [make_clips()])
        model = materialize_subnet(supernet, subnet, moments)
        for layer in model.layers:
            assert type(layer).__module__.startswith("keras.src."), layer
        count = sum(np.prod(v.shape) for v in model.trainable_variables)
        assert count == family.complexity(subnet, 33).parameters


def test_materialization_needs_statistics_of_every_layer():
    supernet = make_supernet(small_family())
    subnet = supernet.family.search_space().smallest()
    moments = calibrate(supernet, subnet, [make_clips()])
    del moments["block3_bn2"]
    with pytest.raises(ValueError, match="Missing: block3_bn2"):
        materialize_subnet(supernet, subnet, moments)


def test_saved_supernet_loads_with_the_same_outputs(tmp_path):
    family = small_family(depth_pattern="2XX")
    supernet = make_supernet(family)
    path = tmp_path / "supernet.keras"
    supernet.save(path)
    loaded = load_supernet(path)
    assert loaded.family == family
    subnet = family.search_space().smallest()
    clips = make_clips()
    moments = calibrate(supernet, subnet, [clips])
    np.testing.assert_array_equal(
        loaded.predict_logits(clips, subnet, moments),
        supernet.predict_logits(clips, subnet, moments),
    )


def test_a_plain_network_is_refused_as_a_supernet(tmp_path):
    path = tmp_path / "subnet.keras"
    build_cnn10([(2,)], 3).save(path)
    with pytest.raises(ValueError, match="plain network, not a supernet"):
        load_supernet(path)
    with pytest.raises(ValueError, match="no supernet at .*missing.keras"):
        load_supernet(tmp_path / "missing.keras")


def test_bfloat16_supernet_agrees_with_float32_roughly():
    family = small_family()
    supernet = make_supernet(family)
    half = networks.build_supernet(family, dtype="mixed_bfloat16")
    half.set_weights(supernet.get_weights())
    clips = make_clips()
    subnet = family.search_space().largest()
    moments = calibrate(supernet, subnet, [clips])
    expected = supernet.predict_logits(clips, subnet, moments)
    logits = half.predict_logits(clips, subnet, moments)
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - expected).max() < 0.1 * np.abs(expected).max()


def test_registry_refuses_an_unknown_family():
    with pytest.raises(ValueError, match="families are: cnn10.*'mobile'"):
        registry.family_from_json({"name": "mobile"})
    single = registry.family_class("ast")(num_classes=3, num_frames=101)
    with pytest.raises(ValueError, match="several networks: cnn10.*: ast"):
        networks.build_supernet(single)


def test_family_survives_its_record():
    family = small_family(elastic_stem=True)
    values = family.record()
    assert registry.family_from_json(values) == family


def test_materialized_model_loads_without_this_package(tmp_path):
    family = small_family()
    supernet = make_supernet(family)
    subnet = family.search_space().smallest()
    moments = calibrate(supernet, subnet, [make_clips()])
    model = materialize_subnet(supernet, subnet, moments)
    path = tmp_path / "subnet.keras"
    model.save(path)
    clips = make_clips()
    np.save(tmp_path / "clips.npy", clips)
    code = (
        "import sys, numpy, keras\n"
        "sys.modules['ofa_aec_tf'] = None\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "scores = model(numpy.load(sys.argv[2])).numpy()\n"
        "numpy.save(sys.argv[3], scores)\n"
    )
    subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            str(path),
            str(tmp_path / "clips.npy"),
            str(tmp_path / "scores.npy"),
        ],
        check=True,
        cwd=tmp_path,
    )
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(scores, model(clips), atol=TOLERANCE)
