"""Runs all commands on the toy family, which one line registers.

python -m tests.families.toy_commands DATA_DIR WORKDIR
"""

import pathlib
import sys

import numpy as np
import soundfile

from ofa_aec_tf.families import registry

registry.PACKAGES.append("tests.families.toy")

from tests.deployment.in_process import Command  # noqa: E402


def main(data_dir, directory):
    """Trains a supernet, searches it, and takes a subnet to predictions."""

    def run(name, *arguments, **flags):
        if name != "predict":
            flags["data_dir"] = data_dir
        Command(f"ofa_aec_tf.{name}").run(name, *arguments, **flags)

    run(
        "train",
        stage="supernet",
        network="toy",
        stage_filters="16,14,16",
        label_weight=1,
        num_steps=2,
        steps_per_epoch=2,
        batch_size=4,
        num_subnets=2,
        sampling_rule="sandwich",
        precision="float32",
        num_calibration_clips=4,
        workdir=directory / "supernet",
    )
    supernet = directory / "supernet" / "supernet.keras"
    run(
        "search",
        supernet=supernet,
        budget="small:parameters<=15k",
        method="random",
        population=2,
        num_calibration_clips=4,
        workdir=directory / "search",
    )
    run(
        "materialize",
        supernet=supernet,
        pareto=directory / "search" / "pareto.json",
        num_calibration_clips=4,
        workdir=directory / "subnets",
    )
    run(
        "export",
        model=directory / "subnets" / "small" / "subnet.keras",
        modes="float32",
        log_mel_modes="float32",
        num_parity_clips=4,
        output_dir=directory / "export",
    )
    wave = directory / "noise.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(wave, samples, 32_000)
    model = directory / "export" / "subnet" / "subnet_float32.tflite"
    run("predict", wave, model=model)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
