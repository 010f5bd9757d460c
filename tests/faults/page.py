"""A page that comes back whenever its gateway has died, and what it was shown all that time."""

import threading
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.end_to_end.live_page import LivePage
from tests.end_to_end.shown import last_points, points_told, shown, wire_name
from tests.support import wait
from tests.support.exactness import Observed
from tidemark.results import METRICS
from tidemark.settings import Settings

SITES = ("default", "site-2", "site-3")
CONNECTED_SECONDS = 30.0
ASK_SECONDS = 0.3


class Page:
    """A client in a thread: connects, subscribes, asks for the sites again and again, and so reads what comes."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"ws://{settings.gateway_host}:{settings.gateway_port}"
        self._snapshots: dict[str, Any] = {}
        self._finals: list[dict[tuple[str, str, int], Any]] = []
        #: How many connections have shown all sites so far.
        self.connections = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for_connection(self, number: int) -> None:
        """Return when it has all sites' snapshots over so many connections, one after the other."""
        wait.until(lambda: self.connections >= number, CONNECTED_SECONDS, "the page has not come back to the gateway")

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join(10)

    def violations(self, seen: Observed) -> list[str]:
        """Compare all finals it was ever shown, and the last points it has been told, with the topics."""
        wrong: list[object] = []
        try:
            wait.until(lambda: not self._differing(seen), 20.0)
        except AssertionError:
            wrong.append(self._differing(seen))
        self.close()
        finals = {(one.site_id, wire_name(one.metric), one.window_end): one for one in seen.finals.values()}
        told = [item for each in self._finals for item in each.items()]
        wrong += [(key, value) for key, value in told if key not in finals or shown(finals[key]) != value]
        if not told:
            wrong.append("no final was shown")
        return [f"the page was shown: {wrong[:3]}"] if wrong else []

    def _differing(self, seen: Observed) -> list[object]:
        """Return the sites and metrics whose last points are not those on the topics."""
        snapshots = dict(self._snapshots)
        return [
            (site, metric)
            for site in SITES
            for metric in METRICS
            if site not in snapshots
            or points_told(snapshots[site], metric) != last_points(seen, site, metric, snapshots[site]["timestamp"])
        ]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._keep_up()
            except (OSError, ConnectionClosed, TimeoutError):
                time.sleep(0.1)

    def _keep_up(self) -> None:
        with connect(self._url, proxy=None, compression=None, max_queue=None) as connection:
            page = LivePage(connection)
            self._finals.append(page.finals)
            self._ask(page)
            self.connections += 1
            while not self._stopping.wait(ASK_SECONDS):
                self._ask(page)

    def _ask(self, page: LivePage) -> None:
        for site in SITES:
            self._snapshots[site] = page.subscribe(site)
