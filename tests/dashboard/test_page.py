"""The dashboard in a real browser, served by a real gateway, fed by simulated visitors through the real pipeline."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from deploy.local.addresses import free_ports
from tests.conftest import provisioned
from tests.dashboard.browser import Page, browser
from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.parts import Part, gone_afterwards, running
from tidemark.results import decode_session
from tidemark.settings import Settings
from tidemark.topics import SESSIONS

#: So few that their visits are short: whole ones end within the run.
VISITORS = ("simulate", "--rate", "40", "--duration", "12", "--users", "120")


@dataclass
class Scene:
    """A page that was open before the first event came."""

    settings: Settings
    folder: Path
    gateway: Part
    page: Page

    @property
    def url(self) -> str:
        return f"http://{self.settings.gateway_host}:{self.settings.gateway_port}/"


@pytest.fixture(scope="module")
def scene(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    settings = provisioned(stack).model_copy(update={"gateway_port": free_ports()})
    folder = tmp_path_factory.mktemp("page")
    with (
        running(settings, folder / "streams.log", "streams", "run"),
        gone_afterwards(Part(settings, folder / "gateway.log", "gateway")) as gateway,
        browser() as page,
    ):
        gateway.wait_until(lambda: gateway.logged('"listening"'))
        yield Scene(settings, folder, gateway, page)


def test_a_page_without_data_says_so_and_breaks_no_rule_of_the_gateway(scene: Scene) -> None:
    page = scene.page
    page.open(scene.url)
    assert page.evaluate("document.querySelectorAll('.card .skeleton').length") == 6
    wait.until(lambda: page.text(".status") == "Connected\nno data yet", 10.0, lambda: page.text("body"))
    assert page.text(".panel-visits .nothing") == "None has ended yet."
    assert page.text(".panel-funnel .nothing") == "No visit was over in the last 15 minutes."
    assert page.complaints() == []


def test_what_the_page_has_shown_adds_up_to_what_was_sent(scene: Scene) -> None:
    page, path = scene.page, scene.folder / "manifest.json"
    page.watch_card("pageViewsPerSecond")
    with running(scene.settings, scene.folder / "simulator.log", *VISITORS, "--manifest", str(path)) as simulator:
        wait.until(lambda: page.tone() == "live", 20.0, lambda: page.text("body"))
        assert simulator.process.wait(60) == 0, simulator.log
    sent = json.loads(path.read_text())["events"]["PAGE_VIEW"]
    wait.until(
        lambda: round(sum(map(float, page.finals().values())) * 5) == sent, 20.0, lambda: f"{sent}: {page.finals()}"
    )
    assert page.complaints() == []


def test_the_funnel_and_the_latest_visit_are_what_was_sent(scene: Scene) -> None:
    page, sent = scene.page, json.loads((scene.folder / "manifest.json").read_text())["events"]["SESSION_END"]
    funnel = f"of {sent} visits, 15 min"
    wait.until(lambda: page.text(".panel-funnel .unit") == funnel, 20.0, lambda: page.text(".panel-funnel"))
    over = [decode_session(record.value or b"") for record in read_log(scene.settings, SESSIONS)]
    reached = [sum(visit.funnel_step >= step for visit in over) for step in range(1, 6)]
    assert page.texts(".funnel .step .name") == ["/", "/products*", "/cart", "/checkout", "Conversion"]
    assert page.texts(".funnel .step .amount") == [str(count) for count in reached]
    assert reached[0] > reached[-1] > 0, (sent, reached)
    newest = max(over, key=lambda visit: (visit.end_time, visit.visit_id))
    page.evaluate("document.querySelector('.visits button').focus()")
    page.press(Keys.ENTER)
    told = page.text(".visits > li")
    assert page.texts(".visits > li:first-child .path li") == newest.path
    assert newest.visitor in told
    assert f"{newest.revenue:,.2f}" in told if newest.converted else newest.behaviour in told
    page.press(Keys.ENTER)


def test_the_pipeline_says_where_the_events_went(scene: Scene) -> None:
    sent = sum(json.loads((scene.folder / "manifest.json").read_text())["events"].values())
    told = [f"{sent:,}", *["0"] * 5]
    wait.until(lambda: scene.page.texts(".outcomes dd") == told, 20.0, lambda: scene.page.text(".panel-health"))


def page_views(page: Page) -> int:
    """The page views of all windows shown: a window's are five times what is told, its one decimal rounds nothing."""
    return round(sum(map(float, page.finals().values())) * 5)


def test_a_page_finds_its_gateway_again(scene: Scene) -> None:
    page, settings = scene.page, scene.settings
    known: dict[int, str] = page.finals()
    scene.gateway.kill()
    wait.until(lambda: "Reconnecting" in page.text(".status"), 10.0, lambda: page.text("body"))
    assert page.text("[data-metric=activeUsers] .card-value") != ""
    with running(settings, scene.folder / "again.log", "gateway"):
        wait.until(lambda: "Reconnecting" not in page.text(".status"), 20.0, lambda: page.text("body"))
        with running(settings, scene.folder / "more.log", *VISITORS):
            wait.until(lambda: page.tone() == "live", 20.0, lambda: page.text("body"))
            wait.until(lambda: max(page.finals()) > max(known), 20.0, lambda: str(page.finals()))


def test_keys_do_what_the_help_says(scene: Scene) -> None:
    page = scene.page
    page.press("?")
    assert "Show a metric on the chart" in page.text("#help:popover-open")
    page.press("?")
    page.press("5")
    assert page.text(".panel-chart h2") == "Bounce rate"
    page.press("]")
    assert "range=5" in page.evaluate("location.search")
    colour = "getComputedStyle(document.body).color"
    before = page.evaluate(colour)
    page.press("t")
    wait.until(lambda: page.evaluate(colour) != before, 5.0, "the theme stays")
    page.press("p")
    wait.until(lambda: page.text(".status").startswith("Paused"), 5.0, lambda: page.text(".status"))
