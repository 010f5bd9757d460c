"""The gateway against a real broker, with real clients."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from websockets.exceptions import ConnectionClosed

from tests.conftest import OwnStack
from tests.websocket_gateway.made import Results, alert, update, visit
from tests.websocket_gateway.talking import (
    DEADLINE_S,
    Message,
    Talker,
    eventually,
    gateway_of,
    get,
    now_window,
    talker,
    unfed_gateway,
    wait_for_port,
)
from tidemark.results import ACTIVE_USERS, BOUNCE_RATE
from tidemark.settings import Settings
from tidemark.topics import METRICS
from websocket_gateway import server
from websocket_gateway.codes import BAD_FRAME, BAD_TEXT


def shows(users: float) -> Callable[[Message], bool]:
    """Say whether a message shows so many users, in the open window or in the last."""
    return lambda message: users in (message.get("activeUsers"), message.get("current", {}).get("activeUsers"))


def connections() -> float | None:
    return REGISTRY.get_sample_value("websocket_server_active_connections")


def test_a_subscriber_gets_a_snapshot_and_then_each_update_within_a_second(settings: Settings) -> None:
    async def scenario() -> None:
        results, end = Results(settings), now_window()
        results.send(*(update(ACTIVE_USERS, end - 5_000 * n, n, final=True) for n in range(22, 0, -1)), alert("old"))
        async with gateway_of(settings) as gateway, talker(settings) as client:
            assert (client.hello["type"], client.hello["epoch"]) == ("hello", gateway.hub.epoch)
            await client.ask(action="subscribe")
            results.send(update(ACTIVE_USERS, end, 1_000))
            await client.until(shows(1_000))
            answer = await client.ask(action="subscribe", id="again")
            assert (answer["type"], answer["id"]) == ("subscribed", "again")
            values = [point["value"] for point in answer["snapshot"]["points"]["activeUsers"]]
            assert len(values) == 20
            assert values[-19:] in (list(range(19, 0, -1)), [*range(18, 0, -1), 1_000])
            assert [one["alertId"] for one in answer["snapshot"]["alerts"]] == ["old"]
            for revision in range(2, 12):
                sent = time.monotonic()
                results.send(update(ACTIVE_USERS, end, 1_000 + revision, revision=revision))
                await client.until(shows(1_000 + revision))
                assert time.monotonic() - sent < 1
            results.send(alert("new"))
            assert (await client.until(lambda message: message["type"] == "alert"))["alertId"] == "new"

    asyncio.run(scenario())


def test_visits_of_before_and_of_now_are_counted_once_and_told_to_who_asks(settings: Settings) -> None:
    async def scenario() -> None:
        results, now = Results(settings), now_window() - 5_000
        funnel = [*settings.funnel, "CONVERSION"]
        before = [visit(f"before {number}", now - 10 * number, number) for number in range(len(funnel) + 1)]
        results.send(*before, *before)
        async with gateway_of(settings), talker(settings) as client, talker(settings) as other:
            await client.ask(action="subscribe", visits=True)
            await client.until(lambda message: message.get("funnel", {}).get("visits") == len(before))
            results.send(visit("now", now + 1, 1), before[0], visit("elsewhere", now, site="other"))
            told = await client.until(lambda message: message["type"] == "visits")
            assert [one["visitId"] for one in told["latest"]] == ["now", *(one.visit_id for one in before)]
            assert [step["key"] for step in told["funnel"]["steps"]] == funnel
            assert [step["value"] for step in told["funnel"]["steps"]] == [6, 4, 3, 2, 1]
            assert (await other.ask(action="subscribe", metrics=[]))["type"] == "subscribed"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.connection.recv(), 0.2)

    asyncio.run(scenario())


def test_results_that_come_one_after_the_other_are_one_message(
    unfed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GATHER_S", 1.0)  # as if there were many clients

    async def scenario() -> None:
        async with unfed_gateway(unfed, flush_interval_ms=400) as gateway, talker(unfed) as client:
            await client.ask(action="subscribe")
            await asyncio.sleep(0.5)  # the answer's own flush is over
            end = now_window(left_ms=2_500)  # it is still open when what is gathered is told
            await gateway.take([update(ACTIVE_USERS, end, 7)])
            await asyncio.sleep(0.01)
            await gateway.take([update(BOUNCE_RATE, end, 0.5)])
            message = await client.until(shows(7))
            assert message["current"] == {"activeUsers": 7, "bounceRate": 0.5}

    asyncio.run(scenario())


def test_answers_echo_the_id_and_errors_leave_the_connection_open(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway_of(settings), talker(settings) as client:
            assert (await client.ask(action="ping", id=1))["type"] == "pong"
            assert (await client.ask(action="unsubscribe", id="a"))["id"] == "a"
            wrong = await client.ask(action="subscribe", metrics=["nothing"], id=2)
            assert (wrong["type"], wrong["code"], wrong["id"]) == ("error", "unknown_metric", 2)
            await client.connection.send("no json")
            assert (await client.next())["code"] == "bad_json"
            await client.connection.send(b'{"action":"ping","id":3}')
            assert (await client.next())["id"] == 3

    asyncio.run(scenario())


def test_nothing_comes_after_unsubscribe(settings: Settings) -> None:
    async def scenario() -> None:
        results, end = Results(settings), now_window()
        async with gateway_of(settings), talker(settings) as client, talker(settings) as other:
            for one in (client, other):
                await one.ask(action="subscribe")
            await client.ask(action="unsubscribe")
            results.send(update(ACTIVE_USERS, end, 7))
            await other.until(shows(7))
            assert (await client.ask(action="ping", id="next"))["id"] == "next"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.connection.recv(), 0.2)

    asyncio.run(scenario())


def test_what_is_no_text_or_no_frame_ends_the_connection(unfed: Settings) -> None:
    async def code_after(frame: bytes) -> int:
        async with talker(unfed) as client:
            client.connection.transport.write(frame)
            with pytest.raises(ConnectionClosed) as closed:
                await client.until(lambda _: False)
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code

    async def scenario() -> None:
        async with unfed_gateway(unfed):
            assert await code_after(b"\x81\x81\0\0\0\0\xff") == BAD_TEXT
            assert await code_after(b"\xff\xff") == BAD_FRAME

    asyncio.run(scenario())


def test_a_message_too_big_or_too_many_of_them_end_the_connection(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway_of(settings, max_messages_per_second=5):
            async with talker(settings) as big:
                await big.connection.send("x" * (settings.gateway_max_message_bytes + 1))
                with pytest.raises(ConnectionClosed) as closed:
                    await big.next()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1009
            async with talker(settings) as fast:
                for _ in range(21):
                    await fast.connection.send('{"action":"ping"}')
                with pytest.raises(ConnectionClosed) as closed:
                    await fast.until(lambda _: False)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008

    asyncio.run(scenario())


def test_who_asks_for_nothing_gets_everything_of_the_default_site(settings: Settings) -> None:
    async def scenario() -> None:
        results = Results(settings)
        results.send(update(ACTIVE_USERS, now_window() - 5_000, 3, final=True), update(BOUNCE_RATE, 5_000, 0.5))
        async with gateway_of(settings, simple_interval_ms=700), talker(settings) as client:
            began = time.monotonic()
            first, second = await client.next(), await client.next()
            assert 1.3 < time.monotonic() - began < 3
            assert second["offset"] > first["offset"]
            assert (second["activeUsers"], second["bounceRate"], second["site"]) == (3.0, 0.5, "default")

    asyncio.run(scenario())


def test_records_that_are_no_results_are_counted_and_passed_over(settings: Settings) -> None:
    def skipped() -> float:
        labels = {"stage": "gateway", "reason": "invalid_result"}
        return REGISTRY.get_sample_value("analytics_pipeline_errors_total", labels) or 0.0

    async def scenario() -> None:
        results, before = Results(settings), skipped()
        for value in (b"{", b"{}", b"\xff"):
            results.send_raw(METRICS.name, value)
        async with gateway_of(settings), talker(settings) as client:
            await client.ask(action="subscribe")
            results.send(update(ACTIVE_USERS, now_window(), 7))
            await client.until(shows(7))
            await eventually(lambda: skipped() == before + 3)

    asyncio.run(scenario())


def test_connections_are_counted(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway_of(settings):
            assert connections() == 0
            async with talker(settings), talker(settings):
                assert connections() == 2
            await eventually(lambda: connections() == 0)

    asyncio.run(scenario())


class Follower:
    """What a client has been told of the windows of one metric: by their ends, the finals' values."""

    def __init__(self) -> None:
        self.finals: dict[int, float] = {}
        self.since: Message = {}

    def take(self, message: Message, epoch: str) -> None:
        """Take a subscribed or metrics message, as the protocol's page says."""
        told = [*message.get("snapshot", {}).get("points", {}).get("activeUsers", [])]
        told += message.get("earlier", {}).get("activeUsers", [])
        if "activeUsers" in message:
            window = message["windows"]["activeUsers"]
            told.append({"windowEnd": window["end"], "value": message["activeUsers"], "final": window["final"]})
        self.finals |= {point["windowEnd"]: point["value"] for point in told if point["final"]}
        self.since = {"epoch": epoch, "offset": message.get("snapshot", message)["offset"]}

    async def follow(self, client: Talker, end: int) -> None:
        """Read until the window with this end is final."""
        while end not in self.finals:
            self.take(await client.next(), client.hello["epoch"])


def test_two_gateways_give_the_same_finals_and_who_moves_from_one_to_the_other_misses_none(settings: Settings) -> None:
    second = settings.model_copy(update={"gateway_port": settings.gateway_port + 1})

    async def scenario() -> None:
        results, last = Results(settings), now_window() - 5_000
        finals = {last - 5_000 * n: 100.0 + n for n in range(6)}
        first_three, while_away, after = sorted(finals)[:3], sorted(finals)[3:5], sorted(finals)[5]

        def send(ends: Iterable[int]) -> None:
            results.send(*(update(ACTIVE_USERS, end, finals[end], final=True) for end in ends))

        async with gateway_of(settings) as one, gateway_of(second) as two, talker(second) as staying:
            assert one.hub.epoch != two.hub.epoch
            stayed, moved = Follower(), Follower()
            stayed.take(await staying.ask(action="subscribe"), two.hub.epoch)
            async with talker(settings) as moving:
                moved.take(await moving.ask(action="subscribe"), one.hub.epoch)
                send(first_three)
                for follower, client in ((stayed, staying), (moved, moving)):
                    await follower.follow(client, first_three[-1])
                assert moved.finals == stayed.finals == {end: finals[end] for end in first_three}
            send(while_away)
            await stayed.follow(staying, while_away[-1])
            async with talker(second) as moving:
                answer = await moving.ask(action="subscribe", since=moved.since)
                assert answer["recovered"] is False
                moved.finals.clear()  # what it has is to be thrown away: the snapshot holds it too
                moved.take(answer, two.hub.epoch)
                send([after])
                for follower, client in ((stayed, staying), (moved, moving)):
                    await follower.follow(client, after)
            assert moved.finals == stayed.finals == finals

    asyncio.run(scenario())


def test_the_gateway_starts_before_its_broker_and_outlives_its_death_and_says_when_it_is_ready(
    own_stack: OwnStack,
) -> None:
    settings, broker = own_stack.settings, own_stack.kafka[0]

    async def readiness(wanted: int) -> bytes:
        end = time.monotonic() + DEADLINE_S
        while (answer := await get(settings, "/ready"))[0] != wanted:
            assert time.monotonic() < end, answer
            await asyncio.sleep(0.05)
        return answer[2]

    async def scenario() -> None:
        await asyncio.to_thread(broker.stop)
        async with gateway_of(settings), talker(settings) as client:
            await client.ask(action="subscribe")
            assert b"the topics" in await readiness(503)
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(Results(settings).send, update(ACTIVE_USERS, now_window(), 7))
            await client.until(shows(7))
            assert await readiness(200) == b"ready\n"
            await asyncio.to_thread(broker.kill)
            assert b"broker" in await readiness(503)
            assert (await get(settings, "/health"))[0] == 200
            assert (await client.ask(action="ping"))["type"] == "pong"
            async with talker(settings) as late:
                answer = await late.ask(action="subscribe")
                assert shows(7)(answer["snapshot"])
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(Results(settings).send, update(ACTIVE_USERS, now_window(), 8, revision=2))
            await client.until(shows(8))
            await readiness(200)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_the_command_says_goodbye_and_exits_with_0(
    settings: Settings, number: signal.Signals, tmp_path: Path
) -> None:
    async def scenario(process: subprocess.Popen[bytes]) -> None:
        await asyncio.to_thread(wait_for_port, settings.gateway_port)
        assert (await get(settings, "/health"))[::2] == (200, b"ok\n")
        async with talker(settings) as client:
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as closed:
                await client.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0

    with gateway_command(settings, tmp_path) as process:
        try:
            asyncio.run(scenario(process))
        finally:
            process.kill()


def test_a_port_that_is_taken_is_said_and_exits_with_1(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", settings.gateway_port)), gateway_command(settings, tmp_path) as process:
        _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert f"{settings.gateway_port}" in told.decode()
    assert "Traceback" not in told.decode()


def gateway_command(settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tidemark", "gateway"]
    return subprocess.Popen(command, env=os.environ | settings.environment(), cwd=folder, stderr=subprocess.PIPE)
