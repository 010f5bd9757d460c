"""A real browser, headless, with what a test asks of the dashboard's page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

#: Debian's packages; Selenium would look for others on the net.
CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars")

#: Notes each state of a card, with the window it is of.
_WATCH_CARD = """
const card = document.querySelector(`[data-metric=${arguments[0]}]`);
const seen = (window.seen = {});
const note = () => {
  const value = card.querySelector('[data-end]');
  if (value) (seen[value.dataset.end] ??= []).push([value.dataset.final, value.textContent]);
};
new MutationObserver(note).observe(card, { subtree: true, childList: true, characterData: true, attributes: true });
note();
"""


#: In every new page: notes what of it is seen, whenever that changes, and what the gateway's content policy forbids.
_WATCH_PAGE = """
window.looks = [];
window.forbidden = [];
const look = () => {
  const seen = [document.querySelectorAll('.card .skeleton').length, document.querySelectorAll('[data-end]').length];
  if (String(seen) !== String(window.looks.at(-1))) window.looks.push(seen);
};
new MutationObserver(look).observe(document, { subtree: true, childList: true });
document.addEventListener('securitypolicyviolation', (event) => window.forbidden.push(event.effectiveDirective));
"""


class Page:
    """The dashboard in a browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Load the page."""
        self.driver.get(url)

    def text(self, selector: str) -> str:
        """Return what can be read at the first element; empty if there is none."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        text: str = self.driver.execute_script(script, selector)
        return text

    def texts(self, selector: str) -> list[str]:
        """Return what can be read at each element."""
        script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText)"
        texts: list[str] = self.driver.execute_script(script, selector)
        return texts

    def tone(self) -> str:
        """Return how the page says things stand: live, wait, stale or dead."""
        tone: str = self.driver.execute_script("return document.querySelector('.status')?.dataset.tone ?? ''")
        return tone

    def watch_card(self, metric: str) -> None:
        """From now on note each value that a card shows."""
        self.driver.execute_script(_WATCH_CARD, metric)

    def finals(self) -> dict[int, str]:
        """Return the final values that the watched card has shown, by the window's end (ms)."""
        seen: dict[str, list[list[str]]] = self.driver.execute_script("return window.seen")
        return {int(end): texts[-1][1] for end, texts in seen.items() if texts[-1][0] == "true"}

    def press(self, key: str) -> None:
        """Press a key where nothing is focused."""
        ActionChains(self.driver).send_keys(key).perform()

    def evaluate(self, expression: str) -> Any:
        """Return a JavaScript expression's value."""
        return self.driver.execute_script(f"return {expression}")

    def complaints(self) -> list[str]:
        """Return the errors in the browser's console since the last time."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def log(self) -> list[str]:
        """Return all that the browser has to say since the last time, and the violations of the content policy."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [*(entry["message"] for entry in entries), *self.evaluate("window.forbidden.splice(0)")]

    def looks(self) -> list[tuple[int, int]]:
        """Return how many skeletons and numbers the cards have had, one after the other, since the page was opened."""
        return [(skeletons, numbers) for skeletons, numbers in self.evaluate("window.looks")]

    def connect(self, *, offline: bool = False, latency_ms: int = 0, kbit_s: float = -1) -> None:
        """Be on such a network, until the next call; without arguments on one as fast as the machine."""
        rate = kbit_s * 125 if kbit_s > 0 else -1
        conditions = {
            "offline": offline,
            "latency": latency_ms,
            "downloadThroughput": rate,
            "uploadThroughput": rate,
        }
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Take a size in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < height}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, theme: str) -> None:
        """Be on a system that is dark or light."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@contextmanager
def browser(*flags: str) -> Iterator[Page]:
    """Start a browser, with more flags than the usual ones; it is gone afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH_PAGE})
        driver.execute_cdp_cmd("Network.enable", {})
        yield Page(driver)
    finally:
        driver.quit()
