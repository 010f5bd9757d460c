"""Who is let in, and what a refusal says: the rules alone, and at a real gateway's handshake."""

import asyncio
import time
from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus

from tests.websocket_gateway.talking import eventually, get, talker, unfed_gateway
from tidemark.settings import Settings
from websocket_gateway.admission import Admission, Refused, own_origins


@pytest.mark.parametrize(
    ("scheme", "host", "port", "origins"),
    [
        ("http", "127.0.0.1", 8082, {"http://127.0.0.1:8082", "http://localhost:8082", "http://[::1]:8082"}),
        ("http", "0.0.0.0", 80, {"http://127.0.0.1", "http://localhost", "http://[::1]"}),
        ("https", "live.example", 443, {"https://live.example"}),
        ("https", "fd00::1", 8443, {"https://[fd00::1]:8443"}),
    ],
)
def test_the_gateways_own_origins(scheme: str, host: str, port: int, origins: set[str]) -> None:
    assert set(own_origins(scheme, host, port)) == origins


def test_places_are_counted_by_address_and_in_total_and_come_back() -> None:
    def refusal(address: str) -> int | None:
        try:
            admission.take_place(address)
        except Refused as refused:
            return refused.status if refused.headers == {"Retry-After": "5"} else None
        return None

    admission = Admission([], "", total=3, per_address=2)
    assert [refusal(address) for address in "aaab"] == [None, None, 429, None]
    assert [refusal(address) for address in "bc"] == [503, 503]
    admission.give_back("a")
    assert [refusal(address) for address in "cc"] == [None, 503]


def test_a_web_page_of_another_origin_is_refused_and_the_gateways_own_is_not(unfed: Settings) -> None:
    async def status(origin: str) -> int | None:
        try:
            async with talker(unfed, origin=origin):
                return None
        except InvalidStatus as refused:
            return refused.response.status_code

    async def scenario() -> None:
        async with unfed_gateway(unfed):
            port = unfed.gateway_port
            for origin in (unfed.gateway_origins[0], f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
                assert await status(origin) is None
            # The last: a stranger's name that resolves to this machine, so that Host and Origin agree.
            strangers = ("http://evil.example", "null", f"https://127.0.0.1:{port}", f"http://evil.example:{port}")
            for origin in strangers:
                assert await status(origin) == 403

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("limit", "status"), [("gateway_max_connections", 503), ("gateway_max_connections_per_address", 429)]
)
def test_one_client_too_many_is_told_to_come_later_and_may_when_another_leaves(
    unfed: Settings, limit: str, status: int
) -> None:
    limited = unfed.model_copy(update={limit: 2})

    async def scenario() -> None:
        async with unfed_gateway(limited) as gateway:
            async with talker(limited), talker(limited):
                with pytest.raises(InvalidStatus) as refused:
                    async with talker(limited):
                        pass
                assert refused.value.response.status_code == status
                assert refused.value.response.headers["Retry-After"] == "5"
                assert (await get(limited, "/health"))[0] == 200  # who looks after the process gets through
            await eventually(lambda: not gateway._sessions)
            async with talker(limited), talker(limited):
                pass

    asyncio.run(scenario())


def test_a_refused_handshake_takes_no_place(unfed: Settings) -> None:
    limited = unfed.model_copy(update={"gateway_max_connections": 1})

    async def scenario() -> None:
        async with unfed_gateway(limited):
            for _ in range(3):
                with pytest.raises(InvalidStatus):
                    async with talker(limited, origin="http://evil.example"):
                        pass
            async with talker(limited):
                pass

    asyncio.run(scenario())


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n"])
def test_who_does_not_finish_the_handshake_in_time_is_cut(unfed: Settings, said: bytes) -> None:
    hurried = unfed.model_copy(update={"gateway_handshake_seconds": 0.3})

    async def scenario() -> None:
        async with unfed_gateway(hurried), talker(hurried) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", hurried.gateway_port)
            began = time.monotonic()
            writer.write(said)
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            assert 0.25 < time.monotonic() - began < 2
            assert (await client.ask(action="ping"))["type"] == "pong"

    asyncio.run(scenario())
