"""Clients that read slowly or not at all: they get the newest state or are cut off, and cost the others nothing."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from websockets.exceptions import ConnectionClosed

from tests.websocket_gateway.made import Results, update
from tests.websocket_gateway.talking import (
    DEADLINE_S,
    Message,
    Talker,
    eventually,
    gateway_of,
    now_window,
    talker,
    unfed_gateway,
)
from tidemark.results import GEOGRAPHIC_DISTRIBUTION
from tidemark.settings import Settings
from websocket_gateway import server, session
from websocket_gateway.server import Gateway
from websocket_gateway.session import WRITE_LIMIT_BYTES, Session

#: One list of so many countries is a message of 25 kB: a client that does not read is full after a few.
COUNTRIES = [(f"country-{number}", number) for number in range(800)]
LARGEST_MESSAGE = 60_000
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: any\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def conflated() -> float:
    return REGISTRY.get_sample_value("websocket_server_conflated_updates_total") or 0.0


def cut_off() -> float:
    labels = {"stage": "gateway", "reason": "stalled_client"}
    return REGISTRY.get_sample_value("analytics_pipeline_errors_total", labels) or 0.0


@asynccontextmanager
async def deaf(settings: Settings) -> AsyncIterator[Talker]:
    """A client with small buffers that has subscribed and does not read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", settings.gateway_port))
    async with talker(settings, sock=small, max_queue=1, ping_interval=None) as client:
        await client.connection.send('{"action":"subscribe"}')
        yield client


def unsent(gateway: Gateway) -> int:
    """The bytes that the gateway itself holds for its clients, of the client that has most."""
    sessions = [session for session in gateway._sessions.values() if isinstance(session, Session)]
    sizes = [session.connection.transport.get_write_buffer_size() for session in sessions]
    return max(sizes, default=0)


async def pump(results: Results, revisions: range) -> None:
    """Send states one after the other, each larger than a client's buffers want."""
    end = now_window(60_000)
    for revision in revisions:
        big = update(GEOGRAPHIC_DISTRIBUTION, end, revision=revision, dimensions=[*COUNTRIES, ("now", revision)])
        await asyncio.to_thread(results.send, big)


def _revision(message: Message) -> int | None:
    """The newest state a message tells, if it tells one: a window may end, and the next begin, while it waits."""
    lists = (message.get("geographicDistribution"), message.get("current", {}).get("geographicDistribution"))
    return max((entries[-1]["value"] for entries in lists if entries), default=None)


def test_a_slow_client_gets_the_newest_state_and_the_others_every_one_in_time(settings: Settings) -> None:
    async def scenario() -> None:
        results, before, largest = Results(settings), conflated(), 0
        async with gateway_of(settings) as gateway, talker(settings) as quick, deaf(settings) as slow:
            await quick.ask(action="subscribe")
            for revision in range(1, 81):
                sent = time.monotonic()
                await pump(results, range(revision, revision + 1))
                await quick.until(lambda message, wanted=revision: _revision(message) == wanted)  # type: ignore[misc]
                assert revision == 1 or time.monotonic() - sent < 2  # the first waits for the feed to start
                largest = max(largest, unsent(gateway))
            assert conflated() - before > 10
            assert largest < WRITE_LIMIT_BYTES + LARGEST_MESSAGE
            seen = []
            async with asyncio.timeout(5):  # nothing new comes: the rest is sent because there is room again
                while 80 not in seen:
                    seen.append(_revision(await slow.next()))
            told = [revision for revision in seen if revision is not None]
            assert told == sorted(told)
            assert len(told) < 60

    asyncio.run(scenario())


def test_a_client_that_reads_nothing_is_cut_off_and_the_others_stay(settings: Settings) -> None:
    async def scenario() -> None:
        results, revision, before = Results(settings), 0, cut_off()
        async with gateway_of(settings, stall_timeout_ms=700) as gateway, talker(settings) as quick:
            await quick.ask(action="subscribe")
            async with deaf(settings) as stalled:
                await eventually(lambda: len(gateway._sessions) == 2)
                began = time.monotonic()
                while len(gateway._sessions) == 2:
                    assert time.monotonic() - began < DEADLINE_S
                    revision += 1
                    await pump(results, range(revision, revision + 1))
                    await quick.until(lambda message, wanted=revision: _revision(message) == wanted)  # type: ignore[misc]
                assert time.monotonic() - began > 0.7
                assert cut_off() == before + 1
                with pytest.raises(ConnectionClosed):
                    await stalled.until(lambda _: False)
            assert (await quick.ask(action="ping"))["type"] == "pong"

    asyncio.run(scenario())


def test_a_client_that_answers_no_ping_is_told_so_and_cut_off_and_one_that_does_stays(
    unfed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PING_S", 0.3)
    monkeypatch.setattr(session, "CLOSE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(server, "SWEEP_S", 0.05)

    async def scenario() -> None:
        async with unfed_gateway(unfed) as gateway, talker(unfed, ping_interval=None) as answering:
            reader, writer = await asyncio.open_connection("127.0.0.1", unfed.gateway_port)
            began = time.monotonic()
            writer.write(UPGRADE)
            received = await asyncio.wait_for(reader.read(), DEADLINE_S)
            assert 0.6 < time.monotonic() - began < 5
            assert received.count(b"\x89\x00") == 1  # one ping
            assert b"\x03\xf3no answer to a ping" in received  # 1011
            assert len(gateway._sessions) == 1
            assert (await answering.ask(action="ping"))["type"] == "pong"
            writer.close()

    asyncio.run(scenario())
