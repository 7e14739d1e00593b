"""Clips that are made of no file, for tests of what jobs do with clips."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class FakeClip:
    """A training clip of a dog; what it renders is up to its subclasses.

    Subclasses belong to a module: jobs send clips to other processes.
    """

    clip_id: str
    labels = ("dog",)
    split = "train"
    audio_paths = ()
    decoders = ()

    def to_json(self):
        return dataclasses.asdict(self)
