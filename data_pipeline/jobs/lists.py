"""Lists of a job: what was skipped, what is odd, and the counts."""

import json
import os
import pathlib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.reports import contents
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.plan import Plan
from ofa_aec_tf.data import records
from ofa_aec_tf.runs import workdir

DEAD_LETTERS = "dead_letters.jsonl"
NOTES = "notes.jsonl"
REPORT = "report.json"
LISTS = (DEAD_LETTERS, NOTES, REPORT)
# Of a job that did not replace the finished data set.
FAILED_DEAD_LETTERS = "dead_letters.failed.jsonl"


def _dead_letters(plan: Plan, shards: Iterable[Mapping]) -> Iterator[dict]:
    for row in plan.skipped():
        yield {
            # The clip, if the row has no file.
            "filename": row.filename or row.clip_id,
            "code": row.code,
            "reason": row.reason,
            "clip_id": row.clip_id,
            "split": row.split,
        }
    for side_car in shards:
        yield from side_car["dead_letters"]


def _notes(shards: Iterable[Mapping]) -> Iterator[dict]:
    for side_car in shards:
        for code, clip_ids in side_car["notes"].items():
            for clip_id in clip_ids:
                yield {
                    "clip_id": clip_id,
                    "code": code,
                    "split": side_car["split"],
                }


class Lists:
    """The lists of a job.

    They are written under hidden names first, so that those of a finished data
    set stay beside it until it is replaced.

    Args:
        directory: path of the directory.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def _staged(self, name: str) -> pathlib.Path:
        return self.directory / f".{name}.new"

    def write(
        self,
        plan: Plan,
        summaries: Sequence[Mapping],
        config: PreprocessConfig,
        remarks: Mapping,
    ) -> dict:
        """Writes all lists.

        Args:
            plan: Plan.
            summaries: sequence of dict, as `shard_task.run` returns them, of
                all shards.
            config: PreprocessConfig, with classes.
            remarks: dict of JSON types. What the source tells.

        Returns:
            dict, the content of `report.json`: `num_clips`, `num_skipped`,
            `skipped` and `notes` (counts by code), `bad_fraction` (the share
            of the clips that was skipped), `remarks`, and those of
            `contents.describe`.
        """

        def shards():
            for summary in summaries:
                path = self.directory / summary["file"]
                yield workdir.read_json(records.side_car_path(path))

        skipped = self._write_list(DEAD_LETTERS, _dead_letters(plan, shards()))
        notes = self._write_list(NOTES, _notes(shards()))
        num_clips = sum(summary["num_records"] for summary in summaries)
        num_bad = sum(
            number for code, number in skipped.items() if code not in NOT_CLIPS
        )
        content = {
            "num_clips": num_clips,
            "num_skipped": sum(skipped.values()),
            "skipped": skipped,
            "bad_fraction": num_bad / max(1, num_clips + num_bad),
            "notes": notes,
            **remarks,
            **contents.describe(
                shards, config.class_map.names, config.clip_seconds
            ),
        }
        workdir.write_json(self._staged(REPORT), content)
        return content

    def _write_list(self, name: str, items: Iterable[dict]) -> dict[str, int]:
        """Writes a list, and returns how many items have each code."""
        counts: Counter = Counter()

        def lines():
            for item in items:
                counts[item["code"]] += 1
                yield json.dumps(item) + "\n"

        workdir.write_lines(self._staged(name), lines())
        return dict(sorted(counts.items()))

    def dead_letters(self) -> Iterator[dict]:
        """What was skipped, as written."""
        with open(self._staged(DEAD_LETTERS), encoding="utf-8") as file:
            yield from map(json.loads, file)

    def publish(self) -> None:
        """Puts all lists in place, beside the data set that was written."""
        for name in LISTS:
            os.replace(self._staged(name), self.directory / name)

    def keep_failed(self, has_finished: bool) -> pathlib.Path:
        """Keeps the lists of a job that failed.

        Args:
            has_finished: bool. Whether the directory has a finished data set,
                whose own lists stay.

        Returns:
            Path of the list of what was skipped.
        """
        if not has_finished:
            self.publish()
            return self.directory / DEAD_LETTERS
        path = self.directory / FAILED_DEAD_LETTERS
        os.replace(self._staged(DEAD_LETTERS), path)
        for name in LISTS:
            self._staged(name).unlink(missing_ok=True)
        return path
