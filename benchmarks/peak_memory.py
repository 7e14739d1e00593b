"""Measures how the memory of a supernet's training grows with its subnets.

python benchmarks/peak_memory.py --dtype=bfloat16 --batch=32

It runs supernet_step.py in processes of their own. The last line is a JSON
object with the peak resident memory for each number of subnets of a step, and
its ratio to that of the first number.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

_WHAT = "peak_memory"
_PASSED_ON = ("dtype", "batch", "frames", "steps", "seed", "channels")

measurement.define_what(_WHAT)
measurement.define_flags(*_PASSED_ON)
_SUBNETS = flags.DEFINE_list(
    "subnets", "1,4,16", "Subnets of a step, one number for each run."
)


def _run(num_subnets):
    values = flags.FLAGS
    arguments = {name: values[name].value for name in _PASSED_ON}
    arguments["channels"] = ",".join(values.channels)
    # The peak of matrix products is not asked for: one small product.
    arguments.update(subnets=num_subnets, matmul_sizes=64)
    return measurement.run_benchmark(
        measurement.script_command("supernet_step")
        + [f"--{name}={value}" for name, value in arguments.items()]
    )


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    rows = []
    for num_subnets in measurement.integers("subnets"):
        result = _run(num_subnets)
        peak = result["peak_rss_mib"]
        first = rows[0]["peak_rss_mib"] if rows else peak
        rows.append(
            {
                "subnets": num_subnets,
                "peak_rss_mib": peak,
                "ratio": peak / first,
            }
        )
        print(
            f"{num_subnets} subnets: {peak:.0f} MiB, {peak / first:.3f} times "
            f"that of {rows[0]['subnets']}",
            flush=True,
        )
    measurement.print_json(
        {
            "engine": result["engine"],
            "what": _WHAT,
            "dtype": values.dtype,
            "batch": values.batch,
            "frames": values.frames,
            "rows": rows,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
