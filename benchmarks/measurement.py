"""What all benchmarks share: flags, timing, the JSON line, child processes.

Without TensorFlow, so that a driver of other processes starts fast, and stays
out of the way of what it measures.
"""

import json
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import time

from absl import flags

import ofa_aec_tf
from ofa_aec_tf.runs import machine as machine_values

DTYPES = ("float32", "bfloat16")
CONVOLUTIONS = ("auto", "direct", "winograd")
NUM_CLASSES = 527  # AudioSet
NUM_WARMUP_STEPS = 2

_NUM_ERROR_LINES = 5

# Flags then belong to the script that asks for them, whose --help lists them.
flags.disclaim_key_flags()

# From a name to the function that defines it, and what follows the name.
_FLAGS = {
    "dtype": (
        flags.DEFINE_enum,
        "float32",
        DTYPES,
        "Compute type of the networks.",
    ),
    "convolution": (
        flags.DEFINE_enum,
        "auto",
        CONVOLUTIONS,
        "Algorithm of the convolutions.",
    ),
    "xla": (flags.DEFINE_bool, False, "Compile with XLA; training does not."),
    "batch": (flags.DEFINE_integer, 8, "Clips of a batch."),
    "frames": (flags.DEFINE_integer, 501, "Frames of a clip."),
    "steps": (flags.DEFINE_integer, 8, "Repetitions that are timed."),
    "seed": (flags.DEFINE_integer, 0, "Seed of all that is random."),
    "channels": (
        flags.DEFINE_list,
        "64,128,256,512",
        "Channels of the blocks of CNN10; tests use fewer.",
    ),
    "matmul_sizes": (
        flags.DEFINE_list,
        "2048,4096",
        "Sizes of the matrices that the machine's peak is measured with.",
    ),
}
NETWORK_FLAGS = tuple(name for name in _FLAGS if name != "xla")


def define_flags(*names):
    """Defines some of the flags that benchmarks share.

    Args:
        *names: str. Names out of `NETWORK_FLAGS`, or `xla`.
    """
    for name in names:
        define, *arguments = _FLAGS[name]
        bounds = {}
        if define is flags.DEFINE_integer and name != "seed":
            bounds["lower_bound"] = 1
        define(name, *arguments, **bounds)


def define_what(*choices):
    """Defines `--what`, which drivers pass to every benchmark alike.

    Args:
        *choices: str. What the script can measure. With one choice, the flag
            may be left out.
    """
    flags.DEFINE_enum(
        "what",
        choices[0] if len(choices) == 1 else None,
        choices,
        "What is measured.",
        required=len(choices) > 1,
    )


def integers(flag_name):
    """The value of a list flag as a tuple of positive int.

    Args:
        flag_name: str.

    Raises:
        ValueError: if the list is empty or an entry is no positive integer.
    """
    texts = flags.FLAGS[flag_name].value
    if not texts or not all(
        text.isdecimal() and int(text) > 0 for text in texts
    ):
        raise ValueError(
            f"`--{flag_name}` needs positive integers with commas between "
            f"them. Received: --{flag_name}={','.join(texts)}"
        )
    return tuple(int(text) for text in texts)


def sizes(flag_name, example):
    """The value of a list flag of sizes such as 250x32x64.

    Args:
        flag_name: str.
        example: str. A size with as many parts as each must have.

    Returns:
        list of tuples of positive int.

    Raises:
        ValueError: if an entry is no such size.
    """
    num_parts = len(example.split("x"))
    parsed = []
    for text in flags.FLAGS[flag_name].value:
        parts = text.split("x")
        if len(parts) != num_parts or not all(
            part.isdecimal() and int(part) for part in parts
        ):
            raise ValueError(
                f"`--{flag_name}` needs sizes of {num_parts} positive integers "
                f"each, such as {example}. Received: {text!r}"
            )
        parsed.append(tuple(int(part) for part in parts))
    return parsed


def time_steps(step, num_steps, num_warmup_steps=NUM_WARMUP_STEPS):
    """Times something that is repeated.

    Args:
        step: function without arguments that returns when its result is there.
        num_steps: int. Repetitions that are timed.
        num_warmup_steps: int. Repetitions before them that are not.

    Returns:
        list of float. Seconds of each timed repetition, in order.
    """
    for _ in range(num_warmup_steps):
        step()
    seconds = []
    for _ in range(num_steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def engine(package="tensorflow"):
    """Name and version of this project and of what it computes with."""
    version = ofa_aec_tf.__version__
    return f"ofa_aec_tf {version}, {package} {package_version(package)}"


def package_version(name):
    """Version of an installed distribution."""
    # Slow to import, and not needed before the measurement is over.
    import importlib.metadata

    return importlib.metadata.version(name)


def summary(seconds, num_clips):
    """Speed of timed repetitions.

    Args:
        seconds: list of float. Seconds of each repetition.
        num_clips: int. Clips of one repetition.

    Returns:
        dict with `seconds_median` (the upper one of an even number),
        `seconds_min` and `clips_per_second`, by the median.
    """
    median = statistics.median_high(seconds)
    return {
        "seconds_median": median,
        "seconds_min": min(seconds),
        "clips_per_second": num_clips / median,
    }


def peak_rss_mib():
    """Largest resident memory of this process so far, in MiB."""
    return machine_values.peak_resident_memory_bytes() / 2**20


def print_json(values):
    """Prints a result as the line that a driver reads: the last one."""
    print(json.dumps(values, allow_nan=False), flush=True)


def machine():
    """What measured: CPU model, cores and versions, as a dict."""
    return {
        "cpu": machine_values.cpu_model(),
        "cores": machine_values.num_cores(),
        "platform": platform.platform(),
        "versions": {
            "python": platform.python_version(),
            "ofa_aec_tf": ofa_aec_tf.__version__,
            **{
                name: package_version(name)
                for name in ("tensorflow", "keras", "numpy")
            },
        },
    }


def script_command(name):
    """The command of a benchmark of this folder, as a list of str."""
    return [sys.executable, str(pathlib.Path(__file__).with_name(f"{name}.py"))]


def run_benchmark(command):
    """Runs a benchmark in a process of its own.

    Args:
        command: list of str.

    Returns:
        dict, the JSON object on its last line of standard output.

    Raises:
        ValueError: if it cannot be started, fails, or its last line is no JSON
            object.
    """
    text = shlex.join(command)
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise ValueError(f"`{text}` cannot be started: {error}") from error
    if result.returncode:
        errors = result.stderr.strip().splitlines()[-_NUM_ERROR_LINES:]
        raise ValueError(
            f"`{text}` ended with status {result.returncode}. The last lines "
            f"of its standard error: {' | '.join(errors) or 'none'}"
        )
    line = (result.stdout.strip().splitlines() or [""])[-1]
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise ValueError(
            f"`{text}` must print a JSON object as its last line. "
            f"Received: {line[:200]!r}"
        )
    return values
