"""What the door counts is told to the end: by site, at a time of its own, again if it got nowhere."""

import asyncio

from ingestion.counting import Counts
from ingestion.records import Record
from ingestion.telling import Telling
from tests.ingestion.made import Client, page_view
from tests.ingestion.test_door import GOOGLE
from tidemark.counts import DoorCounts, decode_counts
from tidemark.topics import BOTS, DOOR_COUNTS, EVENTS

NS_PER_MS = 1_000_000


def counts() -> Counts:
    return Counts(lambda _: False)


def told(counted: Counts) -> dict[str, dict[str, int]]:
    return {one.site_id: one.events for one in counted.take(0)}


def test_what_is_new_is_handed_out_once_by_site() -> None:
    counted = counts()
    assert counted.take(5) == []
    counted.add([("a", EVENTS.name), ("a", EVENTS.name), ("a", BOTS.name), ("b", "NO_KEY"), (None, "WRONG_KEY")])
    assert told(counted) == {"a": {"accepted": 2, "bot": 1}, "b": {"no_key": 1}, "": {"wrong_key": 1}}
    assert counted.take(7) == []


def test_no_two_times_are_the_same_whatever_the_clock_says() -> None:
    counted, times = counts(), []
    for now in (1_000, 1_000, 999, 5_000):
        counted.add([("a", EVENTS.name)])
        times += [one.time_ns for one in counted.take(now)]
    assert [time // NS_PER_MS for time in times] == [1_000, 1_001, 1_002, 5_000]
    assert len({time % NS_PER_MS for time in times}) == 1


def test_what_cannot_be_kept_is_told_with_the_next() -> None:
    counted, there, kept = counts(), list[Record](), [False, True]

    async def deliver(records: list[Record]) -> list[bool]:
        there.extend(records)
        return kept[: len(records)]

    async def scene() -> None:
        telling = Telling(counted, deliver)
        await telling.tell()
        counted.add([("a", EVENTS.name), ("b", EVENTS.name)])
        await telling.tell()
        counted.add([("a", EVENTS.name)])
        kept[:] = [True]
        await telling.tell()
        await telling.tell()

    asyncio.run(scene())
    assert {topic for topic, _, _ in there} == {DOOR_COUNTS.name}
    decoded: list[DoorCounts] = [decode_counts(value) for _, _, value in there]
    assert [(one.site_id, one.events["accepted"]) for one in decoded] == [("a", 1), ("b", 1), ("a", 2)]
    assert [key for _, key, _ in there] == [b"a", b"b", b"a"]


def test_events_that_cannot_be_read_count_for_the_site_that_they_name(door: Client) -> None:
    door.post("/event", {"site_id": "a"})
    door.post("/event", {"siteId": "a", "eventType": "x"})
    door.post("/events", [{"site_id": 7}, {"site_id": "x" * 65}, {}, 7])
    door.post("/event", b'{"site_id":"\\ud800"}')
    door.post("/event", b'{"site_id":"a"')
    door.get("/event.gif?site_id=a")
    assert told(door.counts) == {"a": {"invalid_field": 3}, "": {"invalid_field": 4, "undecodable": 2}}


def test_what_became_of_a_batch(door: Client) -> None:
    door.post("/events", [page_view(), page_view(user_agent=GOOGLE), page_view(timestamp=2**60), page_view()])
    assert told(door.counts) == {"shop": {"accepted": 2, "bot": 1, "future_timestamp": 1}}
