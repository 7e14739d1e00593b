r"""Measures what `.tflite` files cost, on this machine or on a phone.

python -m ofa_aec_tf.benchmark --json=here.json exported/*/*.tflite
python -m ofa_aec_tf.benchmark --adb --device=phone exported/*/*.tflite
python -m ofa_aec_tf.benchmark --import_device_results=phone --device=phone \
    --device_table=phone.json exported/*/*.tflite

The first measures here. The second prints the commands that measure on a phone
connected by adb, and the third reads the results. `search` takes either JSON
file as `--latency_table`; --json is written after each turn. Files that cannot
be used are reported on standard error and skipped; the exit status is 2 if none
can.
"""

import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.deployment.latency import device_benchmark
from ofa_aec_tf.deployment.latency import file_benchmark
from ofa_aec_tf.runs import machine

_SETTINGS = setting_flags.define(file_benchmark.BenchmarkSettings)


def main(arguments):
    """Runs the command on `.tflite` files."""
    config = _SETTINGS.values()
    paths = [
        pathlib.Path(path_flags.local_path(path))
        for path in dict.fromkeys(arguments)
    ]
    if config.import_device_results:
        rows = device_benchmark.import_results(paths, config)
        print(file_benchmark.table_text(rows))
        print(f"wrote {config.device_table}")
        return
    if not paths:
        raise ValueError("Name at least one .tflite file after the flags.")
    if config.adb:
        print(device_benchmark.commands_text(paths, config))
        return
    rows = file_benchmark.benchmark(paths, config)
    print(file_benchmark.table_text(rows))
    print(f"{file_benchmark.runtime_version()} on {machine.description()}")


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
