"""Measures exported subnets: latency of one clip, and size of the file.

python benchmarks/tflite_latency.py --subnet=smallest --modes=float32,int8

Weights and clips are random: neither changes the time of a run. The last line
is a JSON object with one row for each quantization mode.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import keras
import numpy as np
import workload

from ofa_aec_tf.deployment.latency.measurement import Timing
from ofa_aec_tf.deployment.latency.measurement import measure
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.families import networks

_WHAT = "tflite_latency"
_NUM_REPRESENTATIVE_CLIPS = 8

measurement.define_what(_WHAT)
measurement.define_flags("frames", "steps", "seed", "channels")
_SUBNET = flags.DEFINE_string(
    "subnet",
    "largest",
    "The subnet: `smallest`, `largest`, choices such as `width=0.8,depth=2`, "
    "or a JSON object of them.",
)
_MODES = flags.DEFINE_list(
    "modes", list(converter.QUANTIZATION_MODES), "Quantization modes."
)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "Threads of the interpreter.", lower_bound=1
)


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    for mode in _MODES.value:
        converter.check_mode(mode)
    family = workload.make_family(measurement.integers("channels"))
    subnet = family.search_space().parse(_SUBNET.value)
    macs = family.complexity(subnet, values.frames).macs
    keras.utils.set_random_seed(values.seed)
    network = networks.build_network(family, subnet)
    clips = workload.random_clips(
        np.random.default_rng(values.seed),
        _NUM_REPRESENTATIVE_CLIPS,
        values.frames,
        family,
    )
    rows = []
    for mode in _MODES.value:
        content = converter.convert(
            network, values.frames, family.num_mel_bins, mode, clips["log_mel"]
        )
        latency_ms = measure(
            content,
            Timing(values.steps, measurement.NUM_WARMUP_STEPS, 1, values.seed),
            _THREADS.value,
        ).median_ms
        print(
            f"{mode}: {latency_ms:.3g} ms, {len(content):,} bytes", flush=True
        )
        rows.append(
            {
                "mode": mode,
                "latency_ms_median": latency_ms,
                "num_bytes": len(content),
            }
        )
    measurement.print_json(
        {
            "engine": measurement.engine("ai-edge-litert"),
            "what": _WHAT,
            "frames": values.frames,
            "subnet": dict(subnet),
            "macs": macs,
            "threads": _THREADS.value,
            "rows": rows,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
