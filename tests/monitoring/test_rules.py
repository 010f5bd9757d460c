"""The alerts by Prometheus' own tool: each fires when it should and not when it should not; each has its runbook."""

import re
import subprocess
from pathlib import Path

import pytest

from monitoring.metrics import DEFINED
from tests.conftest import ROOT
from websocket_gateway import codes

CONFIGURATION = ROOT / "monitoring" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTS = (CONFIGURATION / "rules" / "alerts.yml").read_text()
RECORDING = (CONFIGURATION / "rules" / "recording.yml").read_text()
NAMES = re.findall(r"- alert: (\w+)", ALERTS)


def _file_name(alert: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()


def _promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_its_rules_are_valid() -> None:
    _promtool("check", "config", CONFIGURATION / "prometheus.yml")
    _promtool("check", "rules", "--lint-fatal", *sorted((CONFIGURATION / "rules").iterdir()))


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_fires_when_it_should_and_not_when_it_should_not(alert: str) -> None:
    cases = Path(__file__).parent / "rules" / f"{_file_name(alert)}.yml"
    told = re.findall(rf"alertname: {alert}\b", cases.read_text())
    silent = re.findall(rf"alertname: {alert}, .*exp_alerts: \[\]", cases.read_text())
    assert 0 < len(silent) < len(told)
    _promtool("test", "rules", cases)


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: str) -> None:
    [rule] = re.findall(rf"- alert: {alert}\n(.*?)(?=\n\n|\Z)", ALERTS, re.DOTALL)
    assert re.search(r"^ +severity: (critical|warning)$", rule, re.MULTILINE)
    assert re.search(r"^ +summary: .+$", rule, re.MULTILINE)
    assert re.search(r"^ +description: .+$", rule, re.MULTILINE)
    [runbook] = re.findall(r"^ +runbook_url: (.+)$", rule, re.MULTILINE)
    assert runbook == f"docs/runbooks/{_file_name(alert)}.md"
    text = (ROOT / runbook).read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "How to see it", "What to do"]


def test_a_runbook_is_of_an_alert_and_in_the_list() -> None:
    expected = {f"{_file_name(alert)}.md" for alert in NAMES}
    assert {path.name for path in RUNBOOKS.iterdir()} == expected | {"README.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", (RUNBOOKS / "README.md").read_text())) == expected


def test_every_metric_of_ours_in_a_rule_or_a_runbook_is_one_that_a_part_serves() -> None:
    texts = [ALERTS, RECORDING, *(path.read_text() for path in RUNBOOKS.iterdir())]
    used = set(re.findall(r"(?<![:\w])(?:analytics|websocket_server|tidemark)_\w+(?![:\w])", "\n".join(texts)))
    histograms = {metric.name for metric in DEFINED if metric.kind == "histogram"}
    served = {metric.name for metric in DEFINED} | {
        f"{each}_{end}" for each in histograms for end in ("bucket", "count", "sum")
    }
    assert used <= served, used - served
    assert len(used) > 10


def test_what_a_gateways_client_does_wrong_is_no_failure_of_ours() -> None:
    [excluded] = re.findall(r'reason!~"([^"]+)"', RECORDING)
    assert set(excluded.split("|")) == (codes.ERRORS.keys() - {codes.NO_HISTORY}) | {"stalled_client"}
