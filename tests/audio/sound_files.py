"""Makes audio files for tests."""

import numpy as np
import soundfile

RATE_HZ = 44100


def tone(seconds, rate_hz=RATE_HZ, frequency_hz=440):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * frequency_hz * times)


def noise(seconds, rate_hz=RATE_HZ):
    rng = np.random.default_rng(0)
    return rng.uniform(-0.5, 0.5, round(seconds * rate_hz)).astype(np.float32)


def write(path, samples, rate_hz=RATE_HZ, **options):
    """Writes with libsndfile: samples (num_frames,) or with channels."""
    soundfile.write(path, samples, rate_hz, **options)
    return path


def write_with_av(path, samples, codec, container, rate_hz=RATE_HZ, **options):
    """Writes a mono file with FFmpeg; only where PyAV is installed."""
    import av

    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(
            codec, rate=rate_hz, layout="mono", **options
        )
        frame = av.AudioFrame.from_ndarray(
            np.asarray(samples, np.float32)[np.newaxis], "fltp", "mono"
        )
        frame.sample_rate = rate_hz
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_m4a(path, samples):
    return write_with_av(path, samples, "aac", "mp4")


def write_webm(path, samples):
    # Opus knows few rates; 48 kHz is what it uses inside.
    return write_with_av(path, samples, "libopus", "webm", 48000)
