"""Which decoders there are, and which of them reads a file."""

import importlib.metadata
import types
from collections.abc import Callable
from collections.abc import Iterator
from typing import Generic
from typing import TypeVar

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import recording
from ofa_aec_tf.audio import soundfile_decoder
from ofa_aec_tf.audio.errors import AudioError

DECODERS = ("auto", "soundfile", "av", "tfio")

_AV_INSTALLATION = "pip install 'ofa_aec_tf[av]'"

_Prepared = TypeVar("_Prepared")
_Result = TypeVar("_Result")


def _find_av() -> types.ModuleType | None:
    # Where it is needed only: FFmpeg takes a while to load.
    try:
        import ofa_aec_tf.audio.av_decoder as av_decoder
    except ImportError:
        return None
    return av_decoder


def named_decoder(name: str) -> types.ModuleType:
    """A decoder: a module with `open_source`.

    Args:
        name: str. One of `DECODERS` but `"auto"`.

    Raises:
        ValueError: if it is unknown, or PyAV is not installed.
    """
    if name == "soundfile":
        return soundfile_decoder
    if name == "tfio":
        # Brings TensorFlow, and one that is older than everyone else's.
        from ofa_aec_tf.audio import tfio_decoder

        return tfio_decoder
    if name == "av":
        av_decoder = _find_av()
        if av_decoder is not None:
            return av_decoder
        raise ValueError(
            "The decoder 'av' needs PyAV, which cannot be imported. "
            f"Install it: {_AV_INSTALLATION}"
        )
    raise ValueError(
        f"`decoder` must be one of {list(DECODERS)}. Received: {name!r}"
    )


def decoder_versions(decoder: str = "auto") -> dict[str, str | None]:
    """The libraries that read files, which may differ in the last bit.

    Args:
        decoder: str. One of `DECODERS`.

    Returns:
        dict from the names of libraries to their versions; None where one
        that would be used is not installed.

    Raises:
        ValueError: if the decoder is not installed or unknown.
    """
    if decoder != "auto":
        named_decoder(decoder)
    names = {
        "soundfile": ("soundfile",),
        "av": ("av",),
        "tfio": ("tensorflow-io",),
    }.get(decoder, ("soundfile", "av"))
    versions: dict[str, str | None] = {}
    for name in (*names, "soxr"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _decoders_of(content: contents.Content) -> Iterator[types.ModuleType]:
    """The decoders to try, in this order."""
    if not content.prefers_av:
        yield soundfile_decoder
    av_decoder = _find_av()
    if av_decoder is not None:
        yield av_decoder
    if content.prefers_av:
        yield soundfile_decoder


class Attempts(Generic[_Prepared]):
    """Lets one decoder after the other try, each made ready only once.

    Args:
        path: pathlib.Path.
        decoder: str. One of `DECODERS`.
        prepare: function of a decoder. Returns what `first_success` tries.

    Raises:
        AudioError: if the file cannot be opened.
        ValueError: if the decoder that is named is not installed.
    """

    def __init__(
        self,
        path,
        decoder: str,
        prepare: Callable[[types.ModuleType], _Prepared],
    ):
        self._path = path
        self._prepare = prepare
        self._prepared = []
        with contents.opened(path) as descriptor:
            self._content = contents.sniff(descriptor)
        self._may_use_av = decoder == "auto"
        if decoder == "auto":
            self._unprepared = _decoders_of(self._content)
        else:
            self._unprepared = iter([named_decoder(decoder)])

    def _candidates(self):
        yield from self._prepared
        for decoder in self._unprepared:
            self._prepared.append((decoder, self._prepare(decoder)))
            yield self._prepared[-1]

    def first_success(
        self, read: Callable[[_Prepared], _Result]
    ) -> tuple[_Result, tuple[str, ...]]:
        """What `read` returns for the first decoder that can read.

        Returns:
            tuple of that and of the notes.

        Raises:
            AudioError: if none can, with what all of them say.
        """
        failures = []
        for decoder, prepared in self._candidates():
            try:
                result = read(prepared)
            except AudioError as error:
                # Of a file without samples FFmpeg makes sound from what is
                # behind them.
                if error.code != "undecodable":
                    raise
                failures.append(error)
                continue
            if failures and decoder is not soundfile_decoder:
                return result, (recording.FALLBACK_DECODER,)
            return result, ()
        reasons = [error.reason for error in failures]
        is_audio = self._may_use_av and self._content.name is not None
        if is_audio and _find_av() is None:
            reasons.append(
                f"it looks like {self._content.name}, which PyAV may read: "
                f"{_AV_INSTALLATION}"
            )
        raise AudioError(
            self._path, "undecodable", "; ".join(dict.fromkeys(reasons))
        )
