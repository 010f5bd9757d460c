"""The dashboards are what is generated, and as Grafana's dashboard-linter wants them; each metric in them is there."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.grafana.__main__ import FOLDER, files
from monitoring.grafana.alerts import NAMES
from monitoring.metrics import DEFINED
from tests.monitoring.test_rules import ALERTS, RECORDING, RUNBOOKS

CONTENTS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
SOURCES = {"prometheus": "${prometheus}", "influxdb": "${influxdb}"}
#: What others serve: Kafka's exporter, InfluxDB, prometheus-client, Prometheus itself.
OTHERS = re.compile(r"(kafka|go|process|python)_\w+|up|ALERTS")
#: Recorded ones have no job any more; of the alerts those of all jobs are meant.
WITHOUT_JOB = re.compile(r"\w+:.+|ALERTS")
WORDS = {"by", "on", "or", "offset"}


def _panels(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in content["panels"] if panel["type"] != "row")


PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, content in CONTENTS.items()
    for panel in _panels(content)
]
QUERIES = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']}: {target['refId']}")
    for name, content in CONTENTS.items()
    for panel in _panels(content)
    for target in panel["targets"]
    if "expr" in target
]


def _metrics(query: str) -> set[str]:
    """The names that are left without labels, ranges, groupings, functions and words."""
    bare = re.sub(r"\{.*?\}|\[.*?\]|\b(by|on) ?\(.*?\)", " ", query)
    return set(re.findall(r"(?<![\w:.])[a-zA-Z_][\w:]*+(?!\s*\()", bare)) - WORDS


def test_the_files_are_what_is_generated() -> None:
    assert len(files()) == 5
    kept = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert kept == files(), "changed: python -m monitoring.grafana"


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_dashboard_is_found_by_its_own_address_and_edited_in_code_only(content: dict[str, Any]) -> None:
    assert content["uid"] in {f"tidemark-{name.removesuffix('.json')}" for name in CONTENTS}
    assert content["title"]
    assert content["description"]
    assert content["editable"] is False
    numbers = [panel["id"] for panel in content["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert len({other["uid"] for other in CONTENTS.values()}) == len(CONTENTS)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_dashboard_asks_for_its_sources_and_for_what_its_queries_choose_by(content: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in content["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(content))) - {"__rate_interval", "__all", "__field"}
    assert used
    assert used == variables.keys(), "unused, or undefined"
    for name, variable in variables.items():
        if variable["type"] == "datasource":
            assert variable["query"] == name in SOURCES
        else:
            assert variable["datasource"]["uid"] == SOURCES[variable["datasource"]["type"]]
            assert variable["refresh"] == 2, "asked again when the time range changes"
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["allValue"]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_no_panel_lies_on_another(content: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert taken.isdisjoint(cells), panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_where_from(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == SOURCES[panel["datasource"]["type"]]
    assert panel["targets"]
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_takes_the_chosen_jobs_and_instances(query: str) -> None:
    selectors = re.findall(r"([a-zA-Z_][\w:]*)\{(.*?)\}", query)
    for name, matchers in selectors:
        if not WITHOUT_JOB.fullmatch(name):
            assert matchers.startswith('job=~"$job", instance=~"$instance"'), name
    plain = _metrics(query) - {name for name, _ in selectors}
    assert all(WITHOUT_JOB.fullmatch(name) for name in plain), plain


@pytest.mark.parametrize("query", QUERIES)
def test_a_rate_is_over_grafanas_interval_and_every_counter_has_one(query: str) -> None:
    assert set(re.findall(r"\b(?:rate|increase)\(\w+\{.*?\}\[(.+?)\]\)", query)) <= {"$__rate_interval"}
    rated = set(re.findall(r"\brate\((\w+)\{", query))
    assert {name for name in _metrics(query) if re.search(r"_(total|bucket|count|sum)$", name)} <= rated


@pytest.mark.parametrize("query", QUERIES)
def test_every_metric_in_a_query_is_one_that_is_served_or_recorded(query: str) -> None:
    histograms = {metric.name for metric in DEFINED if metric.kind == "histogram"}
    known = {metric.name for metric in DEFINED} - histograms
    known |= {f"{each}_{end}" for each in histograms for end in ("bucket", "count", "sum")}
    known |= set(re.findall(r"- record: (\S+)", RECORDING))
    named = _metrics(query)
    assert named
    assert {name for name in named if not OTHERS.fullmatch(name)} <= known


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_takes_our_metrics_by_labels_that_they_have(query: str) -> None:
    ours = [metric for metric in DEFINED if re.search(rf"\b{metric.name}(_bucket|_sum|_count)?\{{", query)]
    has = {label for metric in ours for label in metric.labels} | {"job", "instance", "le"}
    asked = {label for group in re.findall(r"\bby \((.*?)\)", query) for label in group.split(", ")}
    for metric in ours:
        matchers = re.findall(rf"\b{metric.name}\w*\{{(.*?)\}}", query)
        assert set(re.findall(r"(\w+)=", ", ".join(matchers))) <= has
    assert not ours or asked <= has


def test_every_alert_is_shown_with_its_limit_and_its_runbook() -> None:
    panels = {panel["title"]: panel for panel in _panels(CONTENTS["alerts.json"])}
    assert [target["legendFormat"] for target in panels["Alerts over time"]["targets"]] == NAMES
    for alert in NAMES:
        _, limit = panels[alert]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        [condition] = re.findall(rf"- alert: {alert}\n +expr: (.*?)\n +for:", ALERTS, re.DOTALL)
        limits = {float(each) for each in re.findall(r" [<>]=? ([\d.]+)", condition)}
        assert limit["value"] in limits or condition.startswith("up{"), alert
        [runbook] = re.findall(r"docs/runbooks/([\w-]+\.md)", panels[alert]["description"])
        assert (RUNBOOKS / runbook).exists()


def test_grafana_finds_the_dashboards_and_their_sources() -> None:
    provider = (FOLDER / "tidemark.yaml").read_text()
    assert f"path: /etc/grafana/provisioning/{FOLDER.name}\n" in provider
    sources = (FOLDER.parent / "datasources" / "tidemark.yaml").read_text()
    assert re.findall(r"^    type: (\w+)$", sources, re.MULTILINE) == list(SOURCES)
    [scraped] = re.findall(r"scrape_interval: (\w+)", (FOLDER.parents[1] / "prometheus" / "prometheus.yml").read_text())
    assert re.findall(r"timeInterval: (\w+)", sources)[0] == scraped
