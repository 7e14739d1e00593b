"""Files that are broken, odd or hostile, and what becomes of them.

Each entry has a function that makes the file, and its outcome: the code of the
error, or the notes on what could be read.
"""

import struct

import numpy as np

from tests.audio import sound_files


def write(path, samples, rate_hz=sound_files.RATE_HZ, **options):
    return sound_files.write(path, samples, rate_hz, **options)


def noise(seconds=2.0, rate_hz=sound_files.RATE_HZ):
    # Quiet, for coding it with loss makes peaks twice as high.
    return 0.5 * sound_files.noise(seconds, rate_hz)


def _float_with(*values):
    """Makes a file of floats with some values in its middle."""

    def make(path):
        samples = noise()
        samples[40000 : 40000 + len(values)] = values
        write(path, samples, format="WAV", subtype="FLOAT")

    return make


def edited(edit, seconds=2.0, **options):
    """Makes a file and lets `edit` change its bytes."""

    def make(path):
        write(path, noise(seconds), **{"format": "WAV", **options})
        path.write_bytes(edit(bytearray(path.read_bytes())))

    return make


def head(ratio):
    return lambda content: content[: round(ratio * len(content))]


def _flip_bits(number):
    def edit(content):
        rng = np.random.default_rng(0)
        # After the headers; those of Vorbis are long.
        for position in rng.integers(8000, len(content), number):
            content[position] ^= 1 << rng.integers(8)
        return content

    return edit


def _set_data_size(size):
    def edit(content):
        position = content.index(b"data") + 4
        content[position : position + 4] = struct.pack("<I", size)
        return content

    return edit


def _set_rate(rate_hz):
    def edit(content):
        content[24:28] = struct.pack("<I", rate_hz)
        return content

    return edit


def _set_channels(num_channels):
    def edit(content):
        content[22:24] = struct.pack("<H", num_channels)
        return content

    return edit


def _content(content):
    return lambda path: path.write_bytes(content)


def _sound(samples, rate_hz=sound_files.RATE_HZ, **options):
    return lambda path: write(path, samples, rate_hz, **options)


def _stereo(left, right):
    return _sound(np.stack([left, right], 1), format="WAV")


def _truncated_av(write, ratio):
    def make(path):
        write(path, noise())
        path.write_bytes(head(ratio)(path.read_bytes()))

    return make


# What libsndfile reads, or nobody: PyAV makes no difference.
FOR_ALL = {
    "whole wav": (_sound(noise(), format="WAV"), ()),
    "truncated mp3": (
        edited(head(0.5), format="MP3"),
        ("short_read", "padded"),
    ),
    "truncated ogg": (edited(head(0.5), format="OGG"), ("padded",)),
    "truncated wav": (edited(head(0.5)), ("padded",)),
    "truncated flac": (edited(head(0.5), format="FLAC"), "undecodable"),
    "bit flips in mp3": (
        edited(_flip_bits(300), format="MP3"),
        ("short_read", "padded"),
    ),
    "bit flips in ogg": (
        edited(_flip_bits(3), format="OGG"),
        ("short_read", "padded"),
    ),
    # Noise, which nothing tells from sound.
    "bit flips in wav": (edited(_flip_bits(200)), ()),
    "html": (_content(b"<html>404</html>" * 50), "undecodable"),
    "random bytes": (
        _content(np.random.default_rng(0).bytes(5000)),
        "undecodable",
    ),
    "ID3 only": (_content(b"ID3\x04" + bytes(100)), "undecodable"),
    "play list": (
        _content(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),
        "undecodable",
    ),
    "nan": (_float_with(np.nan), "non_finite"),
    "infinity": (_float_with(np.inf), "non_finite"),
    "minus infinity": (_float_with(-np.inf), "non_finite"),
    "1e30": (_float_with(1e30), "out_of_range"),
    "65 times full scale": (_float_with(-65), "out_of_range"),
    "64 times full scale": (_float_with(-64), ("over_full_scale",)),
    "a little over full scale": (_float_with(1.01), ("over_full_scale",)),
    "stereo": (_stereo(noise(), 0.5 * noise()), ()),
    "anti-phase stereo": (_stereo(noise(), -noise()), ("silent",)),
    "8 channels": (
        _sound(np.stack([noise()] * 8, 1), format="WAV"),
        (),
    ),
    "8 kHz": (
        _sound(noise(2, 8000), 8000, format="WAV"),
        ("low_sample_rate",),
    ),
    "192 kHz": (
        _sound(noise(2, 192000), 192000, format="WAV"),
        (),
    ),
    "8 bits": (_sound(noise(), format="WAV", subtype="PCM_U8"), ()),
    "24 bits": (_sound(noise(), format="WAV", subtype="PCM_24"), ()),
    "rate of 1 Hz": (edited(_set_rate(1)), "bad_sample_rate"),
    "rate of 3999 Hz": (edited(_set_rate(3999)), "bad_sample_rate"),
    "rate of 384001 Hz": (edited(_set_rate(384_001)), "bad_sample_rate"),
    "rate of 0": (edited(_set_rate(0)), "undecodable"),
    "no channels": (edited(_set_channels(0)), "undecodable"),
    "9999 channels": (edited(_set_channels(9999)), "undecodable"),
    "data size of 0": (edited(_set_data_size(0)), ()),
    "data size too small": (edited(_set_data_size(1000)), ()),
    "data size of all ones": (edited(_set_data_size(0xFFFFFFFF)), ()),
    "data size far too large": (edited(_set_data_size(0xFFFFFFF0)), ()),
    "header without samples": (_sound(np.zeros(0), format="WAV"), "no_samples"),
    "one sample": (_sound(np.ones(1) / 2, format="WAV"), "too_short"),
    "less than 50 ms": (_sound(noise(0.0499), format="WAV"), "too_short"),
    "50 ms": (_sound(noise(0.05), format="WAV"), ("padded",)),
    "silence": (_sound(np.zeros(88200), format="WAV"), ("silent",)),
    "constant offset": (_sound(np.full(88200, 0.3), format="WAV"), ("silent",)),
    "flac as ogg": (_sound(noise(), format="FLAC"), ()),
    "mp3 as wav": (_sound(noise(), format="MP3"), ()),
}

# Outcomes with PyAV, and without.
FOR_AV = {
    "m4a": (
        lambda path: sound_files.write_m4a(path, noise()),
        (),
        "undecodable",
    ),
    "webm": (
        lambda path: sound_files.write_webm(path, noise(2, 48000)),
        (),
        "undecodable",
    ),
    "truncated m4a": (
        _truncated_av(sound_files.write_m4a, 0.5),
        "undecodable",
        "undecodable",
    ),
    "truncated webm": (
        _truncated_av(sound_files.write_webm, 0.5),
        ("short_read", "padded"),
        "undecodable",
    ),
}
# The same, of files that can be made without PyAV.
DIFFERING = {
    # An order that libsndfile does not expect.
    "a chunk before the format": (
        edited(lambda c: c[:12] + b"LIST\x0a\0\0\0INFOabcdef" + c[12:]),
        ("fallback_decoder",),
        "undecodable",
    ),
    "mp4 that is none": (
        _content(b"\0\0\0\x20ftypM4A " + bytes(500)),
        "undecodable",
        "undecodable",
    ),
}
