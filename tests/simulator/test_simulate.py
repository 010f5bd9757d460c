"""Runs of the command against a real broker: what the manifest says is what the log holds."""

import json
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from simulator.faults import BAD_KINDS
from simulator.manifest import Tally
from simulator.pacing import Punctuality
from simulator.plan import BadRecord
from simulator.producer import Connection, Sender, sender_config
from tests.conftest import OwnStack
from tests.simulator.log import figures_in, figures_of
from tests.simulator.plans import ALL_FAULTS, START_MS, good, load, plan
from tests.support.kafka_log import read_log
from tests.support.parts import Part, gone_afterwards
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import EVENTS

FAULTS = ("--late", "2%", "--duplicates", "1%", "--bad", "0.5%")


class Simulator(Part):
    """A running simulator with a manifest."""

    def __init__(self, settings: Settings, folder: Path, *options: str) -> None:
        self._manifest = folder / "manifest.json"
        super().__init__(settings, folder / "simulator.log", "simulate", *options, "--manifest", str(self._manifest))

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest says so far."""
        content: dict[str, Any] = json.loads(self._manifest.read_text())
        return content

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the manifest fulfils the condition."""
        self.wait_until(lambda: self._manifest.exists() and condition(self.manifest))


def simulator(settings: Settings, folder: Path, *options: str) -> AbstractContextManager[Simulator]:
    return gone_afterwards(Simulator(settings, folder, *options))


def test_log_holds_the_planned_bytes_and_the_manifest_all_its_figures(settings: Settings, tmp_path: Path) -> None:
    options = ("--max-speed", "--count", "8000", "--sites", "3", "--start-time", str(START_MS), *FAULTS)
    with simulator(settings, tmp_path, *options) as run:
        assert run.process.wait(60) == 0, run.log
    log = read_log(settings, EVENTS)
    planned = [record for _, record in plan(load(sites=3), ALL_FAULTS, count=8_000)]
    in_order: dict[bytes, list[bytes]] = defaultdict(list)
    for planned_record in planned:
        in_order[planned_record.key].append(planned_record.value)
    as_read: dict[bytes, list[bytes]] = defaultdict(list)
    for record in log:
        as_read[record.key or b""].append(record.value or b"")
    assert as_read == in_order
    assert not any(record.headers for record in log)
    manifest = run.manifest
    assert figures_in(manifest) == figures_of(log)
    assert manifest["recordsSent"] == len(log)
    assert manifest["recordsFailed"] == 0
    assert manifest["late"] == len({id(record) for _, record in good((0, one) for one in planned) if record.late})
    assert manifest["bad"]["byKind"] == Counter(record.kind for record in planned if isinstance(record, BadRecord))
    assert set(manifest["bad"]["byReason"]) == set(BAD_KINDS.values())
    assert manifest["start"] == START_MS
    assert manifest["endedAt"] >= manifest["startedAt"]
    assert manifest["options"]["seed"] == 1
    assert manifest["options"]["late"] == 0.02
    assert f"{len(log):,}" in run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_live_run_in_order(settings: Settings, tmp_path: Path, number: signal.Signals) -> None:
    before_ms = time.time_ns() // 1_000_000
    with simulator(settings, tmp_path, "--rate", "300", *FAULTS) as run:
        run.wait_for(lambda manifest: manifest["recordsAcknowledged"] > 600)
        assert run.manifest["endedAt"] is None
        run.process.send_signal(number)
        assert run.process.wait(20) == 0, run.log
    log = read_log(settings, EVENTS)
    manifest = run.manifest
    assert figures_in(manifest) == figures_of(log)
    assert manifest["recordsSent"] == len(log)
    assert manifest["duplicates"] > 0
    assert manifest["late"] > 0
    assert before_ms <= manifest["firstEventTime"] <= manifest["lastEventTime"] <= manifest["endedAt"]


def test_live_events_are_sent_at_their_time_and_no_faster_than_the_rate(settings: Settings, tmp_path: Path) -> None:
    with simulator(settings, tmp_path, "--rate", "100", "--duration", "4", "--disorder-ms", "0") as run:
        assert run.process.wait(60) == 0, run.log
    manifest = run.manifest
    assert manifest["recordsSent"] == pytest.approx(400, rel=0.15)
    assert manifest["endedAt"] - manifest["start"] == pytest.approx(4_000, abs=1_000)
    # Nothing can be appended before its time; a busy machine may append later.
    for record in read_log(settings, EVENTS):
        at_ms = int((record.value or b"").split(b'"timestamp":')[1][:13])
        assert record.append_time >= at_ms - 5


def test_broker_killed_during_a_run_loses_and_doubles_nothing(own_stack: OwnStack, tmp_path: Path) -> None:
    broker = own_stack.kafka[0]
    with simulator(own_stack.settings, tmp_path, "--rate", "300", "--duration", "600", *FAULTS) as run:
        run.wait_for(lambda manifest: manifest["recordsAcknowledged"] > 300)
        broker.kill()
        run.wait_for(lambda manifest: manifest["recordsSent"] > manifest["recordsAcknowledged"] + 300)
        assert "the broker is away" in run.log
        held_up = run.manifest["recordsSent"]
        broker.start()
        run.wait_for(lambda manifest: manifest["recordsAcknowledged"] > held_up + 300)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 0, run.log
    log = read_log(own_stack.settings, EVENTS)
    assert figures_in(run.manifest) == figures_of(log)
    assert run.manifest["recordsSent"] == len(log)
    assert "the broker is back" in run.log


def test_second_signal_gives_up_what_the_dead_broker_has_not_acknowledged(own_stack: OwnStack, tmp_path: Path) -> None:
    with simulator(own_stack.settings, tmp_path, "--rate", "300", *FAULTS) as run:
        run.wait_for(lambda manifest: manifest["recordsAcknowledged"] > 300)
        own_stack.kafka[0].kill()
        run.wait_for(lambda manifest: manifest["recordsSent"] > manifest["recordsAcknowledged"] + 300)
        run.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(2)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 1
    manifest = run.manifest
    assert manifest["recordsFailed"] > 300
    assert manifest["recordsSent"] == manifest["recordsAcknowledged"] + manifest["recordsFailed"]
    good = manifest["distinctEventIds"] + manifest["duplicates"]
    assert manifest["recordsAcknowledged"] == good + sum(manifest["bad"]["byKind"].values())
    assert "Purged" in run.output


def test_run_that_starts_without_a_broker_waits_for_it(own_stack: OwnStack, tmp_path: Path) -> None:
    broker = own_stack.kafka[0]
    broker.stop()
    with simulator(own_stack.settings, tmp_path, "--rate", "100", "--duration", "2") as run:
        run.wait_until(lambda: "the broker is away" in run.log, 30)
        broker.start()
        assert run.process.wait(60) == 0, run.log
    assert run.manifest["recordsAcknowledged"] == len(read_log(own_stack.settings, EVENTS)) > 150
    assert run.manifest["behindSchedule"] == 0


def test_records_the_broker_refuses_are_counted_and_the_exit_code_is_1(settings: Settings, tmp_path: Path) -> None:
    limit_record_size(settings, 800)
    with simulator(settings, tmp_path, "--rate", "50", "--duration", "4", *FAULTS) as run:
        assert run.process.wait(60) == 1
    log = read_log(settings, EVENTS)
    manifest = run.manifest
    assert figures_in(manifest) == figures_of(log)
    assert manifest["recordsFailed"] > 0
    assert manifest["recordsSent"] == manifest["recordsAcknowledged"] + manifest["recordsFailed"]
    assert "Message size too large" in run.output


def test_missing_topic_is_named_and_the_exit_code_is_1(stack: Settings, tmp_path: Path) -> None:
    with simulator(stack.model_copy(update={"topic_prefix": "nowhere."}), tmp_path) as run:
        assert run.process.wait(30) == 1
    assert "topic nowhere.website-analytics-events: expected it to exist" in run.log
    assert run.manifest["recordsSent"] == 0


def test_full_queue_holds_records_back_and_counts_them_behind_schedule(settings: Settings) -> None:
    tally, punctuality = Tally(), Punctuality()
    # A queue of four that is emptied every 0.2 s.
    producer = Producer(
        sender_config(settings, Connection().on_error) | {"queue.buffering.max.messages": 4, "linger.ms": 200}
    )
    sender = Sender(
        producer, settings.topic(EVENTS.name), tally, punctuality, Connection(), time.monotonic, lambda: None
    )
    assert sender.find_topic(lambda: False)
    scheduled = time.monotonic()
    sender.send([record for _, record in plan(load(), count=20)], scheduled)
    sender.flush(lambda: False)
    assert tally.sent == tally.acknowledged == len(read_log(settings, EVENTS))
    assert punctuality.behind >= 12
    assert punctuality.worst_behind_ms > 400
    assert punctuality.latency_ms(100) >= punctuality.worst_behind_ms


def limit_record_size(settings: Settings, size: int) -> None:
    """Let the broker refuse batches of the events topic that are larger than ``size`` bytes."""
    limit = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, settings.topic(EVENTS.name), incremental_configs=[limit])
    admin = AdminClient(client_config(settings))
    for changed in admin.incremental_alter_configs([resource]).values():
        changed.result(10)
