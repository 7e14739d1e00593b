"""Models to predict with, and the command in a process of its own."""

import dataclasses
import os
import pathlib
import subprocess

import keras

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.runs import workdir
from tests import commands
from tests.deployment import small_models

CLASS_NAMES = tuple(f"event {i}" for i in range(small_models.NUM_CLASSES))
CLIP_SECONDS = 1.0
RATE_HZ = 32000


def start(*arguments, **environment):
    """Starts the command."""
    return subprocess.Popen(
        commands.command("ofa_aec_tf.predict", *arguments),
        cwd=commands.ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments, **environment):
    """Runs the command to its end."""
    return commands.run("ofa_aec_tf.predict", *arguments, **environment)


@dataclasses.dataclass(frozen=True)
class Models:
    """One network as `net.keras` and `tflite/net_float32.tflite`.

    Beside the latter is `waveform.tflite`, which takes half a second of sound.
    """

    network: keras.Model
    directory: pathlib.Path

    @property
    def tflite_path(self):
        return self.directory / "tflite" / "net_float32.tflite"

    @property
    def waveform_path(self):
        return self.tflite_path.with_name("waveform.tflite")


def write_models(directory, waveform_content):
    """Writes the models and their records."""
    network = small_models.make_network()
    info = ModelInfo(
        FrontendConfig(), CLIP_SECONDS, ClassMap(CLASS_NAMES), MULTI_LABEL
    )
    models = Models(network, directory)
    network.save(directory / "net.keras")
    info.write(directory / "net.keras")
    models.tflite_path.parent.mkdir()
    models.tflite_path.write_bytes(
        converter.convert(network, 101, 64, "float32")
    )
    models.waveform_path.write_bytes(waveform_content)
    workdir.write_json(
        models.tflite_path.with_name(EXPORT_REPORT), {"model": info.to_json()}
    )
    return models
