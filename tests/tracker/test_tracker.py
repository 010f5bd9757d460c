"""The tracker in a real browser, on a small site of several pages one of which is an application."""

from collections.abc import Iterator

import pytest

from tests.dashboard.browser import Page
from tests.support import wait
from tests.tracker.conftest import World
from tests.tracker.scene import Scene
from tests.tracker.serving import CUT, REFUSE, Between, Site, serving
from tidemark.events import CONVERSION, PAGE_VIEW, SESSION_START, ConversionData, PageViewData, SessionData

LEAVE = "page_leave"


def test_each_page_and_click_of_a_visit_is_one_event_in_the_log(scene: Scene) -> None:
    scene.open("/")
    for name in ("top", "products", "add", "cart", "buy", "home"):
        scene.click(name)
    scene.wait_for(
        (SESSION_START, "/"),
        (PAGE_VIEW, "/"),
        ("seen-early", "/"),
        (LEAVE, "/"),
        (PAGE_VIEW, "/products?list=new"),
        ("add-to-cart", "/products?list=new"),
        (LEAVE, "/products?list=new"),
        (PAGE_VIEW, "/cart"),
        (CONVERSION, "/cart"),
        (LEAVE, "/cart"),
        (PAGE_VIEW, "/thank-you"),
        (LEAVE, "/thank-you"),
        (PAGE_VIEW, "/"),
        ("seen-early", "/"),
    )
    assert len(scene.events()) == len(scene.seen())
    assert len({event.session_id for event in scene.events()}) == 1


def test_events_say_where_and_what_and_nothing_of_who(scene: Scene) -> None:
    scene.open("/cart?coupon=7")
    wait.until(lambda: len(scene.events()) == 2, 10.0, lambda: str(scene.seen()))
    scene.click("buy")
    wait.until(lambda: CONVERSION in dict(scene.seen()), 10.0, lambda: str(scene.seen()))
    _, view, bought = scene.events()[:3]
    assert view.page_view_data is not None
    load_time = view.page_view_data.page_load_time
    assert load_time is not None
    assert 0 < load_time < 10_000
    assert view.page_view_data == PageViewData("/cart?coupon=7", "Cart", page_load_time=load_time)
    assert bought.page_view_data == PageViewData("/cart?coupon=7")
    assert bought.conversion_data == ConversionData(49.9, "EUR", "1042")
    for event in (view, bought):
        assert event.user_id is None
        assert event.session_data == SessionData(device_type="desktop", browser="Firefox", os="Linux")
    assert scene.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_a_site_with_a_write_key_is_told_of_with_it(scene: Scene, world: World) -> None:
    scene.name = "shop"
    scene.site.words["key"] = world.key
    try:
        scene.open("/app")
        scene.wait_for((SESSION_START, "/app"), (PAGE_VIEW, "/app"))
    finally:
        scene.site.words["key"] = ""


def test_an_application_has_a_page_view_for_each_path(scene: Scene) -> None:
    scene.open("/app")
    for name in ("sort", "cart", "cart", "login"):
        scene.click(name)
    scene.page.driver.back()
    paths = ("/app", "/app/cart", "/app/login", "/app/cart")
    scene.wait_for((SESSION_START, "/app"), *((PAGE_VIEW, path) for path in paths))
    titles = [event.page_view_data and event.page_view_data.title for event in scene.events()]
    assert titles[2:4] == ["App: cart", "App: log in"]


def test_a_page_that_the_browser_brings_back_is_viewed_again(scene: Scene) -> None:
    scene.open("/cart")
    scene.page.driver.execute_script("window.same = true")
    scene.open("/thank-you")
    scene.page.driver.back()
    assert scene.page.evaluate("window.same")
    wait.until(lambda: scene.seen().count((PAGE_VIEW, "/cart")) == 2, 10.0, lambda: str(scene.seen()))


def test_what_is_refused_or_not_answered_is_sent_again_and_counts_once(scene: Scene, between: Between) -> None:
    between.trouble.extend((REFUSE, CUT, REFUSE))
    with serving(Site(door=between.url, key="")) as scene.site:
        scene.open("/app")
        wait.until(lambda: not between.trouble, 10.0, "nothing was sent again")
        scene.click("cart")
        scene.wait_for((SESSION_START, "/app"), (PAGE_VIEW, "/app"), (PAGE_VIEW, "/app/cart"))
        scene.page.open("about:blank")
    assert len(scene.events()) > len(scene.seen())
    assert not any("Cookie" in headers or "Authorization" in headers for headers in between.seen)
    assert all("/events" in complaint for complaint in scene.page.complaints())


#: Notes how often the page sends something itself; keeps it out of the browser's memory, where its requests go on.
GONE_WHEN_LEFT = """
window.posts = 0;
window.fetch = ((fetch) => (address, options) => {
  if (options.method === 'POST') window.posts++;
  return fetch(address, options);
})(window.fetch);
addEventListener('unload', () => {});
"""
#: Takes all connections that a browser makes to one server, those for requests with credentials and those without.
OCCUPY = """
for (const credentials of ['omit', 'include']) {
  for (let n = 0; n < 6; n++) {
    fetch(`${arguments[0]}/hold?${credentials}${n}`, { mode: 'no-cors', credentials }).catch(() => {});
  }
}
"""
LAST = {(CONVERSION, "/cart"), (LEAVE, "/cart")}


@pytest.fixture
def cart(scene: Scene, between: Between) -> Iterator[Scene]:
    """The cart has been told of; when it is left it is gone."""
    with serving(Site(door=between.url, key="")) as scene.site, scene.prepared(GONE_WHEN_LEFT):
        scene.open("/cart")
        scene.wait_for((SESSION_START, "/cart"), (PAGE_VIEW, "/cart"))
        yield scene
        scene.page.open("about:blank")


def leave_no_connection(page: Page, between: Between) -> None:
    """What is sent to the door from now on waits until the page that shows is gone."""
    page.driver.execute_script(OCCUPY, between.url)
    wait.until(lambda: len(between.held) == 12, 10.0, lambda: str(between.held))


def test_what_is_told_when_a_page_is_left_for_another_arrives(cart: Scene, between: Between) -> None:
    leave_no_connection(cart.page, between)
    cart.click("buy")
    wait.until(lambda: set(cart.seen()) >= LAST, 10.0, lambda: str(cart.seen()))


def test_what_is_on_its_way_when_a_page_is_left_arrives(cart: Scene, between: Between) -> None:
    driver = cart.page.driver
    first = driver.current_window_handle
    before = cart.page.evaluate("window.posts")
    driver.switch_to.new_window("tab")
    second = driver.current_window_handle
    cart.open("/app")
    wait.until(lambda: {(LEAVE, "/cart"), (PAGE_VIEW, "/app")} <= set(cart.seen()), 10.0, lambda: str(cart.seen()))
    leave_no_connection(cart.page, between)
    driver.switch_to.window(first)
    cart.page.evaluate("tidemark('conversion')")
    wait.until(lambda: cart.page.evaluate("window.posts") == before + 2, 10.0, "it is not on its way")
    cart.page.open("about:blank")
    assert CONVERSION not in dict(cart.seen())
    driver.switch_to.window(second)
    driver.close()
    driver.switch_to.window(first)
    wait.until(lambda: set(cart.seen()) >= LAST, 10.0, lambda: str(cart.seen()))


def test_a_hidden_page_says_so_at_once(scene: Scene) -> None:
    scene.open("/app")
    driver = scene.page.driver
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        scene.wait_for((SESSION_START, "/app"), (PAGE_VIEW, "/app"), (LEAVE, "/app"))
    finally:
        driver.close()
        driver.switch_to.window(first)
    scene.click("cart")
    wait.until(lambda: scene.seen()[-1:] == [(PAGE_VIEW, "/app/cart")], 10.0, lambda: str(scene.seen()))


def test_who_objects_is_not_told_of_where_the_site_respects_it(scene: Scene) -> None:
    with scene.prepared("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })"):
        scene.open("/app")
        scene.click("cart")
        scene.page.evaluate("tidemark('conversion')")
        scene.open("/cart")
    wait.until(lambda: (PAGE_VIEW, "/cart") in scene.seen(), 10.0, lambda: str(scene.seen()))
    assert all(path == "/cart" for _, path in scene.seen())


def test_an_older_browser_tells_of_its_pages_too(scene: Scene) -> None:
    lacking = "delete AbortSignal.timeout; delete Crypto.prototype.randomUUID; Object.freeze(history)"
    with scene.prepared(lacking):
        scene.open("/cart")
        scene.wait_for((SESSION_START, "/cart"), (PAGE_VIEW, "/cart"))


HOSTILE = (
    "crypto.getRandomValues = () => { throw new Error('no') }",
    "window.fetch = () => { throw new Error('no') }; navigator.sendBeacon = () => { throw new Error('no') }",
    "Object.freeze(history)",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_is_thrown_into_the_page(scene: Scene, hostile: str) -> None:
    with scene.prepared(hostile):
        scene.open("/")
        scene.page.evaluate("tidemark('x', { get value() { throw new Error('mine') } })")
        scene.page.evaluate("tidemark(Symbol('x'))")
        scene.page.evaluate("history.pushState(null, '', '/cart')")
        scene.page.evaluate("dispatchEvent(new Event('pagehide'))")
        assert scene.page.evaluate("window.failed") == []
