"""Accepted means kept: whatever dies, and however long Kafka is away, every event that was accepted is in the log."""

import os
import signal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from ingestion.spool import spooled_bytes
from tests.conftest import OwnStack
from tests.ingestion.sending import Sending, door_settings, ids_in, running_door, url, while_sending
from tests.support import wait
from tidemark.settings import Settings


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
