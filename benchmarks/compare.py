"""Compares a benchmark of this folder with a peer, run in turn.

python benchmarks/compare.py --what=supernet_step --dtype=bfloat16 \\
  --peer="python peer.py"

Ours and the peer run alternately, so that both meet the same machine; pair i
draws with seed i in both. Another program may draw other subnets from the same
seed, more or less work: then only medians over enough steps and pairs compare.
A peer is any command that takes --what, --dtype,
--batch, --frames, --steps and --seed, and prints as its last line a JSON
object with `engine`, `what`, `dtype`, `batch`, `frames` and
`clips_per_second`. To compare two configurations of our own:

python benchmarks/compare.py --what=supernet_step \\
  --peer="python benchmarks/supernet_step.py --execution=mask"

The last line is a JSON object; `ratio` is that of the median clips a second,
ours over the peer's.
"""

import math
import shlex
import shutil
import statistics
import sys

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

measurement.define_what(
    "supernet_step", "teacher_train", "teacher_forward", "candidate_evaluation"
)
measurement.define_flags("dtype", "batch", "frames", "steps")
_PEER = flags.DEFINE_string("peer", None, "Command of the peer.", required=True)
_OURS = flags.DEFINE_string(
    "ours",
    None,
    "Command of ours; by default the script here that --what names.",
)
_PEER_DTYPE = flags.DEFINE_enum(
    "peer_dtype",
    None,
    measurement.DTYPES,
    "Compute type of the peer; by default that of --dtype.",
)
_PAIRS = flags.DEFINE_integer(
    "pairs", 5, "Runs of each of the two.", lower_bound=1
)


def _run(command, dtype, seed):
    """Runs one side once; returns its result, checked."""
    values = flags.FLAGS
    expected = {
        "what": values.what,
        "dtype": dtype,
        "batch": values.batch,
        "frames": values.frames,
    }
    arguments = {**expected, "steps": values.steps, "seed": seed}
    result = measurement.run_benchmark(
        command + [f"--{name}={value}" for name, value in arguments.items()]
    )
    received = {name: result.get(name) for name in expected}
    if received != expected:
        raise ValueError(
            f"`{shlex.join(command)}` must measure what it is asked to: "
            f"{expected}. Received: {received}"
        )
    speed = result.get("clips_per_second")
    if (
        not isinstance(speed, int | float)
        or not math.isfinite(speed)
        or speed <= 0
    ):
        raise ValueError(
            f"`{shlex.join(command)}` must report a positive "
            f"`clips_per_second`. Received: {speed!r}"
        )
    return result


def main(_):
    """Runs the comparison."""
    values = flags.FLAGS
    peer_dtype = _PEER_DTYPE.value or values.dtype
    commands = {
        "ours": shlex.split(_OURS.value)
        if _OURS.value
        else measurement.script_command(values.what),
        "peer": shlex.split(_PEER.value),
    }
    for command in commands.values():
        # Before the other one runs for minutes.
        if not command or shutil.which(command[0]) is None:
            raise ValueError(
                f"There is no program to run for `{shlex.join(command)}`. "
                "Name one that is installed, with its arguments."
            )
    dtypes = {"ours": values.dtype, "peer": peer_dtype}
    speeds, engines = {"ours": [], "peer": []}, {}
    for pair in range(_PAIRS.value):
        for side, command in commands.items():
            result = _run(command, dtypes[side], pair)
            speeds[side].append(result["clips_per_second"])
            engines[side] = result.get("engine")
            print(
                f"pair {pair}, {side}: {speeds[side][-1]:.4g} clips/s "
                f"({engines[side]}, {dtypes[side]})",
                flush=True,
            )
    medians = {side: statistics.median(speeds[side]) for side in commands}
    ratios = [a / b for a, b in zip(*speeds.values(), strict=True)]
    ratio = medians["ours"] / medians["peer"]
    print(
        f"medians: ours {medians['ours']:.4g}, peer {medians['peer']:.4g} "
        f"clips/s; ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    measurement.print_json(
        {
            "what": values.what,
            "dtype": values.dtype,
            "peer_dtype": peer_dtype,
            "batch": values.batch,
            "frames": values.frames,
            "steps": values.steps,
            "pairs": _PAIRS.value,
            "ratio": ratio,
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "ours_clips_per_second": medians["ours"],
            "peer_clips_per_second": medians["peer"],
            "ours_engine": engines["ours"],
            "peer_engine": engines["peer"],
            "command": shlex.join(sys.argv),
            "machine": measurement.machine(),
        }
    )


if __name__ == "__main__":
    command_line.run(main)
