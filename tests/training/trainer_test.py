"""Parts of the trainer that a whole run would hide."""

import csv

from ofa_aec_tf.training import callbacks


def test_history_of_a_cut_off_epoch_is_dropped(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mAP\n0,3.0,0.1\n1,2.0,0.2\n2,1.0,0.3\n")
    logger = callbacks.history_logger(tmp_path, num_finished_epochs=2)
    logger.set_model(type("Model", (), {"stop_training": False})())
    logger.on_train_begin()
    logger.on_epoch_end(2, {"loss": 1.5, "val_mAP": 0.4})
    logger.on_train_end()
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n")
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


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_mAP\n0,3.0,0.1\n1,2")
    logger = callbacks.history_logger(tmp_path, num_finished_epochs=2)
    logger.set_model(type("Model", (), {"stop_training": False})())
    logger.on_train_begin()
    logger.on_epoch_end(2, {"loss": 1.5, "val_mAP": 0.4})
    logger.on_train_end()
    assert path.read_text().splitlines() == [
        "epoch,loss,val_mAP",
        "0,3.0,0.1",
        "2,1.5,0.4",
    ]
