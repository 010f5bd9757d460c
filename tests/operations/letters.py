"""Events, dead letters put by hand, and ``tidemark dead-letters`` as its own process."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer

from tidemark.events import PAGE_VIEW, Event, PageViewData, encode_event
from tidemark.kafka import producer_config
from tidemark.results import DeadLetter, encode
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS, EVENTS, Topic


def now() -> int:
    return time.time_ns() // 1_000_000


def event(timestamp: int, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "event_id": str(uuid4()),
        "event_type": PAGE_VIEW,
        "session_id": "s-1",
        "user_id": "ann",
        "site_id": "shop",
        "page_view_data": PageViewData("/"),
    }
    return encode_event(Event(timestamp=timestamp, **fields | changes))


def letter(record: bytes, reason: str, offset: int, topic: str = EVENTS.name, partition: int = 3) -> DeadLetter:
    return DeadLetter(reason=reason, text="as it was", topic=topic, partition=partition, offset=offset, record=record)


def send(settings: Settings, topic: Topic, value: bytes, key: bytes | None = b"ann", partition: int = -1) -> int:
    """Put a record into a topic and return its offset."""
    offsets: list[int] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        offsets.append(message.offset() or 0)

    producer = Producer(producer_config(settings, linger_ms=0))
    producer.produce(settings.topic(topic.name), value=value, key=key, partition=partition, on_delivery=delivered)
    assert producer.flush(30) == 0
    return offsets[0]


def put(settings: Settings, *letters: DeadLetter) -> None:
    for one in letters:
        send(settings, DEAD_LETTERS, encode(one))


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``tidemark dead-letters …`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tidemark", "dead-letters", *words],
        env=settings.environment() | {"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listed(settings: Settings, *options: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return what ``list --json`` says: the letters and the totals."""
    done = command(settings, "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    return rows, last["totals"]


def lines(done: subprocess.CompletedProcess[str]) -> list[Sequence[str]]:
    """Return the words of each line that ``redrive`` printed."""
    return [line.split() for line in done.stdout.splitlines()]
