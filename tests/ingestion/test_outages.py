"""Accepted means kept: whatever dies, and however long Kafka is away, every event that was accepted is in the log."""

import json
import os
import signal
import time
import uuid
from collections import Counter
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ingestion.spool import spooled_bytes
from tests.conftest import OwnStack
from tests.ingestion.made import BROWSER, page_view
from tests.ingestion.sending import Sending, door_settings, ids_in, running_door, url, while_sending
from tests.ingestion.test_ingest import GOOGLE, ask
from tests.support import wait
from tests.support.kafka_log import read_log
from tidemark.counts import decode_counts
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import BOTS, DOOR_COUNTS, EVENTS, Topic

#: So long (s) Kafka stays away from a door: longer than its client would keep a record.
OUTAGE_S = 31


def spooled(settings: Settings) -> int:
    """How many bytes wait on the door's disk."""
    return spooled_bytes(settings.ingestion_folder / "spool")


def status(settings: Settings, path: str) -> int:
    try:
        with urlopen(url(settings, path), timeout=20) as reply:
            return int(reply.status)
    except HTTPError as refused:
        return refused.code


def test_killed_under_load_the_log_has_every_event_it_accepted(settings: Settings, tmp_path: Path) -> None:
    settings = door_settings(settings, tmp_path)

    def scene(sending: Sending) -> None:
        for _ in range(2):
            with running_door(settings, tmp_path / "log") as door:
                sending.wait_for_more(40)
                door.kill()
        with running_door(settings, tmp_path / "log"):
            sending.wait_for_more(10)
            sending.finish()

    sending = while_sending(settings, 100, scene)
    logged = ids_in(settings)
    assert set(logged) == sending.accepted
    assert sending.answers["ClientConnectorError"] > 0


def test_with_kafka_away_or_standing_still_events_are_on_disk_or_refused(own_stack: OwnStack, tmp_path: Path) -> None:
    settings = door_settings(own_stack.settings, tmp_path, ingestion_patience_seconds=0.5)
    small = settings.model_copy(update={"ingestion_spool_bytes": 20_000})
    [broker] = own_stack.kafka

    def scene(sending: Sending) -> None:
        with running_door(settings, tmp_path / "log") as door:
            sending.wait_for_more(20)
            broker.kill()
            sending.wait_for_more(60)
            assert spooled(settings) > 0
            assert [status(settings, path) for path in ("/health", "/ready")] == [200, 503]
            # What lies on disk survives the door's own death, and is sent by the next one.
            door.kill()
        with running_door(settings, tmp_path / "log") as door:
            until = time.monotonic() + OUTAGE_S
            wait.until(lambda: time.monotonic() > until, OUTAGE_S + 1)
            sending.wait_for_more(20)
            broker.start()
            door.wait_until(lambda: spooled(settings) == 0)
            door.wait_until(lambda: status(settings, "/ready") == 200)
            assert door.stop() == 0
        with running_door(small, tmp_path / "log") as door:
            sending.wait_for_more(20)
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            wait.until(lambda: sending.answers[503] > 20, 30)
            assert 0 < spooled(settings) <= 20_000
            os.kill(broker.pid, signal.SIGCONT)
            door.wait_until(lambda: spooled(settings) == 0)
            sending.finish()

    sending = while_sending(settings, 80, scene)
    assert set(ids_in(settings)) == sending.accepted


def told(settings: Settings) -> Counter[str]:
    """Return what the door's counts in the log add up to, by outcome."""
    counts = {(one.site_id, one.time_ns): one.events for one in map(decode_counts, values(settings, DOOR_COUNTS))}
    return sum((Counter(events) for events in counts.values()), Counter())


def values(settings: Settings, topic: Topic) -> list[bytes]:
    return [record.value or b"" for record in read_log(settings, topic)]


def test_a_topic_that_is_missing_is_named_and_used_when_it_is_made(stack: Settings, tmp_path: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    settings = door_settings(stack, tmp_path, topic_prefix=prefix, ingestion_patience_seconds=0.5)
    make_topics(settings, EVENTS)

    def send(agent: str, count: int) -> None:
        for _ in range(count):
            assert ask(url(settings), page_view(), {"User-Agent": agent})[0] == 200

    with running_door(settings, tmp_path / "log") as door:
        missing = [f"topic {prefix}{topic.name}: Broker: Unknown topic" for topic in (BOTS, DOOR_COUNTS)]
        door.wait_until(lambda: all(door.logged(text) for text in missing))
        code, body = ask(url(settings, "/ready"))
        assert (code, missing[0] in body.decode()) == (503, True)
        # The counts go to a disk of their own, the events to Kafka.
        send(BROWSER, 3)
        door.wait_until(lambda: spooled_bytes(settings.ingestion_folder / "counts") > 0)
        send(BROWSER, 3)
        assert (len(values(settings, EVENTS)), spooled(settings)) == (6, 0)
        make_topics(settings, BOTS)
        door.wait_until(lambda: status(settings, "/ready") == 200)
        assert missing[1] in json.loads(ask(url(settings, "/ready"))[1])["counts_trouble"]
        send(GOOGLE, 2)
        assert (len(values(settings, BOTS)), spooled(settings)) == (2, 0)
        make_topics(settings, DOOR_COUNTS)
        wait.until(lambda: told(settings) == {"accepted": 6, "bot": 2}, 20.0, lambda: str(told(settings)))
        assert json.loads(ask(url(settings, "/ready"))[1])["counts_trouble"] is None
        assert door.stop() == 0


def test_events_wait_on_disk_for_the_topic_of_bots_once_there_is_one(stack: Settings, tmp_path: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    settings = door_settings(stack, tmp_path, topic_prefix=prefix, ingestion_patience_seconds=0.5)
    make_topics(settings, EVENTS, DOOR_COUNTS)
    with running_door(settings, tmp_path / "log") as door:
        for agent in (GOOGLE, BROWSER):
            assert ask(url(settings), page_view(), {"User-Agent": agent})[0] == 200
        assert spooled(settings) > 0
        make_topics(settings, BOTS)
        door.wait_until(lambda: spooled(settings) == 0)
        assert [len(values(settings, topic)) for topic in (EVENTS, BOTS)] == [1, 1]
        assert ask(url(settings), page_view(), {"User-Agent": GOOGLE})[0] == 200
        assert (len(values(settings, BOTS)), spooled(settings)) == (2, 0)


def make_topics(settings: Settings, *topics: Topic) -> None:
    """Make these topics only."""
    made = [
        NewTopic(settings.topic(topic.name), topic.partitions, 1, config=topic.broker_config(1)) for topic in topics
    ]
    admin = AdminClient(client_config(settings))
    for done in admin.create_topics(made).values():
        done.result(20)
