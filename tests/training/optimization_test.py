"""The learning rate of a run, and the settings of its optimizer."""

import numpy as np
import pytest

from ofa_aec_tf.training.optimization import OptimizerConfig
from ofa_aec_tf.training.optimization import learning_rate
from ofa_aec_tf.training.optimization import make_optimizer

COSINE = {"learning_rate": 1e-3, "schedule": "cosine", "warmup_steps": 5}


def rates(steps, **changes):
    config = OptimizerConfig(**{**COSINE, **changes})
    schedule = learning_rate(config, num_steps=100)
    if isinstance(schedule, float):
        return [schedule] * len(steps)
    return [float(schedule(step)) for step in steps]


def test_cosine_with_warm_up():
    expected = [0.0, 0.2e-3, 1e-3]
    np.testing.assert_allclose(rates([0, 1, 5]), expected, atol=1e-9)
    # Half of the remaining 95 steps, and all of them.
    np.testing.assert_allclose(rates([52.5, 100]), [0.5e-3, 0.0], atol=1e-8)


def test_constant_with_and_without_warm_up():
    np.testing.assert_allclose(
        rates([0, 1, 5, 50, 100], schedule="constant"),
        [0.0, 0.2e-3, 1e-3, 1e-3, 1e-3],
        rtol=1e-6,
    )
    assert rates([0, 99], schedule="constant", warmup_steps=0) == [1e-3, 1e-3]


def test_cosine_without_warm_up():
    np.testing.assert_allclose(
        rates([0, 50, 100], warmup_steps=0), [1e-3, 0.5e-3, 0], atol=1e-8
    )


def test_gradients_are_clipped_where_asked_for():
    clipped = make_optimizer(OptimizerConfig(clip_norm=2.0), 100)
    assert clipped.global_clipnorm == 2.0
    assert make_optimizer(OptimizerConfig(), 100).global_clipnorm is None


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("schedule", "linear", "`schedule` must be one of .*cosine"),
        ("learning_rate", 0.0, "`learning_rate` must be positive"),
        ("warmup_steps", -1, "`warmup_steps` must be at least 0"),
        ("clip_norm", -0.5, "`clip_norm` must be at least 0"),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        OptimizerConfig(**{field: value})
