"""The demo's shop, from a visitor's click to the dashboard, with the real parts in between."""

from pathlib import Path

from deploy.local.parts import SHOP
from tests.dashboard.browser import Page, browser
from tests.ingestion.made import BROWSER
from tests.ingestion.sending import door_settings, running_door, url
from tests.support import wait
from tests.support.parts import running
from tidemark.settings import Settings

FIRST_CARD, TO_THE_BASKET, TO_THE_CHECKOUT, BUY = ".card", "#added a", "#checkout", "#pay button"
VISITED = ("/", "/products", "/products/tide-clock", "/cart", "/checkout", "/thank-you")


def buy(shop: Page, address: str) -> None:
    """Walk through the shop as people do, and buy the first thing, a tide clock."""
    shop.open(address)
    for selector in (".button", FIRST_CARD, "#add", TO_THE_BASKET, TO_THE_CHECKOUT, BUY):
        shop.driver.find_element("css selector", selector).click()
    wait.until(lambda: "Thank you" in shop.text("h1"), 5.0, lambda: shop.text("body"))


def test_what_is_bought_in_the_shop_is_on_the_dashboard(settings: Settings, tmp_path: Path) -> None:
    settings = door_settings(settings, tmp_path, ingestion_pages=SHOP)
    with (
        running(settings, tmp_path / "streams.log", "streams", "run"),
        running(settings, tmp_path / "gateway.log", "gateway") as gateway,
        running_door(settings, tmp_path / "door.log"),
        browser(f"--user-agent={BROWSER}") as page,
    ):
        gateway.wait_until(lambda: gateway.logged('"listening"'))
        buy(page, url(settings, "/"))
        assert page.complaints() == []
        page.open(f"http://{settings.gateway_host}:{settings.gateway_port}/?site=shop")
        wait.until(lambda: "89.00" in page.text("[data-metric=revenuePerUser]"), 20.0, lambda: page.text("body"))
        assert "100.0%" in page.text("[data-metric=conversionRate]")
        # A window of popular content ends every ten seconds.
        wait.until(lambda: all(f"\n{path}\n" in page.text("body") for path in VISITED), 20.0, lambda: page.text("body"))
