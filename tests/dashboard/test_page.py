"""The dashboard in a real browser, served by a real gateway, fed by simulated visitors through the real pipeline."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs
from selenium.webdriver.common.keys import Keys

from deploy.local.addresses import free_ports
from tests.conftest import provisioned
from tests.dashboard.browser import Page, browser
from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.parts import Part, gone_afterwards, running
from tests.websocket_gateway.made import Results, alert, update
from tests.websocket_gateway.talking import now_window
from tidemark.results import PAGE_VIEWS_PER_SECOND, decode_session
from tidemark.settings import Settings
from tidemark.topics import SESSIONS

VALUE = "[data-metric=pageViewsPerSecond] .card-value"
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


def send_final(scene: Scene, site: str, *windows: tuple[int, float]) -> None:
    """Have the gateway show finals of a site, each with the end (ms) of its window and its value."""
    Results(scene.settings).send(
        *(update(PAGE_VIEWS_PER_SECOND, end, value, final=True, site=site) for end, value in windows)
    )


def test_everything_works_under_the_gateways_content_policy(scene: Scene) -> None:
    page = scene.page
    send_final(scene, "busy", (now_window() - 5_000, 1.5))
    page.open(f"{scene.url}?site=busy&range=5")
    wait.until(lambda: page.text(VALUE) == "1.5", 10.0, lambda: page.text("body"))
    for key in "?123456][stp":
        page.press(key)
    page.open(f"{scene.url}?site=another")
    wait.until(lambda: page.text(".status") == "Connected\nno data yet", 10.0, lambda: page.text("body"))
    assert page.log() == []
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    wait.until(lambda: page.evaluate("window.forbidden")[:] == ["style-src-attr"], 5.0, "nothing is forbidden")
    assert "style-src" in " ".join(page.log())


def test_an_alert_about_a_site_says_what_is_wrong(scene: Scene) -> None:
    page, said = scene.page, "dropped: page_views_per_second is 0.0, usually 139.9"
    about = structs.replace(alert("drop", site="dropped"), user_id="", title="Traffic drop", description=said)
    Results(scene.settings).send(about)
    page.open(f"{scene.url}?site=dropped")
    wait.until(lambda: page.text(".alert-text") == f"Traffic drop {said}", 10.0, lambda: page.text("body"))


def test_on_a_slow_network_there_is_a_skeleton_then_numbers_and_after_none_the_right_ones(scene: Scene) -> None:
    page, site = scene.page, "far"
    first = now_window() - 10_000
    send_final(scene, site, (first, 1.5))
    page.connect(latency_ms=400, kbit_s=400)
    page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.open(f"{scene.url}?site={site}")
    wait.until(lambda: page.text(VALUE) == "1.5", 20.0, lambda: page.text("body"))
    assert page.looks().index((6, 0)) < page.looks().index((5, 1))
    scripts = "performance.getEntriesByType('resource').find(({name}) => name.endsWith('.js'))"
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < page.evaluate(scripts)["responseEnd"]  # there is something to see before the script is here

    page.connect(offline=True)
    wait.until(lambda: page.tone() in ("stale", "dead"), 30.0, page.tone)
    wait.until(lambda: "Reconnecting" in page.text(".status"), 30.0, lambda: page.text("body"))
    assert page.text(VALUE) == "1.5"
    newest = now_window() - 5_000
    send_final(scene, site, *((end, end / 5_000 % 100) for end in range(first + 5_000, newest + 1, 5_000)))
    page.connect(latency_ms=400, kbit_s=400)
    wait.until(lambda: page.text(VALUE) == f"{newest / 5_000 % 100:.1f}", 20.0, lambda: page.text("body"))
    wait.until(lambda: page.tone() == "live", 10.0, lambda: page.text(".status"))
    page.connect()
    page.log()  # while there was no network the browser complained of that


def test_what_the_page_has_shown_adds_up_to_what_was_sent(scene: Scene) -> None:
    page, path = scene.page, scene.folder / "manifest.json"
    page.open(scene.url)
    wait.until(lambda: page.text(".status") == "Connected\nno data yet", 10.0, lambda: page.text("body"))
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
