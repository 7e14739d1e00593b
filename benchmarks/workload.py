"""The networks, batches and steps that benchmarks time, and the roofline.

The roofline compares useful work, the floating-point operations of the
mathematics, with the fastest matrix product of this machine. Convolutions may
run by algorithms with fewer multiplications (Winograd), and a training step or
a search may compute once what several subnets share, which counts here for
each of them. So the fraction may exceed what direct convolution of every
subnet could reach, and even 1.
"""

import pathlib
import statistics
import tempfile

import keras
import measurement
import numpy as np
import tensorflow as tf

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.teachers import load_teacher

TRAINING_FACTOR = 3  # forward, and gradients by inputs and by weights

_NUM_MATMULS = 3


def make_family(channels):
    """The CNN10 family for AudioSet's classes, with its default space.

    Args:
        channels: tuple of int. Channels of the blocks.

    Returns:
        Cnn10Family.
    """
    return Cnn10Family(measurement.NUM_CLASSES, channels=channels)


def random_clips(rng, num_clips, num_frames, family):
    """Clips of noise, with about one class in a hundred.

    Args:
        rng: numpy.random.Generator.
        num_clips: int.
        num_frames: int.
        family: Cnn10Family.

    Returns:
        dict of float32 arrays as training data has them: `log_mel` of shape
        (num_clips, num_frames, num_mel_bins), in dB, and `labels` of shape
        (num_clips, num_classes).
    """
    shape = (num_clips, num_frames, family.num_mel_bins)
    labels = rng.random((num_clips, family.num_classes)) < 0.01
    return {
        "log_mel": rng.normal(-50, 10, shape).astype(np.float32),
        "labels": labels.astype(np.float32),
    }


def make_teacher(family, algorithm):
    """The largest network of a family, with fresh weights, as a teacher.

    It goes through a file, as in training, and computes in the precision that
    is in scope.

    Args:
        family: Cnn10Family.
        algorithm: str. Of the convolutions.

    Returns:
        Callable from log-mel spectrograms to logits.
    """
    with precision_scope("float32"):
        network = networks.build_network(family)
    details = {
        "family": family.record(),
        "subnet": dict(family.search_space().largest()),
    }
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "teacher.keras"
        save_keras_file(network, path)
        return load_teacher(path, details, algorithm=algorithm)


def milliseconds(function, arguments, num_steps):
    """The shortest time of a function of tensors.

    Args:
        function: from `arguments` to a tensor or a structure of them.
        arguments: tuple.
        num_steps: int. Repetitions that are timed.

    Returns:
        float.
    """

    def step():
        # One number of each result: all of it would be copied.
        for result in tf.nest.flatten(function(*arguments)):
            result[(0,) * len(result.shape)].numpy()

    return 1e3 * min(measurement.time_steps(step, num_steps))


def compiled_step(distiller, batch, xla=False):
    """The training step as `fit` runs it, on one batch again and again.

    Args:
        distiller: NetworkDistiller or SupernetDistiller.
        batch: dict of arrays, as of `random_clips`.
        xla: bool. Whether to compile with XLA, which training does not.

    Returns:
        Function without arguments. It makes one update, waits for it, and
        returns the losses, a dict of float.
    """
    optimizer = keras.optimizers.Adam(1e-3)
    distiller.compile(optimizer=optimizer, jit_compile=xla)
    optimizer.build(distiller.trainable_variables)
    distiller.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())

    def step():
        losses = distiller.train_function(batches)
        return {name: float(value) for name, value in losses.items()}

    return step


def last_subnets(distiller, num_steps):
    """The subnets that the last training steps drew.

    Args:
        distiller: SupernetDistiller that has made these steps.
        num_steps: int.

    Returns:
        For each step, in order, a list of Subnet.
    """
    space = distiller.supernet.family.search_space()
    end = int(distiller.optimizer.iterations.value)
    drawn = []
    for step in range(end - num_steps, end):
        subnets, count = distiller.sampler.sample(tf.constant(step, tf.int64))
        drawn.append(
            [space.from_indices(row) for row in subnets.numpy()[: int(count)]]
        )
    return drawn


def stem_macs(supernet, num_frames):
    """MACs of the blocks that are the same in all subnets.

    Args:
        supernet: Cnn10Supernet.
        num_frames: int.
    """
    prefixes = tuple(
        f"block{block}_" for block in range(1, supernet.num_stem_blocks + 1)
    )
    return sum(
        cost.macs
        for cost in supernet.family.layer_costs(None, num_frames)
        if cost.name.startswith(prefixes)
    )


def supernet_step_macs(supernet, subnets, num_frames):
    """MACs of one distillation step of a supernet, for one clip.

    The teacher, the family's largest network, runs forward; static blocks once
    and the others of each subnet forward and backward, alike or not.

    Args:
        supernet: Cnn10Supernet.
        subnets: list of Subnet, those of the step.
        num_frames: int.
    """
    family = supernet.family
    stem = stem_macs(supernet, num_frames)
    bodies = sum(
        family.complexity(subnet, num_frames).macs - stem for subnet in subnets
    )
    teacher = family.complexity(None, num_frames).macs
    return teacher + TRAINING_FACTOR * (stem + bodies)


def layer_result(what, flag_values, rows):
    """The JSON object of a benchmark of single layers.

    Args:
        what: str. What was measured.
        flag_values: absl FlagValues with `dtype` and `batch`.
        rows: list of dict, one for each size.

    Returns:
        dict.
    """
    return {
        "engine": measurement.engine(),
        "what": what,
        "dtype": flag_values.dtype,
        "batch": flag_values.batch,
        "rows": rows,
    }


def network_result(
    what, flag_values, seconds, macs, peak_rss_mib, num_clips=None
):
    """The JSON object of a benchmark of networks; prints the roofline.

    Args:
        what: str. What was measured.
        flag_values: absl FlagValues with `measurement.NETWORK_FLAGS`.
        seconds: list of float. Seconds of each timed step.
        macs: list of int. Useful MACs of each of these steps, for one clip.
        peak_rss_mib: float, before the matrices of the roofline.
        num_clips: int. Clips of a step; None is one batch.

    Returns:
        dict. `useful_gflops_per_second` is the median over the steps of
        2 x MACs of the mathematics a second, whatever the algorithm.
    """
    dtype = flag_values.dtype
    num_clips = num_clips or flag_values.batch
    rates = [
        2 * num_clips * step_macs / step_seconds / 1e9
        for step_macs, step_seconds in zip(macs, seconds, strict=True)
    ]
    useful = statistics.median(rates)
    peak = matmul_peak_gflops(dtype, measurement.integers("matmul_sizes"))
    print(
        f"roofline: {useful:.3g} of {peak:.3g} GFLOP/s "
        f"({useful / peak:.0%}), {dtype}".replace("%", " %")
    )
    return {
        "engine": measurement.engine(),
        "what": what,
        "dtype": dtype,
        "batch": flag_values.batch,
        "frames": flag_values.frames,
        **measurement.summary(seconds, num_clips),
        "useful_gflops_per_second": useful,
        "matmul_peak_gflops_per_second": peak,
        "roofline_fraction": useful / peak,
        "peak_rss_mib": peak_rss_mib,
        "convolution": flag_values.convolution,
    }


def matmul_peak_gflops(dtype, sizes):
    """The fastest matrix product of this machine, in GFLOP/s.

    Args:
        dtype: `"float32"` or `"bfloat16"`, of factors and product.
        sizes: tuple of int. Square matrices of each size are tried.
    """

    @tf.function(jit_compile=False)
    def multiply(a, b):
        # One element of the product, so that nothing is copied.
        return tf.linalg.matmul(a, b)[0, 0]

    best = 0.0
    for size in sizes:
        a = tf.cast(tf.random.stateless_normal((size, size), (0, 0)), dtype)
        b = tf.cast(tf.random.stateless_normal((size, size), (0, 1)), dtype)
        seconds = measurement.time_steps(
            lambda a=a, b=b: float(multiply(a, b)),
            _NUM_MATMULS,
            num_warmup_steps=1,
        )
        best = max(best, 2 * size**3 / min(seconds) / 1e9)
    return best
