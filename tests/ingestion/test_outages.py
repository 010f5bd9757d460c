"""Accepted means kept: whatever dies, and however long Kafka is away, every event that was accepted is in the log."""

import os
import signal
from pathlib import Path

from tests.conftest import OwnStack
from tests.ingestion.sending import Sending, door_settings, ids_in, running_door, while_sending
from tests.support import wait
from tidemark.settings import Settings


def spooled(settings: Settings) -> int:
    """How many bytes wait on the door's disk."""
    return sum(path.stat().st_size for path in settings.ingestion_folder.glob("spool/*.spool"))


def more_accepted(sending: Sending, count: int) -> None:
    enough = len(sending.accepted) + count
    wait.until(lambda: len(sending.accepted) >= enough, 30, lambda: str(sending.answers))


def test_killed_under_load_the_log_has_every_event_it_accepted(settings: Settings, tmp_path: Path) -> None:
    settings = door_settings(settings, tmp_path)

    def scene(sending: Sending) -> None:
        for _ in range(2):
            with running_door(settings, tmp_path / "log") as door:
                more_accepted(sending, 40)
                door.kill()
        with running_door(settings, tmp_path / "log"):
            more_accepted(sending, 10)
            sending.finish()

    sending = while_sending(settings, 100, scene)
    logged = ids_in(settings)
    assert set(logged) == sending.accepted
    assert sending.answers["ClientConnectorError"] > 0


def test_with_kafka_away_events_are_kept_on_disk_until_it_is_back(own_stack: OwnStack, tmp_path: Path) -> None:
    settings = door_settings(own_stack.settings, tmp_path, ingestion_patience_seconds=0.5)
    [broker] = own_stack.kafka

    def scene(sending: Sending) -> None:
        with running_door(settings, tmp_path / "log") as door:
            more_accepted(sending, 20)
            broker.kill()
            more_accepted(sending, 60)
            assert spooled(settings) > 0
            # What lies on disk survives the door's own death, and is sent by the next one.
            door.kill()
        with running_door(settings, tmp_path / "log") as door:
            more_accepted(sending, 40)
            broker.start()
            door.wait_until(lambda: door.logged("go to Kafka again"))
            more_accepted(sending, 20)
            sending.finish()
            door.wait_until(lambda: spooled(settings) == 0)

    sending = while_sending(settings, 60, scene)
    assert set(ids_in(settings)) == sending.accepted


def test_a_full_disk_is_no_accept_and_kafka_standing_still_is_an_outage_too(
    own_stack: OwnStack, tmp_path: Path
) -> None:
    settings = door_settings(own_stack.settings, tmp_path, ingestion_patience_seconds=0.5, ingestion_spool_bytes=30_000)
    [broker] = own_stack.kafka

    def scene(sending: Sending) -> None:
        with running_door(settings, tmp_path / "log") as door:
            more_accepted(sending, 20)
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            wait.until(lambda: sending.answers[503] > 50, 30)
            assert spooled(settings) <= 30_000
            os.kill(broker.pid, signal.SIGCONT)
            door.wait_until(lambda: door.logged("go to Kafka again"))
            sending.finish()

    sending = while_sending(settings, 100, scene)
    assert set(ids_in(settings)) == sending.accepted
