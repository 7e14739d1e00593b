"""Tests of reading segments tables and lists of YouTube ids."""

import csv
import string

import pytest
from hypothesis import HealthCheck
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.sources.tables.segments import Segment
from data_pipeline.sources.tables.segments import read_segments
from data_pipeline.sources.tables.segments import read_youtube_ids

# A busy machine is no fault of the code; every example writes its own file.
_PATIENT = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

_HEADER = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n"
    "# num_ytids=22160, num_segs=22160, num_unique_labels=527\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
)


def _file(tmp_path, content):
    path = tmp_path / "segments.csv"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return path


def _read(tmp_path, content):
    return list(read_segments(_file(tmp_path, content)))


def test_tables_are_read_as_they_are_published(tmp_path):
    assert _read(
        tmp_path,
        _HEADER
        + '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"\n'
        + '--ZhevVpy1s, 50.000, 60.000, "/m/012xff"\n',
    ) == [
        Segment("--PJHxphWEs", 30.0, 40.0, ("/m/09x0r", "/t/dd00088")),
        Segment("--ZhevVpy1s", 50.0, 60.0, ("/m/012xff",)),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf# BOM\na, 1, 2, /m/x\n",
        b'# an open " quote, "here\na, 1, 2, /m/x\n',
        b"a, 1, 2, /m/x",
        b"#\r\na, 1, 2, /m/x\r\n\r\n",
        b'"a","1","2","/m/x"\n',
        b'a,1,2," /m/x , "\n#\n',
        b"YTID,start_seconds,end_seconds,positive_labels\na,1,2,/m/x\n",
        b"#\nYtid, Start_Seconds, End_Seconds, Positive_Labels\r\n"
        b"a,1,2,/m/x\r\n",
        b'# YTID, start_seconds, end_seconds, positive_labels\na,1,2,"/m/x"\n',
        b'\xef\xbb\xbf"YTID","start_seconds","end_seconds","positive_labels"\n'
        b'"a","1","2","/m/x"\n',
    ],
    ids=["BOM", "quote in comment", "no comment", "CRLF", "quotes", "blanks"]
    + ["header", "header after comments", "header as comment", "all quoted"],
)
def test_variants_are_read(tmp_path, content):
    (segment,) = _read(tmp_path, content)
    assert segment == Segment("a", 1.0, 2.0, ("/m/x",))


def test_labels_need_no_quotes(tmp_path):
    first, second = _read(
        tmp_path, "a, 1, 2, /m/x, /t/y,/m/z\nb, 1, 2, /m/x,\n"
    )
    assert first.mids == ("/m/x", "/t/y", "/m/z")
    assert second.mids == ("/m/x",)


def test_a_segment_may_have_no_labels(tmp_path):
    first, second = _read(tmp_path, 'a, 1, 2, ""\nb,1,2,\n')
    assert (first.mids, second.mids) == ((), ())


def test_clip_ids_have_the_start_in_milliseconds():
    segment = Segment("-0RWZT-miFs", 420.0625, 430.0, ())
    assert segment.clip_id == "-0RWZT-miFs_420062"
    assert segment.end_ms == 430_000


@pytest.mark.parametrize(
    ("start", "end"),
    [("x", "10"), ("0", ""), ("-1", "9"), ("10", "10"), ("9", "1")]
    + [("nan", "10"), ("0", "inf")],
)
def test_segments_without_good_times_are_skipped(tmp_path, start, end):
    skipped, segment = _read(
        tmp_path, f"#\nab, {start}, {end}, /m/x\ncd, 0, 1, /m/x\n"
    )
    assert skipped.code == "bad_segment"
    assert skipped.clip_id == "ab"
    assert "line 2: a segment needs 0 <= start" in skipped.reason
    assert segment.youtube_id == "cd"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a, 1, 2\n", r"line 1: expected YTID.*\['a', '1', '2'\]"),
        ("#\na, 1, 2, /m/x,dog\n", "line 2: expected YTID.*quotes around"),
        (", 1, 2, /m/x\n", "line 1: expected YTID"),
        ('a, 1, 2, "/m/x\nb, 1, 2, /m/x\n', "Close every quote"),
        ("# only\n# comments\n", "segments.csv has no segments"),
        (b"a, 1, 2, \xff\n", "save it as UTF-8"),
    ],
)
def test_broken_tables_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, content)


# What stays after blanks around a cell are gone.
def _clean(text):
    return text == text.strip() and text


_TEXTS = strategies.text(
    strategies.characters(exclude_categories=["Cs"]), min_size=1
).filter(_clean)
_YOUTUBE_IDS = strategies.text(
    string.ascii_letters + string.digits + "-_", min_size=11, max_size=11
)
_MIDS = strategies.from_regex(r"/[mtg]/[0-9a-z_]{2,8}", fullmatch=True)


@_PATIENT
@given(
    strategies.lists(
        strategies.tuples(
            _YOUTUBE_IDS,
            strategies.integers(0, 100_000),
            strategies.lists(_MIDS, min_size=1, unique=True),
        ),
        min_size=1,
    )
)
def test_rows_in_the_published_form_come_back(tmp_path, rows):
    content = _HEADER + "".join(
        f'{youtube_id}, {start}.000, {start + 10}.000, "{",".join(mids)}"\n'
        for youtube_id, start, mids in rows
    )
    assert _read(tmp_path, content) == [
        Segment(youtube_id, float(start), start + 10.0, tuple(mids))
        for youtube_id, start, mids in rows
    ]


@_PATIENT
@given(
    _TEXTS,
    strategies.floats(0, 1e6),
    strategies.lists(
        _TEXTS.filter(lambda text: "," not in text), min_size=1, unique=True
    ),
)
@example("0", 0.0, ["a line\n# and no comment"])
def test_any_id_and_labels_come_back_from_a_csv_writer(
    tmp_path, youtube_id, start, mids
):
    path = tmp_path / "segments.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow([youtube_id, start, start + 10, ",".join(mids)])
    assert list(read_segments(path)) == [
        Segment(youtube_id, start, start + 10, tuple(mids))
    ]


@pytest.mark.parametrize(
    "content",
    [
        "--PJHxphWEs\n\n# why\nabc_DEF-123\n--PJHxphWEs\n",
        _HEADER
        + '--PJHxphWEs, 0.000, 10.000, "/m/a,/m/b"\n'
        + 'abc_DEF-123, bad, 10.000, "/m/a"\n',
        "YTID\n--PJHxphWEs\nabc_DEF-123\n",
    ],
    ids=["list", "segments", "header"],
)
def test_ids_are_read_from_lists_and_segments(tmp_path, content):
    youtube_ids = read_youtube_ids(_file(tmp_path, content))
    assert youtube_ids == {"--PJHxphWEs", "abc_DEF-123"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ab\ncd.wav\n", "line 2: expected a YouTube id.*'cd.wav'"),
        ("ab\t0\t10\n", "line 1: expected a YouTube id"),
        ("ab\n,x\n", "line 2: expected a YouTube id"),
        ("# none\n", "has no YouTube ids"),
    ],
)
def test_lists_that_would_keep_nothing_out_are_refused(
    tmp_path, content, message
):
    with pytest.raises(ValueError, match=message):
        read_youtube_ids(_file(tmp_path, content))


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no list of YouTube ids .*none.txt"):
        read_youtube_ids(tmp_path / "none.txt")
