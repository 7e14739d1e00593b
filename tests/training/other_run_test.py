"""A kind of run that knows no labels, as pretraining would be."""

import csv
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.training import trainer
from ofa_aec_tf.training.config import OptimizerConfig
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.inputs import TrainInputs
from ofa_aec_tf.training.job import TrainingJob
from ofa_aec_tf.training.run import TrainingRun
from ofa_aec_tf.training.stages import STAGES
from tests.synthetic_data import write_dataset

CONFIG = TrainConfig(
    stage="scratch",
    num_steps=6,
    steps_per_epoch=2,
    batch_size=4,
    optimizer=OptimizerConfig(
        learning_rate=0.01, schedule="plateau", ema_decay=0.5
    ),
)


class Reconstruction(keras.Model):
    """Its training step learns to give a frame of a clip back."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.built = True

    def error(self, log_mel, training):
        frames = log_mel / 100
        outputs = self.model(frames, training=training)
        return tf.reduce_mean((outputs - frames) ** 2)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.error(data["log_mel"], training=True)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        self.optimizer.apply(gradients, variables)
        return {"loss": loss}


class ReconstructionRun(TrainingRun):
    plateau_metrics = ("likeness",)

    def __init__(self, job):
        super().__init__(job)
        frames = keras.Input((None, 64))
        hidden = keras.layers.Dense(4)(frames)
        outputs = keras.layers.Dense(64)(hidden)
        self.model = keras.Model(frames, outputs)
        self.distiller = Reconstruction(self.model)

    def validate(self, batches):
        errors = [
            self.distiller.error(batch["log_mel"], training=False)
            for batch in batches
        ]
        return {"likeness": -float(np.mean(errors))}

    def finished_model(self):
        return self.model


def rows(directory):
    with (directory / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_takes_a_module_and_an_entry_in_the_stages(tmp_path, monkeypatch):
    stage = dataclasses.replace(
        STAGES["scratch"],
        file_name="encoder.keras",
        run=f"{__name__}:{ReconstructionRun.__name__}",
    )
    monkeypatch.setitem(STAGES, "scratch", stage)
    dataset, _ = write_dataset(tmp_path)
    family = Cnn10Family(len(dataset.class_map), channels=(6, 8, 10, 12))
    job = TrainingJob(
        CONFIG,
        TrainInputs("scratch"),
        tmp_path,
        dataset,
        family,
        family.search_space().largest(),
    )
    (tmp_path / "whole").mkdir()
    path = trainer.train(job, tmp_path / "whole")
    assert path.name == "encoder.keras"
    whole = rows(tmp_path / "whole")
    assert [row["epoch"] for row in whole] == ["0", "1", "2"]
    likeness = [float(row["val_likeness"]) for row in whole]
    assert likeness == sorted(likeness)
    # The average comes after the weights, which improve.
    averaged = [float(row["val_averaged_likeness"]) for row in whole]
    assert averaged[-1] < likeness[-1]
    assert float(whole[-1]["learning_rate"]) == np.float32(0.01)
    # What is saved is the average, and a run goes on from its checkpoint.
    saved = keras.models.load_model(path).get_weights()
    path.unlink()
    again = keras.models.load_model(trainer.train(job, path.parent))
    for ours, expected in zip(again.get_weights(), saved, strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert rows(tmp_path / "whole") == whole
