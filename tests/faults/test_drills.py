"""The drills are about all alerts that there are, and what docs say of them is what was measured of all."""

import re

from tests.conftest import ROOT
from tests.faults.drills.rows import DRILLS
from tests.monitoring.test_rules import NAMES

PICTURES = {f"prometheus-{what}.png" for what in ("targets", "healthy", "firing", "latency")}


def test_each_alert_has_a_drill() -> None:
    assert {alert.name for drill in DRILLS for alert in drill.alerts} == set(NAMES)


def test_what_was_measured_is_of_these_drills() -> None:
    rows = re.findall(r"^\| (\w+) \| (.+?) \| \d+ s \|", (ROOT / "docs" / "drills.md").read_text(), re.MULTILINE)
    assert rows == [(alert.name, drill.fault) for drill in DRILLS for alert in drill.alerts]


def test_the_pictures_are_there_and_shown() -> None:
    shown = re.findall(r"\]\(\.\./screenshots/(prometheus-\w+\.png)\)", (ROOT / "docs/runbooks/README.md").read_text())
    assert set(shown) == PICTURES
    assert all((ROOT / "docs" / "screenshots" / picture).stat().st_size < 250_000 for picture in PICTURES)
