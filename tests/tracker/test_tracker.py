"""The tracker in a real browser, on a small site of several pages one of which is an application."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.dashboard.browser import Page, browser
from tests.support import wait
from tests.tracker.serving import REFUSE, TAKE_AND_CUT, RecordingDoor, Site, serving

Seen = list[tuple[str, str]]


@dataclass
class Scene:
    """A visitor's browser, the site and the door; ``events`` of what was done since ``forget``."""

    page: Page
    site: Site
    door: RecordingDoor
    known: set[str] = field(default_factory=set)

    def open(self, path: str) -> None:
        self.page.open(self.site.url + path)

    def click(self, name: str) -> None:
        self.page.driver.find_element("id", name).click()

    def forget(self) -> None:
        self.known |= {event["event_id"] for event in self.sent()}

    def sent(self) -> list[dict[str, Any]]:
        return [event for _, events in list(self.door.requests) for event in events]

    def events(self) -> list[dict[str, Any]]:
        """What has come, each event once, by time."""
        new = {event["event_id"]: event for event in self.sent() if event["event_id"] not in self.known}
        return sorted(new.values(), key=lambda event: str(event["timestamp"]))

    def seen(self) -> Seen:
        return [(event["event_type"], event["path"]) for event in self.events()]

    def wait_for(self, *expected: tuple[str, str]) -> None:
        wait.until(lambda: self.seen() == list(expected), 10.0, lambda: str(self.seen()))


@contextmanager
def prepared(page: Page, script: str) -> Iterator[None]:
    """Run a script before those of each page."""
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        yield
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.fixture(scope="module")
def pages() -> Iterator[Scene]:
    with (
        serving(RecordingDoor()) as door,
        serving(Site(door=door.url, site="shop", key="tmk_1")) as site,
        browser() as page,
    ):
        yield Scene(page, site, door)


@pytest.fixture
def scene(pages: Scene) -> Iterator[Scene]:
    """The browser on an empty page, all events before are told."""
    pages.open("/app")
    pages.page.open("about:blank")
    wait.until(lambda: pages.seen()[-1:] == [("page_leave", "/app")], 10.0, lambda: str(pages.seen()))
    pages.forget()
    yield pages
    assert pages.page.complaints() == []


def test_a_visit_over_several_pages_is_told_in_whole_and_once(scene: Scene) -> None:
    scene.open("/")
    for name in ("top", "products", "add", "cart", "buy", "home"):
        scene.click(name)
    scene.wait_for(
        ("session_start", "/"),
        ("page_view", "/"),
        ("seen-early", "/"),
        ("page_leave", "/"),
        ("page_view", "/products?list=new"),
        ("add-to-cart", "/products?list=new"),
        ("page_leave", "/products?list=new"),
        ("page_view", "/cart"),
        ("conversion", "/cart"),
        ("page_leave", "/cart"),
        ("page_view", "/thank-you"),
        ("page_leave", "/thank-you"),
        ("page_view", "/"),
        ("seen-early", "/"),
    )
    sent = scene.sent()
    assert len(sent) == len({event["event_id"] for event in sent})


def test_events_say_where_and_what_and_nothing_of_who(scene: Scene) -> None:
    scene.open("/cart?coupon=7")
    wait.until(lambda: len(scene.events()) == 2, 10.0, lambda: str(scene.seen()))
    scene.click("buy")
    wait.until(lambda: "conversion" in dict(scene.seen()), 10.0, lambda: str(scene.seen()))
    _, view, bought = scene.events()[:3]
    assert view["page_load_time"] > 0
    common = {"site_id": "shop", "path": "/cart?coupon=7"}
    varying = ("event_id", "timestamp", "sent_at", "page_load_time")
    assert {name: view[name] for name in view if name not in varying} == common | {
        "event_type": "page_view",
        "title": "Cart",
    }
    assert {name: bought[name] for name in bought if name not in varying} == common | {
        "event_type": "conversion",
        "value": 49.9,
        "currency": "EUR",
        "order_id": "1042",
    }
    assert scene.door.requests[-1][0] == "/events?key=tmk_1"
    assert scene.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_an_application_has_a_page_view_for_each_path(scene: Scene) -> None:
    scene.open("/app")
    for name in ("sort", "cart", "cart", "login"):
        scene.click(name)
    scene.page.driver.back()
    scene.wait_for(
        ("session_start", "/app"),
        ("page_view", "/app"),
        ("page_view", "/app/cart"),
        ("page_view", "/app/login"),
        ("page_view", "/app/cart"),
    )
    assert [event.get("title") for event in scene.events()][2:4] == ["App: cart", "App: log in"]


def test_a_page_that_the_browser_brings_back_is_viewed_again(scene: Scene) -> None:
    scene.open("/cart")
    scene.page.driver.execute_script("window.same = true")
    scene.open("/thank-you")
    scene.page.driver.back()
    assert scene.page.evaluate("window.same")
    wait.until(lambda: scene.seen().count(("page_view", "/cart")) == 2, 10.0, lambda: str(scene.seen()))


def test_what_the_door_refuses_or_does_not_answer_is_sent_again_and_counts_once(scene: Scene) -> None:
    scene.door.trouble.extend((REFUSE, TAKE_AND_CUT, REFUSE))
    scene.open("/app")
    wait.until(lambda: not scene.door.trouble, 10.0, "nothing was sent again")
    scene.click("cart")
    scene.wait_for(("session_start", "/app"), ("page_view", "/app"), ("page_view", "/app/cart"))
    assert all("/events" in complaint for complaint in scene.page.complaints())


def test_a_hidden_page_says_so_at_once(scene: Scene) -> None:
    scene.open("/app")
    driver = scene.page.driver
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        scene.wait_for(("session_start", "/app"), ("page_view", "/app"), ("page_leave", "/app"))
    finally:
        driver.close()
        driver.switch_to.window(first)
    scene.click("cart")
    wait.until(lambda: scene.seen()[-1:] == [("page_view", "/app/cart")], 10.0, lambda: str(scene.seen()))


def test_who_objects_is_not_told_of_where_the_site_respects_it(scene: Scene) -> None:
    with prepared(scene.page, "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })"):
        scene.open("/app")
        scene.click("cart")
        scene.page.evaluate("tidemark('conversion')")
        scene.open("/cart")
    wait.until(lambda: ("page_view", "/cart") in scene.seen(), 10.0, lambda: str(scene.seen()))
    assert all(path == "/cart" for _, path in scene.seen())


def test_an_older_browser_tells_of_its_pages_too(scene: Scene) -> None:
    with prepared(scene.page, "delete AbortSignal.timeout; delete Crypto.prototype.randomUUID; Object.freeze(history)"):
        scene.open("/cart")
        scene.wait_for(("session_start", "/cart"), ("page_view", "/cart"))


HOSTILE = (
    "crypto.getRandomValues = () => { throw new Error('no') }",
    "window.fetch = () => { throw new Error('no') }; navigator.sendBeacon = () => { throw new Error('no') }",
    "Object.freeze(history)",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_is_thrown_into_the_page(scene: Scene, hostile: str) -> None:
    with prepared(scene.page, hostile):
        scene.open("/")
        scene.page.evaluate("tidemark('x', { get value() { throw new Error('mine') } })")
        scene.page.evaluate("tidemark(Symbol('x'))")
        scene.page.evaluate("history.pushState(null, '', '/cart')")
        scene.page.evaluate("dispatchEvent(new Event('pagehide'))")
        assert scene.page.evaluate("window.failed") == []
