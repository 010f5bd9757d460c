"""Server-Sent Events from a real gateway, read as a browser's EventSource reads them."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from prometheus_client import REGISTRY
from pydantic import SecretStr

from tests.websocket_gateway.made import alert, update, visit
from tests.websocket_gateway.talking import DEADLINE_S, Message, eventually, get, now_window, talker, unfed_gateway
from tidemark.results import ACTIVE_USERS, BOUNCE_RATE, GEOGRAPHIC_DISTRIBUTION
from tidemark.settings import Settings
from websocket_gateway import sse
from websocket_gateway.tokens import make_token

SECRET = "s" * 32
COUNTRIES = [(f"country-{number}", number) for number in range(800)]


class Reader:
    """An open stream; its body comes in chunks, each of whole events."""

    def __init__(self, reader: asyncio.StreamReader, headers: str) -> None:
        self._reader = reader
        self.headers = headers

    async def chunk(self) -> str:
        """Return what was written at once; empty at the end."""
        async with asyncio.timeout(DEADLINE_S):
            size = int(await self._reader.readline(), 16)
            text = (await self._reader.readexactly(size + 2)).decode()
        return text[:-2]

    async def events(self) -> list[tuple[str | None, str, Message]]:
        """Return the next events: id, name and data."""
        found = []
        for block in (await self.chunk()).split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
        return found


@asynccontextmanager
async def streaming(settings: Settings, path: str, headers: str = "", buffer: int = 65_536) -> AsyncIterator[Reader]:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", settings.gateway_port))
    reader, writer = await asyncio.open_connection(sock=small, limit=buffer)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{settings.gateway_port}\r\n{headers}\r\n".encode())
    try:
        yield Reader(reader, (await reader.readuntil(b"\r\n\r\n")).decode())
    finally:
        writer.close()


def test_a_stream_has_the_envelopes_of_the_socket_with_an_id_and_a_name(unfed: Settings) -> None:
    async def scenario() -> None:
        end = now_window()
        async with (
            unfed_gateway(unfed) as gateway,
            streaming(unfed, "/sse?site=shop&metrics=activeUsers") as stream,
            talker(unfed) as socket_client,
        ):
            assert stream.headers.startswith("HTTP/1.1 200")
            assert "Content-Type: text/event-stream\r\n" in stream.headers
            [hello, subscribed] = await stream.events()
            assert (hello[0], hello[1], hello[2]["type"]) == (None, "hello", "hello")
            offset = subscribed[2]["snapshot"]["offset"]
            assert subscribed[:2] == (f"epoch-{offset}-{offset}", "subscribed")
            await socket_client.ask(action="subscribe", site="shop", metrics=["activeUsers"])
            await gateway.take([update(ACTIVE_USERS, end, 7, site="shop"), update(BOUNCE_RATE, end, 1, site="shop")])
            [(identity, name, message)] = await stream.events()
            assert (identity, name) == (f"epoch-{message['offset']}-{offset}", "metrics")
            assert message == await socket_client.next()
            await gateway.take([update(ACTIVE_USERS, end, 7), alert("a", "shop")])
            [(_, name, message)] = await stream.events()
            assert (name, message["alertId"]) == ("alert", "a")

    uvloop.run(scenario())


def test_a_stream_has_visits_when_it_asks_for_them_and_they_do_not_change_what_it_has(unfed: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed) as gateway, streaming(unfed, "/sse?visits=true") as stream:
            known = (await stream.events())[-1][0]
            assert [(await stream.events())[0][:2]] == [(known, "visits")]
            await gateway.take([visit("a", now_window())])
            [(identity, name, message)] = await stream.events()
            assert (identity, name, message["latest"][0]["visitId"]) == (known, "visits", "a")

    uvloop.run(scenario())


def test_a_stream_that_comes_back_gets_what_it_has_missed_and_no_more(unfed: Settings) -> None:
    async def scenario() -> None:
        end = now_window()
        async with unfed_gateway(unfed) as gateway:
            await gateway.take([update(ACTIVE_USERS, end, 1)])
            async with streaming(unfed, "/sse") as stream:
                known = (await stream.events())[-1][0]
            await gateway.take([update(ACTIVE_USERS, end, 2, revision=2), alert("missed")])
            async with streaming(unfed, "/sse", f"Last-Event-ID: {known}\r\n") as stream:
                events = await stream.events()
                assert events[-1][2].items() >= {"type": "subscribed", "recovered": True}.items()
                missed = [(await stream.events())[0] for _ in range(2)]
                assert {name for _, name, _ in missed} == {"metrics", "alert"}
                known = missed[-1][0]
            for identity, recovered in (
                (known, True),
                ("other-1-1", False),
                ("nonsense", None),
                ("epoch-1-" + "9" * 30, None),
            ):
                async with streaming(unfed, "/sse", f"Last-Event-ID: {identity}\r\n") as stream:
                    answer = (await stream.events())[-1][2]
                    assert answer.get("recovered") is recovered
                    assert ("snapshot" in answer) is not (recovered is True)

    uvloop.run(scenario())


def test_a_quiet_stream_gets_comments_and_a_goodbye_at_the_end(
    unfed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.1)

    async def scenario() -> None:
        async with unfed_gateway(unfed) as gateway, streaming(unfed, "/sse") as stream:
            await stream.events()
            assert [await stream.chunk() for _ in range(2)] == [": still here\n\n"] * 2
            await gateway.close()
            while (text := await stream.chunk()).startswith(":"):
                pass
            assert text == 'event: close\ndata: {"type":"close","code":1001,"reason":"the gateway stops"}\n\n'
            assert await stream.chunk() == ""
            await eventually(lambda: not gateway._sessions)

    uvloop.run(scenario())


def test_a_client_that_goes_is_forgotten(unfed: Settings) -> None:
    limited = unfed.model_copy(update={"gateway_max_connections": 1})

    async def scenario() -> None:
        async with unfed_gateway(limited) as gateway:
            async with streaming(limited, "/sse") as stream:
                await stream.events()
                assert (await get(limited, "/sse"))[0] == 503
            await eventually(lambda: not gateway._sessions)
            async with streaming(limited, "/sse") as stream:
                await stream.events()

    uvloop.run(scenario())


def test_what_cannot_be_streamed_is_said(unfed: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed) as gateway:
            status, _, body = await get(unfed, "/sse?metrics=nothing")
            assert (status, json.loads(body)["code"]) == (400, "unknown_metric")
            assert (await get(unfed, "/sse?site=" + "x" * 65))[0] == 400
            assert (await get(unfed, "/sse", Origin="http://evil.example"))[0] == 403
            # A browser sends no Origin to where a page came from: a stranger's name that resolves to this machine.
            assert (await get(unfed, "/sse", Host=f"evil.example:{unfed.gateway_port}"))[0] == 403
            assert not gateway._sessions
            async with streaming(unfed, "/sse", f"Origin: {unfed.gateway_origins[0]}\r\n") as stream:
                assert f"Access-Control-Allow-Origin: {unfed.gateway_origins[0]}\r\n" in stream.headers

    uvloop.run(scenario())


def test_tokens_rule_streams_too(unfed: Settings) -> None:
    guarded = unfed.model_copy(update={"gateway_token_secret": SecretStr(SECRET)})

    async def scenario() -> None:
        until = int(time.time() + 2)
        token = make_token(SECRET, ["shop"], until)
        async with unfed_gateway(guarded) as gateway:
            assert (await get(guarded, "/sse?site=shop"))[0] == 401
            assert (await get(guarded, f"/sse?site=blog&token={token}"))[0] == 403
            async with streaming(guarded, f"/sse?site=shop&token={token}") as stream:
                await stream.events()
                [(_, name, data)] = await stream.events()
                assert (name, data) == ("close", {"type": "close", "code": 4401, "reason": "the token has expired"})
                assert 0 <= time.time() - until < 1
            await eventually(lambda: not gateway._sessions)

    uvloop.run(scenario())


def test_a_stream_that_is_not_read_is_cut_off_and_the_others_stay(unfed: Settings) -> None:
    def cut_off() -> float:
        labels = {"stage": "gateway", "reason": "stalled_client"}
        return REGISTRY.get_sample_value("analytics_pipeline_errors_total", labels) or 0.0

    async def scenario() -> None:
        before, end, revision = cut_off(), now_window(60_000), 0
        async with (
            unfed_gateway(unfed, stall_timeout_ms=500) as gateway,
            talker(unfed) as quick,
            streaming(unfed, "/sse", buffer=4_096),
        ):
            await quick.ask(action="subscribe")
            began = time.monotonic()
            while len(gateway._sessions) == 2:
                assert time.monotonic() - began < DEADLINE_S
                revision += 1
                entries = [*COUNTRIES, ("now", revision)]
                await gateway.take([update(GEOGRAPHIC_DISTRIBUTION, end, revision=revision, dimensions=entries)])
                await quick.next()
            assert time.monotonic() - began > 0.5
            assert cut_off() == before + 1
            assert gateway.hub.conflated > 0
            await quick.connection.ping()

    uvloop.run(scenario())
