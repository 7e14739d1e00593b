"""Parts of the trainer that a whole run would hide."""

import csv
import dataclasses

import numpy as np

from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training import trainer
from tests.training.config_test import VALID


def rates(steps, **changes):
    schedule = trainer.learning_rate(dataclasses.replace(VALID, **changes))
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


def test_history_of_a_cut_off_epoch_is_dropped(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mAP\n0,3.0,0.1\n1,2.0,0.2\n2,1.0,0.3\n")
    logger = callbacks.history_logger(tmp_path, num_finished_epochs=2)
    logger.set_model(type("Model", (), {"stop_training": False})())
    logger.on_train_begin()
    logger.on_epoch_end(2, {"loss": 1.5, "val_mAP": 0.4})
    logger.on_train_end()
    rows = list(csv.reader(path.open()))
    assert rows == [
        ["epoch", "loss", "val_mAP"],
        ["0", "3.0", "0.1"],
        ["1", "2.0", "0.2"],
        ["2", "1.5", "0.4"],
    ]


def test_history_starts_anew_where_no_epoch_was_finished(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mAP\n0,3.0,0.1\n")
    logger = callbacks.history_logger(tmp_path, num_finished_epochs=0)
    logger.set_model(type("Model", (), {"stop_training": False})())
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.5, "val_mAP": 0.4})
    logger.on_train_end()
    assert path.read_text().splitlines() == [
        "epoch,loss,val_mAP",
        "0,1.5,0.4",
    ]
