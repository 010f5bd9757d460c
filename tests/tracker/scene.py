"""A visitor's browser on the tests' site, and what of it is in the events' log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.dashboard.browser import Page
from tests.support import wait
from tests.tracker.serving import Site
from tidemark.decoding import decode_event
from tidemark.events import Event
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS

Seen = list[tuple[str, str | None]]


class Log:
    """The events' topic, read on from where it was read before."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(client_config(settings) | {"group.id": "tracker", "enable.auto.commit": False})
        topic = settings.topic(EVENTS.name)
        self._consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(EVENTS.partitions)])
        self._events: list[Event] = []

    def of(self, site: str) -> list[Event]:
        """Return the events of a site that have come so far, by their time, in the order they came."""
        while records := self._consumer.consume(100, 0.05):
            self._events += [decode_event(record.value() or b"")[0] for record in records]
        return sorted((event for event in self._events if event.site == site), key=lambda event: event.timestamp)

    def close(self) -> None:
        self._consumer.close()


@dataclass
class Scene:
    """One test's visits to a site of its own name."""

    page: Page
    site: Site
    log: Log
    name: str

    def open(self, path: str) -> None:
        """Go to a page as by a typed address."""
        self.site.words["site"] = self.name
        self.page.open(self.site.url + path)

    def click(self, name: str) -> None:
        self.page.driver.find_element("id", name).click()

    def events(self) -> list[Event]:
        return self.log.of(self.name)

    def seen(self) -> Seen:
        """Return what is in the log, each event once: its type and its page's path."""
        unique = {event.event_id: event for event in self.events()}.values()
        return [(event.event_type, event.page_view_data.url if event.page_view_data else None) for event in unique]

    def wait_for(self, *expected: tuple[str, str]) -> None:
        """Return when exactly this is in the log."""
        wait.until(lambda: self.seen() == list(expected), 10.0, lambda: str(self.seen()))

    @contextmanager
    def prepared(self, script: str) -> Iterator[None]:
        """Run a script before those of each page."""
        driver = self.page.driver
        added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            yield
        finally:
            driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
