"""Saves what a person sees of the real Prometheus: its own pages in a real browser."""

from pathlib import Path
from urllib.parse import urlencode

from deploy.local.prometheus import prometheus_url
from tests.dashboard.browser import Page, browser
from tests.support import wait
from tidemark.settings import Settings

WIDTH = 1280
LOADED_SECONDS = 30.0
#: Finals come 2 s after their window by design; the merge's would flatten the others' lines.
LATENCY = 'stage:analytics_pipeline_latency_seconds:p95_rate5m{stage!="merge"}'
GRAPH = urlencode({"g0.expr": LATENCY, "g0.tab": 0, "g0.range_input": "15m", "g0.step_input": 5})
#: Opens the first alert that fires, with its summary and runbook.
OPEN_FIRING = "$('tr.alert-danger').first().click(), $('div.show-annotations').click()"


def take_healthy(settings: Settings, folder: Path) -> None:
    """Save the targets and the alerts, when all is well."""
    with browser() as page:
        _open(page, settings, "targets", "table")
        _save(page, folder / "prometheus-targets.png")
        _open(page, settings, "alerts", "#alertsTable")
        _save(page, folder / "prometheus-healthy.png")


def take_firing(settings: Settings, folder: Path) -> None:
    """Save the alerts and the latency, while something is wrong."""
    with browser() as page:
        _open(page, settings, "alerts", "#alertsTable tr.alert-danger")
        page.evaluate(OPEN_FIRING)
        _save(page, folder / "prometheus-firing.png")
        _open(page, settings, f"graph?{GRAPH}", ".rickshaw_graph svg path")
        _save(page, folder / "prometheus-latency.png")


def _open(page: Page, settings: Settings, path: str, shown: str) -> None:
    """Open one of the pages that Debian's Prometheus has, and wait until this is there."""
    page.open(f"{prometheus_url(settings)}classic/{path}")
    wait.until(lambda: page.evaluate(f"!!document.querySelector('{shown}')"), LOADED_SECONDS, lambda: page.text("body"))


def _save(page: Page, file: Path) -> None:
    """Save all of the page."""
    page.resize(WIDTH, page.evaluate("document.body.scrollHeight"))
    page.driver.save_screenshot(file)
