"""The dashboards as Grafana's JSON: ``python -m monitoring.grafana`` writes them beside their provisioning."""

from pathlib import Path

from monitoring.grafana.alerts import ALERTING
from monitoring.grafana.business import BUSINESS
from monitoring.grafana.overview import OVERVIEW
from monitoring.grafana.performance import PERFORMANCE
from monitoring.grafana.rendering import render
from monitoring.grafana.system import SYSTEM

DASHBOARDS = (OVERVIEW, PERFORMANCE, BUSINESS, SYSTEM, ALERTING)
FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[str, str]:
    """Return the text of each dashboard by its file's name."""
    return {f"{dashboard.name}.json": render(dashboard) for dashboard in DASHBOARDS}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text)
