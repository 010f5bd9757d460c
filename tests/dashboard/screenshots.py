"""Makes the pictures in docs/screenshots of a dashboard that runs: python -m tests.dashboard.screenshots [URL]."""

import sys
from pathlib import Path

from tests.dashboard.browser import Page, browser
from tests.support import wait

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
SIZES = {"desk": (1440, 900, 1.0), "phone": (390, 844, 2.0)}
#: As many windows and visits as the page shows, and no number is missing.
FULL = (
    "document.querySelectorAll('.windows span').length == 20 && document.querySelectorAll('.visits > li').length == 20"
)
WHOLE = "!document.querySelector('.facts').innerText.includes('–')"


def take(page: Page, url: str, theme: str, size: str) -> None:
    """Wait until the page is full, then save a picture of it."""
    page.prefer(theme)
    page.resize(*SIZES[size])
    page.open(url)
    wait.until(lambda: page.tone() == "live" and page.evaluate(f"{FULL} && {WHOLE}"), 120.0, lambda: page.text("body"))
    page.driver.save_screenshot(FOLDER / f"{size}-{theme}.png")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with browser() as opened:
        for name in SIZES:
            for colours in ("dark", "light"):
                take(opened, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8082/", colours, name)
