"""Which traces go on with which result: the newest of a site, the others as its links, with the first that has them."""

from typing import Any, cast

import pytest

from monitoring.spans import Traces
from streams.tracing import MOST_SITES, MOST_WAITING, Carrier
from tests.support.stages import Consumed
from tests.support.timeline import event_id
from tidemark.events import LATE
from tidemark.results import DeadLetter


class Told:
    """Stands for the part's traces: a record's header is its trace; ``processed`` has its name, place and error."""

    def __init__(self) -> None:
        self.processed: list[tuple[str, int, int, str, str, str | None]] = []

    def carried(self, headers: Any) -> str | None:
        return dict(headers).get("traceparent")

    def process(
        self, topic: str, partition: int, offset: int, site: str, parent: str, _: int, error: str | None = None
    ) -> str:
        self.processed.append((topic, partition, offset, site, parent, error))
        return parent

    def send(self, topic: str, site: str, parent: str, others: list[str]) -> tuple[str, str, str, list[str]]:
        return topic, site, parent, others


def event(offset: int, time_ms: int, site: str = "shop", trace: str | None = None) -> Consumed:
    value = (
        f'{{"eventId":"{event_id(offset)}","timestamp":{time_ms},"eventType":"X","sessionId":"s","siteId":"{site}"}}'
    )
    headers = [] if trace is None else [("traceparent", trace)]
    return Consumed(offset, time_ms, b"key", value.encode(), cast(Any, headers))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def carrier(told: Told) -> Carrier:
    return Carrier(cast(Traces, told), "events", "partials")


def judged(carrier: Carrier, *events: Consumed, dead: tuple[DeadLetter, ...] = ()) -> None:
    carrier.judged(0, events, dead, 0)


def first_result(carrier: Carrier, partition: int, site: str, end: int) -> Any:
    return carrier.first_result(partition, site, end)


def test_the_newest_goes_on_once_and_the_others_are_its_links(carrier: Carrier, told: Told) -> None:
    judged(
        carrier, event(1, 1_000, trace="a"), event(2, 2_000), event(3, 3_000, "blog", "b"), event(4, 1_500, trace="c")
    )
    assert told.processed == [
        ("events", 0, 1, "shop", "a", None), ("events", 0, 3, "blog", "b", None), ("events", 0, 4, "shop", "c", None),
    ]  # fmt: skip
    assert first_result(carrier, 0, "shop", 5_000) == ("partials", "shop", "c", ["a"])
    assert first_result(carrier, 0, "shop", 5_000) is None
    assert first_result(carrier, 1, "blog", 5_000) is None
    assert first_result(carrier, 0, "blog", 5_000) == ("partials", "blog", "b", [])


def test_a_result_of_an_earlier_window_is_not_the_first_that_has_it(carrier: Carrier) -> None:
    judged(carrier, event(1, 4_999, trace="a"), event(2, 5_000, trace="b"))
    assert first_result(carrier, 0, "shop", 5_000) == ("partials", "shop", "a", [])
    assert first_result(carrier, 0, "shop", 60_000) == ("partials", "shop", "b", [])


def test_what_no_result_has_is_let_go_with_its_windows(carrier: Carrier) -> None:
    judged(carrier, event(1, 4_999, trace="a"))
    assert first_result(carrier, 0, "shop", 65_000) is None
    assert first_result(carrier, 0, "shop", 60_000) is None


def test_a_dead_event_ends_its_trace_with_the_reason(carrier: Carrier, told: Told) -> None:
    letter = DeadLetter(reason=LATE, text="", topic="events", partition=0, offset=1, record=b"")
    judged(carrier, event(1, 1_000, trace="a"), dead=(letter,))
    assert told.processed == [("events", 0, 1, "shop", "a", "late")]
    assert first_result(carrier, 0, "shop", 5_000) is None


def test_what_waits_is_bounded_and_goes_with_its_partition(carrier: Carrier) -> None:
    judged(carrier, *(event(n, 1_000, trace=str(n)) for n in range(100)))
    sent = first_result(carrier, 0, "shop", 5_000)
    assert sent[2] == "99"
    assert len(sent[3]) == MOST_WAITING - 1
    judged(carrier, event(100, 1_000, trace="a"))
    carrier.forget(0)
    assert first_result(carrier, 0, "shop", 5_000) is None


def test_quiet_sites_do_not_wait_for_ever(carrier: Carrier) -> None:
    judged(carrier, *(event(n, 1_000, f"site-{n}", str(n)) for n in range(MOST_SITES + 1)))
    assert first_result(carrier, 0, "site-0", 5_000) is None
    assert first_result(carrier, 0, "site-1", 5_000) is not None
