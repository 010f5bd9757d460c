"""``tidemark up``: the whole platform with its real parts and servers, for a short while."""

import fcntl
import json
import os
import pty
import re
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local.addresses import Address, influxdb_address, kafka_addresses
from deploy.local.claim import running
from deploy.local.parts import state_path, up_folder
from deploy.local.processes import Identity
from deploy.local.stack import stack_folder
from tests.deploy.conftest import Tidemark
from tests.deploy.measured import measured_while_it_runs
from tidemark.settings import Settings

PARTS = ["kafka", "influxdb", "streams", "sink", "gateway", "ingestion", "alerts", "simulator", "watch"]


def _processes(settings: Settings) -> list[Identity]:
    return [*running(stack_folder(settings)).values(), *running(up_folder(settings)).values()]


def _ports(settings: Settings) -> list[Address]:
    assert settings.metrics_port is not None
    assert settings.kafka_metrics_port is not None
    ports = [settings.gateway_port, settings.ingestion_port, settings.kafka_metrics_port]
    ports += range(settings.metrics_port, settings.metrics_port + 6)
    servers = [*kafka_addresses(settings.kafka_bootstrap_servers), influxdb_address(settings.influxdb_url)]
    return servers + [Address("127.0.0.1", port) for port in ports]


def _states(settings: Settings) -> dict[str, dict[str, Any]]:
    try:
        return {state["name"]: state for state in json.loads(state_path(settings).read_bytes())}
    except FileNotFoundError:
        return {}


def _await(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _all_up(settings: Settings) -> bool:
    states = _states(settings)
    return list(states) == PARTS and {state["state"] for state in states.values()} == {"up"}


def test_a_timed_run_ends_by_itself_with_what_came_of_it(tidemark: Tidemark) -> None:
    up = tidemark("up", "--duration", "12", "--rate", "100")
    measured_while_it_runs(tidemark.settings)
    output, _ = up.communicate(timeout=150)
    assert tidemark.children[0].returncode == 0, output
    assert f"dashboard: http://127.0.0.1:{tidemark.settings.gateway_port}/\n" in output
    assert f"events: POST http://127.0.0.1:{tidemark.settings.ingestion_port}/event\n" in output
    assert f"shop: http://127.0.0.1:{tidemark.settings.ingestion_port}/, on the dashboard: " in output
    figures = {line[:17].strip(): line[17:] for line in output.splitlines()}
    sent = re.fullmatch(r"([\d,]+) \([\d,]+/s\)", figures["events sent"])
    results = re.fullmatch(r"([\d,]+) final, ([\d,]+) early", figures["results"])
    assert sent is not None
    assert int(sent[1].replace(",", "")) > 500
    assert results is not None
    assert min(int(number.replace(",", "")) for number in results.groups()) > 0
    assert figures["restarts"] == ", ".join(f"{name} 0" for name in PARTS)
    assert [address for address in _ports(tidemark.settings) if not address.is_free()] == []


def test_what_dies_is_restarted_and_ctrl_c_in_the_terminal_stops_all(tidemark: Tidemark) -> None:
    settings = tidemark.settings
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    screen = _reader(terminal)
    up = tidemark("up", terminal=inside)
    os.close(inside)
    _await(lambda: _all_up(settings))
    for name in ("gateway", "kafka"):
        os.kill(_states(settings)[name]["pid"], 9)
        _await(lambda name=name: _states(settings)[name]["restarts"] == 1 and _all_up(settings))  # type: ignore[misc]
    _await(lambda: b"gateway" in b"".join(screen))
    processes = _processes(settings)
    assert len(processes) == len(PARTS)
    os.write(terminal, b"\x03")
    assert up.wait(60) == 0
    assert [process for process in processes if process.alive()] == []
    assert [address for address in _ports(settings) if not address.is_free()] == []


def _reader(terminal: int) -> list[bytes]:
    """Collect what is written to the terminal until it is closed."""
    chunks: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunks.append(os.read(terminal, 65_536))
            except OSError:
                return

    threading.Thread(target=read, daemon=True).start()
    return chunks


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_taken_port_of_a_part_is_named_before_anything_starts(index: int, tidemark: Tidemark) -> None:
    settings = tidemark.settings
    assert settings.metrics_port is not None
    port, setting = [
        (settings.gateway_port, "TIDEMARK_GATEWAY_PORT"),
        (settings.ingestion_port, "TIDEMARK_INGESTION_PORT"),
        (settings.metrics_port + 2, "TIDEMARK_METRICS_PORT"),
    ][index]
    with socket.create_server(("127.0.0.1", port)):
        up = tidemark("up")
        output, _ = up.communicate(timeout=60)
    assert up.returncode == 1
    assert f"127.0.0.1:{port} is taken" in output
    assert setting in output
    assert not (settings.data_dir / "data").exists()


def test_a_second_one_in_the_same_folder_is_refused(tidemark: Tidemark) -> None:
    first = tidemark("up", "--no-simulator")
    _await((up_folder(tidemark.settings) / "owner").exists)
    second = tidemark("up")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"already runs in {tidemark.settings.data_dir} (process {first.pid})" in output
