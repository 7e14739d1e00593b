import html.parser
import json
import pathlib
import re

import numpy as np
import pytest

from ofa_aec_tf.nas import html_report
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import Constraint
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.reports import templates
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

_SHARED = pathlib.Path(templates.__file__).parent / "page"
_SCRIPTS = (
    *(_SHARED / name for name in ("numbers.js", "chart.js", "table.js")),
    pathlib.Path(html_report.__file__).parent / "html" / "search.js",
)
_HOSTILE = "</script><script>alert(1)</script><!--\u2028\"&'<b>"
_SPACE = SearchSpace(
    (
        Decision("depth", (1, 2)),
        Decision("width1", (0.5, 1.0)),
        Decision("width2", (0.5, 1.0), requires=("depth", 2)),
    )
)


class _Page(html.parser.HTMLParser):
    """The elements of a page, as (tag, attributes, text right inside)."""

    def __init__(self, path):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open
        (data,) = (t for _, a, t in self.elements if a.get("id") == "data")
        self.data = json.loads(data)

    def handle_starttag(self, tag, attrs):
        self._open.append((tag, dict(attrs), []))
        if tag == "meta":
            self.handle_endtag(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag):
        opened, attributes, texts = self._open.pop()
        assert opened == tag
        self.elements.append((tag, attributes, "".join(texts)))

    def handle_data(self, data):
        if self._open:
            self._open[-1][2].append(data)

    def texts_in(self, tag):
        return [text for found, _, text in self.elements if found == tag]

    def attributes_of(self, tag):
        return [found for other, found, _ in self.elements if other == tag]


def _trials(failing=()):
    """Six subnets; quality climbs with the number, costs with the widths."""
    trials = []
    for number, subnet in enumerate(_SPACE.enumerate()):
        widths = subnet["width1"] + subnet.get("width2", 0)
        costs = {
            "parameters": int(1000 * widths),
            "macs": 10_000 * (number + 1),
        }
        metrics = {"mAP": 0.5 + number / 16, "d_prime": None, "num_clips": 40}
        failure = None
        if number in failing:
            metrics, failure = None, f"ValueError: {_HOSTILE}"
        trials.append(Trial(subnet, costs, metrics, failure))
    return trials


def _results(trials, budgets, complete=True):
    listed = [Candidate(trial.subnet, trial.costs) for trial in trials]
    return report.pareto_report(
        trials, budgets, listed, complete, "validation", Objectives()
    )


def _write(directory, trials, budgets, **options):
    path = directory / "reports" / html_report.HTML_REPORT
    html_report.write_report(
        path,
        _results(trials, budgets),
        trials,
        budgets,
        options.pop("title", "a search"),
        options.pop("measured", {"split": "validation"}),
        **options,
    )
    return _Page(path)


_BUDGETS = parse_budgets(["small:parameters<=1k", "mid:macs=30k+-10k"])


def test_the_page_holds_what_was_measured_as_json(tmp_path):
    trials = _trials(failing={1})
    page = _write(tmp_path, trials, _BUDGETS)
    data = page.data
    assert data == html_report.report_data(
        _results(trials, _BUDGETS), trials, _BUDGETS
    )
    assert data["objective"] == "mAP"
    assert data["decisions"] == ["depth", "width1", "width2"]
    assert [column["name"] for column in data["costs"]] == [
        "parameters",
        "macs",
    ]
    assert data["trials"][0] == {
        "subnet": [1, 0.5, None],
        "costs": [500, 10_000],
        "metrics": [0.5, None, 40],
        "on_front": True,
        "failure": None,
    }
    assert data["trials"][1]["metrics"] is None
    assert data["trials"][1]["failure"] == f"ValueError: {_HOSTILE}"
    assert data["trials"][5]["subnet"] == [2, 1.0, 1.0]
    assert data["budgets"] == [
        {
            "name": "small",
            "limits": [{"cost": "parameters", "minimum": 0, "maximum": 1000}],
            "chosen": 2,
        },
        {
            "name": "mid",
            "limits": [{"cost": "macs", "minimum": 20_000, "maximum": 40_000}],
            "chosen": 3,
        },
    ]


def test_an_axis_is_a_number_that_all_have_and_that_differs(tmp_path):
    trials = _trials(failing={1})
    extra = {**trials[0].costs, "latency_ms": 1.5}
    trials[0] = Trial(trials[0].subnet, extra, trials[0].metrics)
    data = _write(tmp_path, trials, ()).data
    axes = {c["name"]: c["is_axis"] for c in data["costs"] + data["metrics"]}
    assert axes == {
        "parameters": True,
        "macs": True,
        # Of one trial only.
        "latency_ms": False,
        "mAP": True,
        # Not defined.
        "d_prime": False,
        # The same for all.
        "num_clips": False,
    }
    assert data["trials"][1]["costs"] == [1000, 20_000, None]


def test_values_that_json_does_not_have_are_texts(tmp_path):
    trials = _trials()
    for name, value in (("d_prime", float("inf")), ("per_class", [0.1, None])):
        metrics = {**trials[0].metrics, name: value}
        trials[0] = Trial(trials[0].subnet, trials[0].costs, metrics)
    data = _write(tmp_path, trials, ()).data
    assert data["trials"][0]["metrics"] == [
        0.5,
        "Infinity",
        40,
        "[0.1, null]",
    ]


def test_names_from_outside_stay_text(tmp_path):
    limit = Constraint("parameters", 0, 1000)
    budgets = [Budget(f"phone {_HOSTILE}", (limit,), f"limit {_HOSTILE}")]
    page = _write(
        tmp_path,
        _trials(failing={1}),
        budgets,
        title=f"title {_HOSTILE}",
        measured={f"key {_HOSTILE}": f"value {_HOSTILE}"},
        predictor={f"name {_HOSTILE}": 1},
    )
    assert page.data["budgets"][0]["name"] == f"phone {_HOSTILE}"
    assert len(page.texts_in("script")) == 2
    assert not page.texts_in("b")
    for tag, text in (
        ("title", f"title {_HOSTILE}"),
        ("h1", f"title {_HOSTILE}"),
        ("th", f"phone {_HOSTILE}"),
        ("code", f"limit {_HOSTILE}"),
        ("td", f"ValueError: {_HOSTILE}"),
        ("dt", f"key {_HOSTILE}"),
        ("dd", f"value {_HOSTILE}"),
        ("dt", f"name {_HOSTILE}"),
    ):
        assert text in page.texts_in(tag)


def test_embedded_json_can_end_no_script_element(tmp_path):
    budgets = [Budget(_HOSTILE, (), "none")]
    _write(tmp_path, _trials(failing={1}), budgets)
    text = (tmp_path / "reports" / html_report.HTML_REPORT).read_text("utf-8")
    (embedded,) = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', text
    )
    assert not set("<>&\u2028") & set(embedded)
    assert json.loads(embedded)["budgets"][0]["name"] == _HOSTILE


def test_the_page_needs_no_network_and_is_small(tmp_path):
    page = _write(tmp_path, _trials(), _BUDGETS)
    text = (tmp_path / "reports" / html_report.HTML_REPORT).read_text("utf-8")
    assert "//" not in re.sub(r"^\s*// .*$", "", text, flags=re.MULTILINE)
    assert not [
        attributes
        for _, attributes, _ in page.elements
        if {"src", "href", "srcset", "action"} & set(attributes)
    ]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)
    (policy,) = (
        attributes["content"]
        for attributes in page.attributes_of("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    size = len(text.encode()) - len(json.dumps(page.data))
    assert size < 60_000


def test_the_budgets_are_a_table_with_what_was_chosen(tmp_path):
    page = _write(tmp_path, _trials(), _BUDGETS)
    assert page.texts_in("th")[-2:] == ["small", "mid"]
    # Three of six keep parameters<=1k; the last is the best of them. The
    # empty cells hold elements.
    values = ["3", "3", "", "1,000", "30,000", "0.6250", "–", "40"]
    cells = [text.strip() for text in page.texts_in("td")]
    assert cells[:9] == ["", *values]
    assert "parameters<=1k" in page.texts_in("code")
    assert '{"depth": 2, "width1": 0.5, "width2": 0.5}' in page.texts_in("code")
    buttons = page.attributes_of("button")
    marks = [found.get("data-trial") for found in buttons]
    assert [mark for mark in marks if mark] == ["2", "3"]


def test_a_budget_without_success_and_a_space_without_count_are_said(tmp_path):
    trials = _trials(failing={0})
    budgets = parse_budgets(["tiny:parameters<=500"])
    path = tmp_path / "report.html"
    html_report.write_report(
        path, _results(trials, budgets, False), trials, budgets, "title", {}
    )
    page = _Page(path)
    assert page.data["budgets"][0]["chosen"] is None
    assert "none: no evaluation succeeded" in page.texts_in("td")
    assert "not counted" in page.texts_in("td")


def test_failed_trials_are_listed_with_their_reasons(tmp_path):
    assert "None." in _write(tmp_path, _trials(), ()).texts_in("p")
    page = _write(tmp_path, _trials(failing={3}), ())
    assert f"ValueError: {_HOSTILE}" in page.texts_in("td")
    assert '{"depth": 2, "width1": 0.5, "width2": 1.0}' in page.texts_in("code")
    assert "The search had no budget." in page.texts_in("p")


def test_how_it_was_measured_is_shown_as_given(tmp_path):
    page = _write(
        tmp_path,
        _trials(),
        (),
        measured={
            "seed": 12345,
            "versions": {"keras": "3.15.1"},
            "skip_corrupt": False,
            "folds": [1, 2],
        },
        predictor={"spearman": 0.75, "kendall": None, "num_trials": 30},
    )
    assert page.texts_in("dt") == [
        *("spearman", "kendall", "num trials"),
        *("seed", "versions", "keras", "skip corrupt", "folds"),
    ]
    shown = [text for text in page.texts_in("dd") if text.strip()]
    assert shown == ["0.7500", "–", "30", "12345", "3.15.1", "False", "1, 2"]
    without = _write(tmp_path, _trials(), ())
    assert "Accuracy predictor" not in without.texts_in("h2")


def test_results_of_other_trials_are_refused(tmp_path):
    trials = _trials()
    results = _results(trials, _BUDGETS)
    with pytest.raises(ValueError, match="'small' chose a subnet that has no"):
        html_report.write_report(
            tmp_path / "report.html", results, trials[:2], _BUDGETS, "", {}
        )


def test_every_control_has_a_label_and_every_reference_a_target(tmp_path):
    page = _write(tmp_path, _trials(failing={1}), _BUDGETS)
    ids = [a["id"] for _, a, _ in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            if name in attributes:
                assert set(attributes[name].split()) <= set(ids)
    text = "".join(path.read_text("utf-8") for path in _SCRIPTS)
    wanted = re.findall(r'(?:byId|getElementById)\("(\w+)"\)', text)
    assert wanted
    assert set(wanted) <= set(ids)


def _luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in channels
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_both_color_schemes_have_the_contrast_that_wcag_asks_for():
    style = (_SHARED / "page.css").read_text("utf-8")
    schemes = re.findall(r":root \{([^}]*)\}", style)
    assert len(schemes) == 2
    for scheme in schemes:
        colors = dict(re.findall(r"--(\w+): (#\w{6});", scheme))
        background = _luminance(colors["background"])
        for name in ("text", "muted", "trial", "front", "chosen", "limit"):
            low, high = sorted((background, _luminance(colors[name])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, name
