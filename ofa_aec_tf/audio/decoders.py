"""The decoders, and the choice of one for a file."""

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
    # Imported only if it is needed: FFmpeg takes a while to load.
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
        # Imports TensorFlow, and an older version than the rest uses.
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
    """Versions of the libraries that read files.

    Other versions may decode with other last bits.

    Args:
        decoder: str. One of `DECODERS`.

    Returns:
        dict from names of libraries to versions, None for a library that
        would be used but is not installed.

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
    """The decoders to try, in order."""
    if not content.prefers_av:
        yield soundfile_decoder
    av_decoder = _find_av()
    if av_decoder is not None:
        yield av_decoder
    if content.prefers_av:
        yield soundfile_decoder


class Attempts(Generic[_Prepared]):
    """Tries one decoder after the other, and prepares each only once.

    Args:
        path: pathlib.Path.
        decoder: str. One of `DECODERS`.
        prepare: function of a decoder. `first_success` calls `read` with its
            result.

    Raises:
        AudioError: if the file cannot be opened.
        ValueError: if the named decoder is not installed.
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
        """The result of `read` with the first decoder that can read.

        Returns:
            tuple of the result and of the notes.

        Raises:
            AudioError: if none can, with the reasons of all.
        """
        failures = []
        for decoder, prepared in self._candidates():
            try:
                result = read(prepared)
            except AudioError as error:
                # FFmpeg would make sound of what follows the empty audio of
                # a file without samples.
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
