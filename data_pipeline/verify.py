"""Command: re-reads a data set and lists what is wrong with it.

    python -m data_pipeline.verify --data_dir=data

One line for each finding. The exit status is 0 without findings, 1 with some,
and 2 for a mistake such as a directory without a data set.
"""

import os
import sys

import tqdm
from absl import flags

from data_pipeline import verification
from ofa_aec_tf import command_line
from ofa_aec_tf import path_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo

_FINDINGS_STATUS = 1

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)


def main(unused_arguments):
    """Verifies as the flags say."""
    info = DatasetInfo.read(_DATA_DIR.value)
    num_clips = sum(split.num_clips for split in info.splits.values())
    reports, num_findings = [], 0
    with tqdm.tqdm(total=num_clips, unit="clip", disable=None) as progress:
        for report in verification.verify_shards(
            _DATA_DIR.value, info, _NUM_WORKERS.value
        ):
            reports.append(report)
            num_findings += len(report.findings)
            for finding in report.findings:
                progress.write(str(finding))
            progress.update(report.shard.num_records)
    for finding in verification.verify_whole(_DATA_DIR.value, info, reports):
        num_findings += 1
        print(finding)
    num_good = sum(len(report.offsets) for report in reports)
    num_bytes = sum(report.shard.num_bytes for report in reports)
    print(
        f"{num_good} of {num_clips} records in {len(reports)} shards "
        f"({num_bytes / 2**20:.1f} MiB) are whole, {num_findings} findings"
    )
    if num_findings:
        sys.exit(_FINDINGS_STATUS)


if __name__ == "__main__":
    command_line.run(main)
