"""What a job prints when it is done."""

from collections.abc import Mapping

from data_pipeline.jobs import lists
from data_pipeline.jobs.job import JobResult
from data_pipeline.reports import contents
from data_pipeline.reports import contents_text
from ofa_aec_tf.runs import text_tables


def _counts(counts: Mapping[str, int]) -> str:
    text = ", ".join(f"{n} {code}" for code, n in sorted(counts.items()))
    return f"{sum(counts.values())}" + (text and f" ({text})")


def summary(result: JobResult, output_dir) -> str:
    """Describes the data set that a job has written, for the user.

    Args:
        result: JobResult.
        output_dir: path of its directory.
    """
    dataset, report = result.dataset, result.report
    rows = [("split", "clips", "shards", "MiB")]
    for name, split in dataset.splits.items():
        mebibytes = sum(shard.num_bytes for shard in split.shards) / 2**20
        rows.append(
            (name, split.num_clips, len(split.shards), f"{mebibytes:.1f}")
        )
    lines = [
        "",
        text_tables.aligned(rows),
        "",
        *contents_text.class_table(report),
    ]
    lines += [
        "",
        f"classes      {len(dataset.class_map)} ({dataset.label_type})",
        f"skipped      {_counts(report['skipped'])}",
    ]
    for title, key in (("noted", "notes"), ("rows", "rows")):
        if report[key]:
            lines.append(f"{title:<13}{_counts(report[key])}")
    if report["unused_columns"]:
        lines.append(
            f"unused       columns: {contents.named(report['unused_columns'])}"
        )
    lines += [f"source       {text}" for text in report["remarks"]]
    lines += contents_text.summary(report)
    num_written = report["num_clips"] - result.num_reused
    lines += [
        f"speed        {num_written / result.seconds:.0f} clips/s "
        f"({num_written} written in {result.seconds:.1f} s, "
        f"{result.num_reused} kept from an earlier run)",
        f"written to   {output_dir}",
    ]
    for counts, file, what in (
        (report["skipped"], lists.DEAD_LETTERS, "skipped clips"),
        (report["notes"], lists.NOTES, "notes"),
    ):
        if counts:
            lines.append(f"{what} are listed in {output_dir}/{file}")
    lines += [f"warning: {text}" for text in report["warnings"]]
    if report["warnings"]:
        lines.append(f"all names are in {output_dir}/{lists.REPORT}")
    return "\n".join(lines)
