"""``tidemark ingest`` as it runs in production: its own processes, the real broker."""

import json
import os
import random
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from tests.conftest import provisioned
from tests.ingestion.made import BROWSER, page_view
from tests.ingestion.sending import DoorPart, door_settings, kill, running_door, url
from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.parts import gone_afterwards
from tidemark.cli import app
from tidemark.decoding import decode_event
from tidemark.settings import Settings
from tidemark.topics import BOTS, EVENTS

GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def ask(
    address: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 20,
) -> tuple[int, bytes]:
    content = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address, content, headers or {}), timeout=timeout_s, context=tls) as reply:
            return reply.status, reply.read()
    except HTTPError as refused:
        return refused.code, refused.read()


@pytest.fixture(scope="module")
def door(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DoorPart]:
    """A door with two workers and little patience for slow clients."""
    folder = tmp_path_factory.mktemp("door")
    settings = door_settings(provisioned(stack), folder, ingestion_workers=2, ingestion_slow_client_seconds=1.0)
    with running_door(settings, folder / "log") as running:
        running.wait_until(lambda: running.logged("Started worker-2"))
        yield running


def test_what_is_accepted_is_in_the_log_keyed_by_its_visitor(door: DoorPart) -> None:
    settings = door.settings
    assert ask(url(settings, "/health")) == (200, b'{"status":"ok","service":"ingestion-service"}')
    assert ask(url(settings, "/ready"))[0] == 200
    status, body = ask(url(settings, "/events"), [page_view(user_id="u"), page_view(), {}], {"User-Agent": BROWSER})
    assert (status, json.loads(body)["accepted"]) == (200, 2)
    assert ask(url(settings), page_view(user_agent=GOOGLE))[0] == 200
    events = [(record.key, decode_event(record.value or b"")[0]) for record in read_log(settings, EVENTS)]
    assert sorted(event.user_id or "" for _, event in events) == ["", "u"]
    assert all(key == event.visitor.encode() for key, event in events)
    assert len(read_log(settings, BOTS)) == 1
    # The workers' counts are one.
    told = ask(url(settings, "/metrics"))[1].decode()
    assert 'analytics_ingestion_events_total{outcome="accepted",site="shop"} 2.0' in told
    assert "127.0.0.1" not in door.log.replace(f"127.0.0.1:{settings.ingestion_port}", "")


def test_its_workers_hold_a_rate_together(settings: Settings, tmp_path: Path) -> None:
    settings = door_settings(settings, tmp_path, ingestion_workers=2, ingestion_rate_per_address=0.01)

    def answer() -> int:
        """Return what the worker says that is not stopped; a connection may come to the other."""
        while True:
            with suppress(TimeoutError):
                return ask(url(settings), page_view(), timeout_s=1.0)[0]

    with running_door(settings, tmp_path / "log") as door:
        door.wait_until(lambda: door.logged("Started worker-2"))
        one, other = door.workers()
        os.kill(other, signal.SIGSTOP)
        wait.until(lambda: answer() == 429, 20)
        os.kill(other, signal.SIGCONT)
        os.kill(one, signal.SIGSTOP)
        assert answer() == 429


def test_keys_are_made_and_end_while_it_runs(door: DoorPart) -> None:
    def keys(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["keys", *arguments], env=door.environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    def status(key: str | None) -> int:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return ask(url(door.settings), page_view(site_id="closed"), headers)[0]

    def becomes(expected: int, key: str | None) -> None:
        """Each worker looks for itself."""
        wait.until(lambda: all(status(key) == expected for _ in range(8)), 15)

    assert status(None) == 200
    first = keys("create", "--site", "closed").strip()
    becomes(401, None)
    becomes(200, first)
    second = keys("rotate", "--site", "closed", "--hours", "0").strip()
    becomes(401, first)
    becomes(200, second)
    listed = keys("list")
    [key_id] = [line.split()[1] for line in listed.splitlines() if "valid" in line]
    keys("revoke", key_id)
    becomes(401, second)
    kept = (door.settings.ingestion_folder / "keys.json").read_text() + listed + door.log
    assert first not in kept
    assert second not in kept


def test_a_second_door_on_its_port_is_refused(door: DoorPart, tmp_path: Path) -> None:
    with gone_afterwards(DoorPart(door.settings, tmp_path / "log")) as second:
        assert second.process.wait(60) == 1
    assert "Address already in use" in second.log
    assert ask(url(door.settings, "/health"))[0] == 200


def test_it_speaks_tls_with_a_certificate_and_its_workers_end_with_it(settings: Settings, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=tidemark"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    settings = door_settings(settings, tmp_path, ingestion_tls_certificate=certificate, ingestion_tls_key=key)
    with running_door(settings, tmp_path / "log") as door:
        trust = ssl.create_default_context(cafile=certificate)
        address = url(settings).replace("http:", "https:")
        assert ask(address, page_view(), tls=trust)[0] == 200
        # No worker outlives the process that has started it.
        workers = door.workers()
        door.process.kill()
        wait.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 20)


def closed_after(settings: Settings, *sent: bytes, pause_s: float = 0.0) -> float:
    """Send these bytes, slowly; return after how long the door has closed the connection."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", settings.ingestion_port), timeout=30) as client:
        try:
            for part in sent:
                client.sendall(part)
                time.sleep(pause_s)
            while client.recv(65_536):
                pass
        except ConnectionError:
            pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("sent", "pause_s"),
    [
        ([], 0),
        ([b"POST /event HTT"], 0),
        ([b"POST /event HTTP/1.1\r\nHost: x\r\n", *[b"A: b\r\n"] * 100], 0.05),
        ([b"POST /event HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"], 0),
        ([b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 100], 0.05),
        ([b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"], 0),
        ([b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000], 0),
        ([b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1_000 + b"\r\n"], 0),
    ],
    ids=["silent", "half a line", "slow head", "no body", "slow body", "idle", "long header", "many headers"],
)
def test_slow_and_oversized_clients_are_cut_off(door: DoorPart, sent: list[bytes], pause_s: float) -> None:
    assert closed_after(door.settings, *sent, pause_s=pause_s) < 6
    assert ask(url(door.settings, "/health"))[0] == 200


def test_bytes_that_are_no_http_do_it_no_harm(door: DoorPart) -> None:
    chance, workers = random.Random(1), door.workers()
    good = b"POST /event HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\nxxxxxxxxx"
    for _ in range(200):
        sent = bytearray(good)
        for _ in range(chance.randint(1, 20)):
            sent[chance.randrange(len(sent))] = chance.randrange(256)
        with socket.create_connection(("127.0.0.1", door.settings.ingestion_port), timeout=10) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                assert b"HTTP/1.1 5" not in client.recv(65_536)[:10]
    assert door.workers() == workers
    assert ask(url(door.settings, "/health"))[0] == 200


def test_files_that_cannot_be_used_are_named(settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "keys.json"
    broken.write_text("{")
    for changes in ({"ingestion_dir": tmp_path}, {"ingestion_country_database": broken}):
        wrong = door_settings(settings, tmp_path, **changes)
        with gone_afterwards(DoorPart(wrong, tmp_path / "log")) as door:
            assert door.process.wait(60) == 1
            assert f"tidemark ingest: {broken}" in door.log or f"({broken})" in door.log
            assert "Traceback" not in door.log


def test_a_worker_that_dies_is_replaced(door: DoorPart) -> None:
    before = set(door.workers())
    os.kill(min(before), signal.SIGKILL)
    door.wait_until(lambda: len(door.workers()) == 2 and set(door.workers()) != before)
    door.wait_until(lambda: door.log.count(' runtime-1"') == 3)
    for _ in range(10):
        assert ask(url(door.settings), page_view())[0] == 200


def test_told_to_end_it_ends_and_leaves_no_worker(door: DoorPart) -> None:
    workers = door.workers()
    assert len(workers) == 2
    assert door.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_worker_that_still_starts_is_gone_with_its_parent(stack: Settings, tmp_path: Path) -> None:
    part = DoorPart(door_settings(stack, tmp_path), tmp_path / "door.log")
    with gone_afterwards(part):
        part.wait_until(part.workers)
        workers = part.workers()
        part.process.kill()
        try:
            wait.until(lambda: not any(_lives(pid) for pid in workers), 10)
        finally:
            for pid in workers:
                kill(pid)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
