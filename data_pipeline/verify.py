"""Command: re-reads a data set and lists what is wrong with it.

    python -m data_pipeline.verify --data_dir=data

One line for each finding; without any, the table of classes and splits, and
warnings, which are no findings. The exit status is 0 without findings, 1 with
some, and 2 for a mistake such as a directory without a data set.
"""

import sys

import tqdm
from absl import flags

from data_pipeline.reports import contents as report
from data_pipeline.reports import findings as verification
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.record_reader import read_side_car
from ofa_aec_tf.runs import machine

_FINDINGS_STATUS = 1

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", machine.num_cores(), "Processes.", lower_bound=1
)


def _print_report(info):
    """Prints what preprocessing tells of its result."""

    def side_cars():
        for split, split_info in info.splits.items():
            for shard in split_info.shards:
                side_car = read_side_car(_DATA_DIR.value, shard)
                if "labels" in side_car:
                    yield {**side_car, "split": split}

    described = report.describe(
        side_cars, info.class_map.names, info.clip_seconds
    )
    lines = ["", *report.class_table(described), ""]
    lines += report.summary(described)
    lines += [f"warning: {text}" for text in described["warnings"]]
    print("\n".join(lines))


def main(unused_arguments):
    """Verifies as the flags say."""
    info = DatasetInfo.read(_DATA_DIR.value)
    num_clips = sum(split.num_clips for split in info.splits.values())
    reports, num_findings = [], 0
    with tqdm.tqdm(total=num_clips, unit="clip", disable=None) as progress:
        for of_shard in verification.verify_shards(
            _DATA_DIR.value, info, _NUM_WORKERS.value
        ):
            reports.append(of_shard)
            num_findings += len(of_shard.findings)
            for finding in of_shard.findings:
                progress.write(str(finding))
            progress.update(of_shard.shard.num_records)
    for finding in verification.verify_whole(_DATA_DIR.value, info, reports):
        num_findings += 1
        print(finding)
    num_good = sum(len(r.offsets) for r in reports)
    num_bytes = sum(r.shard.num_bytes for r in reports)
    print(
        f"{num_good} of {num_clips} records in {len(reports)} shards "
        f"({num_bytes / 2**20:.1f} MiB) are whole, {num_findings} findings"
    )
    if num_findings:
        sys.exit(_FINDINGS_STATUS)
    _print_report(info)


if __name__ == "__main__":
    command_line.run(main)
