"""The local stack's life: what runs, what stays after a stop or a crash, and what is left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.addresses import influxdb_address, kafka_addresses
from deploy.local.claim import Claim, running
from deploy.local.errors import StackError
from deploy.local.influxdb import influxdb_version
from deploy.local.kafka import controller_address
from deploy.local.processes import identify, write_identity
from deploy.local.provision import create_topics
from deploy.local.stack import LocalStack, stack_folder
from tests.conftest import CACHE, OwnStack, local_settings
from tests.deploy.conftest import Tidemark
from tidemark.kafka import client_config, producer_config
from tidemark.settings import Settings
from tidemark.topics import ALERTS, ALL


def _poll(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def _ports_free(settings: Settings) -> bool:
    [kafka] = kafka_addresses(settings.kafka_bootstrap_servers)
    addresses = [kafka, controller_address(kafka), influxdb_address(settings.influxdb_url)]
    return all(address.is_free() for address in addresses)


def _write(settings: Settings, values: list[bytes]) -> None:
    producer = Producer(producer_config(settings, linger_ms=0))
    for value in values:
        producer.produce(settings.topic(ALERTS.name), value, partition=0)
    assert producer.flush(30) == 0


def _read(settings: Settings, count: int) -> list[bytes | None]:
    consumer = Consumer({**client_config(settings), "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(settings.topic(ALERTS.name), 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, 30)]
    finally:
        consumer.close()


def test_kill_and_restart_keep_the_data(own_stack: OwnStack) -> None:
    [broker] = own_stack.kafka
    _write(own_stack.settings, [b"before the kill"])
    broker.kill()
    broker.start()
    _write(own_stack.settings, [b"after the kill"])
    broker.stop()
    broker.start()
    assert _read(own_stack.settings, 2) == [b"before the kill", b"after the kill"]
    own_stack.influxdb.kill()
    assert influxdb_version(own_stack.settings.influxdb_url) is None
    own_stack.influxdb.start()
    assert influxdb_version(own_stack.settings.influxdb_url) == "1.8.10"


def test_a_stop_leaves_no_process_and_no_port_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    stack = LocalStack(settings, cache=CACHE)
    stack.start()
    create_topics(stack.settings)
    _write(stack.settings, [b"kept"])
    processes = list(running(stack_folder(settings)).values())
    assert len(processes) == 2
    stack.stop()
    assert [process for process in processes if process.alive()] == []
    assert _ports_free(settings)
    again = LocalStack(settings, cache=CACHE)
    again.start()
    try:
        assert create_topics(again.settings) == []
        assert _read(again.settings, 1) == [b"kept"]
    finally:
        again.stop()


def test_three_brokers_hold_three_copies(tmp_path: Path) -> None:
    stack = LocalStack(local_settings(tmp_path), 3, cache=CACHE)
    stack.start()
    try:
        assert stack.settings.kafka_replication_factor == 3
        assert len(stack.settings.kafka_bootstrap_servers.split(",")) == 3
        create_topics(stack.settings)
        found = AdminClient(client_config(stack.settings)).list_topics(timeout=10)
        assert len(found.brokers) == 3
        copies = {len(each.replicas) for topic in ALL for each in found.topics[topic.name].partitions.values()}
        assert copies == {3}
        stack.kafka[0].kill()
        _write(stack.settings, [b"two of three are enough"])
        assert _read(stack.settings, 1) == [b"two of three are enough"]
    finally:
        stack.stop()
    assert [broker.name for broker in stack.kafka if broker.running()] == []


def test_servers_that_run_are_used_and_never_stopped(own_stack: OwnStack, tmp_path: Path) -> None:
    settings = own_stack.settings.model_copy(update={"data_dir": tmp_path / "another"})
    guest = LocalStack(settings, cache=CACHE)
    guest.start()
    assert guest.started == []
    assert guest.settings == settings
    guest.stop()
    assert create_topics(settings) == []
    assert influxdb_version(settings.influxdb_url) == "1.8.10"


def test_one_data_folder_has_one_stack(own_stack: OwnStack) -> None:
    own_stack.influxdb.kill()
    with pytest.raises(StackError, match=rf"another process \({os.getpid()}\) runs the stack"):
        LocalStack(own_stack.settings, cache=CACHE).start()


def _await_line(child: "subprocess.Popen[str]", start: str) -> None:
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if line.startswith(start):
            return
    pytest.fail("".join(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_the_servers_in_order(number: signal.Signals, tidemark: Tidemark) -> None:
    child = tidemark("stack", "up")
    _await_line(child, "ready:")
    processes = list(running(stack_folder(tidemark.settings)).values())
    child.send_signal(number)
    _await_line(child, "stopping influxdb")
    child.send_signal(number)  # asked again, it still stops in order
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    assert output.splitlines() == ["stopping kafka"]
    assert [process for process in processes if process.alive()] == []
    assert _ports_free(tidemark.settings)


def test_a_killed_parent_leaves_no_server(tidemark: Tidemark) -> None:
    child = tidemark("stack", "up")
    _await_line(child, "ready:")
    processes = list(running(stack_folder(tidemark.settings)).values())
    assert len(processes) == 2
    child.kill()
    assert _poll(lambda: not any(process.alive() for process in processes))
    assert _poll(lambda: _ports_free(tidemark.settings))


def test_a_detached_stack_is_up_until_down(tidemark: Tidemark) -> None:
    assert tidemark("stack", "status").wait(30) == 1
    assert tidemark("stack", "up", "--detach").wait(120) == 0
    assert tidemark("stack", "status").wait(30) == 0
    assert create_topics(tidemark.settings) == [], "they were created"
    down = tidemark("stack", "down")
    assert down.communicate(timeout=90)[0].splitlines() == ["stopped kafka, influxdb"]
    assert _ports_free(tidemark.settings)
    assert tidemark("stack", "status").wait(30) == 1


def test_a_recycled_process_id_is_never_ended(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        identity = identify(bystander.pid)
        assert identity is not None
        (tmp_path / "kafka.pid").write_text(f"{identity.pid} {identity.started - 1}")
        assert running(tmp_path) == {}
    finally:
        bystander.kill()
        bystander.wait()


def test_what_a_crash_has_left_over_is_ended_by_the_next_claim(tmp_path: Path) -> None:
    left_over = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        write_identity(tmp_path / "kafka.pid", left_over.pid)
        claim = Claim(tmp_path)
        assert claim.take()
        claim.release()
        assert left_over.wait(10) == -signal.SIGTERM
    finally:
        left_over.kill()
