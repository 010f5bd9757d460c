"""Finals of the last minutes, written as the sink writes them and asked for at a gateway, on the real InfluxDB."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from sinks.lines import metric_lines
from tests.websocket_gateway.made import update
from tests.websocket_gateway.talking import eventually, gateway_of, talker
from tidemark.flux import NoAnswerError, quoted
from tidemark.results import (
    ACTIVE_USERS,
    BOUNCE_RATE,
    CONVERSION_RATE,
    GEOGRAPHIC_DISTRIBUTION,
    MetricUpdate,
)
from tidemark.settings import Settings
from websocket_gateway.flux import history_query, read_points
from websocket_gateway.history import AT_A_TIME, WAITING, Archive, NoHistory, Points, influxdb_query
from websocket_gateway.protocol import Point

#: Each could end a Flux string, begin an expression in one, or is kept otherwise in a tag.
ODD_SITES = [
    'a") or true or (r.site == "',
    "${r.site}",
    "back\\slash",
    "trailing\\",
    "x\\x61",
    "line\nbreak",
    "tab\tand\u2028",
    "Zürich 東京 🛒, a=b",
    "//",
    "'",
]


@contextmanager
def influxdb(settings: Settings) -> Iterator[InfluxDBClient]:
    token = settings.influxdb_token.get_secret_value()
    with InfluxDBClient(settings.influxdb_url, token, org=settings.influxdb_org) as client:
        yield client


def store(settings: Settings, *finals: MetricUpdate) -> None:
    lines = "\n".join(line for final in finals for line in metric_lines(final))
    with influxdb(settings) as client:
        client.write_api(write_options=SYNCHRONOUS).write(settings.influxdb_bucket, record=lines.encode())


def last_end() -> int:
    """The end of a window of every length that has ended."""
    return int(time.time()) // 60 * 60_000


def test_a_client_gets_the_finals_of_the_last_minutes_with_rates_as_fractions(settings: Settings) -> None:
    end = last_end()
    store(
        settings,
        *(update(ACTIVE_USERS, end - 60_000 * n, n, final=True) for n in (0, 3, 10, 70)),
        update(BOUNCE_RATE, end, 0.07, final=True),
        update(GEOGRAPHIC_DISTRIBUTION, end, 1, final=True, dimensions=[("DE", 1)]),
        update(ACTIVE_USERS, end, 99, final=True, site="other"),
    )

    async def scenario() -> None:
        async with gateway_of(settings), talker(settings) as client:
            answer = await client.ask(action="history", minutes=5, metrics=["activeUsers", "conversionRate"], id=7)
            assert answer == {
                "type": "history",
                "id": 7,
                "site": "default",
                "minutes": 5,
                "points": {
                    "activeUsers": [
                        {"windowEnd": end - 180_000, "value": 3.0, "final": True},
                        {"windowEnd": end, "value": 0.0, "final": True},
                    ],
                    "conversionRate": [],
                },
            }
            whole = (await client.ask(action="history", minutes=60))["points"]
            assert [point["value"] for point in whole["activeUsers"]] == [10, 3, 0]
            assert whole["bounceRate"] == [{"windowEnd": end, "value": 0.07, "final": True}]
            assert len(whole) == 6
            wrong = await client.ask(action="history", minutes=5, metrics=["popularContent"])
            assert wrong["code"] == "unknown_metric"

    asyncio.run(scenario())


def test_a_site_of_any_name_gets_its_own_points_and_no_others(settings: Settings) -> None:
    end = last_end()
    for number, site in enumerate(ODD_SITES):
        store(settings, update(CONVERSION_RATE, end, number / 100, final=True, site=site))
    with influxdb(settings) as client:
        query = influxdb_query(client, settings.influxdb_bucket)
        for number, site in enumerate(ODD_SITES):
            answer = query(site, frozenset({CONVERSION_RATE}), 5)
            assert answer == {"conversionRate": [Point(end, number / 100, final=True)]}
        assert query("a", frozenset({CONVERSION_RATE}), 5) == {"conversionRate": []}


def test_without_influxdb_a_temporary_error_comes_and_all_else_goes_on(settings: Settings) -> None:
    async def scenario() -> None:
        nowhere = settings.model_copy(update={"influxdb_url": f"http://127.0.0.1:{settings.gateway_port + 1}"})
        async with gateway_of(nowhere), talker(nowhere) as client:
            for number in (1, 2):
                answer = await client.ask(action="history", minutes=5, id=number)
                assert (answer["code"], answer["temporary"], answer["id"]) == ("no_history", True, number)
            assert (await client.ask(action="ping"))["type"] == "pong"

    asyncio.run(scenario())


class Slow:
    """A query that answers when it is let, and counts."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.asked: list[str] = []
        self.running = self.most = 0

    def __call__(self, site: str, metrics: frozenset[str], minutes: int) -> Points:
        self.asked.append(site)
        self.running += 1
        self.most = max(self.most, self.running)
        self.let.wait(20)
        self.running -= 1
        return {}


def test_who_asks_the_same_shares_one_query_and_only_so_many_run_or_wait() -> None:
    async def scenario() -> None:
        slow = Slow()
        archive = Archive(slow)
        sites = [str(number) for number in range(AT_A_TIME + WAITING)]
        asked = [asyncio.ensure_future(archive.points(site, frozenset(), 5)) for site in sites * 2]
        await eventually(lambda: slow.running == AT_A_TIME)
        with pytest.raises(NoHistory):
            await archive.points("one more", frozenset(), 5)
        asked.pop(0).cancel()
        slow.let.set()
        assert [one.message for one in await asyncio.gather(*asked)] == [{}] * len(asked)
        assert (await archive.points("0", frozenset(), 5)).message == {}
        assert (sorted(slow.asked), slow.most) == (sorted(sites), AT_A_TIME)
        archive.close()

    asyncio.run(scenario())


def test_a_failure_is_not_kept() -> None:
    answers: Iterator[Points | None] = iter([None, {}])

    def query(*_: object) -> Points:
        if (answer := next(answers)) is None:
            raise OSError
        return answer

    async def scenario() -> None:
        archive = Archive(query)
        with pytest.raises(NoHistory):
            await archive.points("a", frozenset(), 5)
        assert (await archive.points("a", frozenset(), 5)).message == {}
        archive.close()

    asyncio.run(scenario())


def test_in_flux_only_letters_and_digits_stand_as_they_are() -> None:
    assert quoted('a1_"\\\n${é') == '"a1_\\x22\\x5c\\x0a\\x24\\x7bé"'
    query = history_query("b", 'x"', frozenset({ACTIVE_USERS}), 15)
    assert 'r.site == "x\\x22"' in query
    assert "start: -15m" in query


def test_an_error_in_the_answer_is_none_of_the_points() -> None:
    with pytest.raises(NoAnswerError, match="out of memory"):
        read_points("error,reference\nout of memory,897\n", frozenset({ACTIVE_USERS}))
