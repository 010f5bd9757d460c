"""What a real gateway and its clients agree on in the handshake: the format, and whether messages are compressed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import uvloop
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame

from tests.websocket_gateway.made import alert, update
from tests.websocket_gateway.talking import now_window, talker, unfed_gateway
from tidemark.results import ACTIVE_USERS, GEOGRAPHIC_DISTRIBUTION, MetricUpdate
from tidemark.settings import Settings
from websocket_gateway.history import Archive, Points
from websocket_gateway.protocol import WIRE_NAMES, Point

DEFLATE = "permessage-deflate"


def lists(end: int) -> MetricUpdate:
    """A message of 25 kB, much of it the same."""
    countries = [(f"country-{number}", number) for number in range(800)]
    return update(GEOGRAPHIC_DISTRIBUTION, end, 1, dimensions=countries)


def test_a_client_of_messagepack_has_the_whole_protocol_in_binary_beside_one_of_json(unfed: Settings) -> None:
    asked = []

    def query(*what: object) -> Points:
        asked.append(what)
        return {"activeUsers": [Point(5_000, 7, final=True)]}

    async def scenario() -> None:
        async with (
            unfed_gateway(unfed, archive=Archive(query)) as gateway,
            talker(unfed, subprotocols=["tidemark.msgpack"]) as binary,
            talker(unfed, subprotocols=["tidemark.json"]) as text,
        ):
            assert isinstance(await raw_answer(binary, b"\x81\xa6action\xa4ping"), bytes)
            assert isinstance(await raw_answer(text, '{"action":"ping"}'), str)
            for request in (
                {"action": "history", "minutes": 5, "id": 2},
                {"action": "subscribe", "metrics": ["nothing"]},
                {"action": "unsubscribe", "site": "b", "id": "c"},
            ):
                answers = [await client.ask(**request) for client in (binary, text)]
                assert answers[0] == answers[1]
            assert len(asked) == 1
            for client in (binary, text):
                assert (await client.ask(action="subscribe"))["snapshot"]["points"].keys() == set(WIRE_NAMES)
            await binary.connection.send("text")
            assert (await binary.next())["code"] == "bad_msgpack"
            await gateway.take([update(ACTIVE_USERS, now_window(), 7), alert("a")])
            heard = [sorted([await client.next(), await client.next()], key=str) for client in (binary, text)]
            assert heard[0] == heard[1]
            assert {message["type"] for message in heard[0]} == {"metrics", "alert"}

    uvloop.run(scenario())


async def raw_answer(client: Any, request: str | bytes) -> str | bytes:
    await client.connection.send(request)
    answer: str | bytes = await client.connection.recv()
    return answer


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["other"], None),
        (["other", "tidemark.json"], "tidemark.json"),
        (["tidemark.msgpack", "tidemark.json"], "tidemark.msgpack"),
    ],
)
def test_the_client_s_first_known_subprotocol_is_agreed_on_and_without_one_it_is_json(
    unfed: Settings, offered: list[str] | None, chosen: str | None
) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed), talker(unfed, subprotocols=offered) as client:
            assert client.connection.subprotocol == chosen
            assert client.hello["type"] == "hello"
            assert (await client.ask(action="ping", id=1))["id"] == 1

    uvloop.run(scenario())


def noted(sizes: list[int], decode: Callable[..., Frame], frame: Frame, **options: Any) -> Frame:
    sizes.append(len(frame.data))
    return decode(frame, **options)


@pytest.mark.parametrize("subprotocol", ["tidemark.json", "tidemark.msgpack"])
def test_messages_are_compressed_by_setting_and_say_the_same(
    unfed: Settings, subprotocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressing = unfed.model_copy(update={"gateway_compression": True})

    async def scenario() -> None:
        end = now_window(60_000)
        async with (
            unfed_gateway(compressing) as gateway,
            talker(compressing, subprotocols=[subprotocol], compression="deflate") as small,
            talker(compressing, subprotocols=[subprotocol]) as plain,
        ):
            assert [one.name for one in small.connection.protocol.extensions] == [DEFLATE]
            assert plain.connection.protocol.extensions == []
            for client in (small, plain):
                await client.ask(action="subscribe")
            [deflate] = small.connection.protocol.extensions
            sizes: list[int] = []
            monkeypatch.setattr(deflate, "decode", partial(noted, sizes, deflate.decode))
            await gateway.take([lists(end)])
            messages = [await client.next() for client in (small, plain)]
            assert messages[0] == messages[1]
            assert len(messages[0]["current"]["geographicDistribution"]) == 800
            assert 0 < sum(sizes) < len(plain.format.encode(messages[1])) / 2

    uvloop.run(scenario())


def test_nothing_is_compressed_by_default(unfed: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed), talker(unfed, compression="deflate") as client:
            assert client.connection.protocol.extensions == []

    uvloop.run(scenario())


def test_a_message_that_is_small_only_until_it_is_decompressed_is_too_big(unfed: Settings) -> None:
    compressing = unfed.model_copy(update={"gateway_compression": True})

    async def scenario() -> None:
        async with unfed_gateway(compressing), talker(compressing, compression="deflate") as client:
            await client.connection.send("x" * 1_000_000)
            with pytest.raises(ConnectionClosed) as closed:
                await client.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    uvloop.run(scenario())
