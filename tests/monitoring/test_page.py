"""The metrics are told in docs/ as they are, and named as Prometheus wants it."""

import re
import subprocess
import sys

from monitoring.metrics import DEFINED, LABELS, PARTS
from tests.conftest import ROOT

#: A value of these would be a series for each of a number without a bound.
UNBOUNDED = {"user", "user_id", "visitor", "visit", "visit_id", "session", "session_id", "url", "path", "address"}


def test_the_file_is_what_is_generated() -> None:
    command = [sys.executable, "-m", "monitoring.page"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = (ROOT / "docs" / "metrics.md").read_text()
    assert kept == printed, "changed: python -m monitoring.page > docs/metrics.md"
    assert [
        line.split("`")[1] for line in kept.splitlines() if re.match(r"\| `\w+` \| (counter|gauge|hist)", line)
    ] == [metric.name for metric in DEFINED]


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    assert len({metric.name for metric in DEFINED}) == len(DEFINED)
    for metric in DEFINED:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        base = metric.name.removesuffix("_total")
        for unit in ("bytes", "seconds"):
            assert base.endswith(f"_{unit}") == metric.unit.startswith(unit), metric
        assert metric.parts
        assert set(metric.parts) <= set(PARTS)


def test_every_label_is_told_and_has_a_bounded_number_of_values() -> None:
    labels = {label for metric in DEFINED for label in metric.labels}
    assert labels == LABELS.keys()
    assert labels.isdisjoint(UNBOUNDED)
