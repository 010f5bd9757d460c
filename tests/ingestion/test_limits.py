"""Token buckets, client addresses behind proxies, user agents, countries."""

import random
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from ingestion.addresses import client_address, parse_address
from ingestion.agents import Agent, agent
from ingestion.countries import Countries
from ingestion.rates import BUCKETS, TABLE_BYTES, Rates
from tests.ingestion.made import rates


def test_a_bucket_grants_its_burst_and_then_its_rate() -> None:
    bounded = rates(10.0)
    assert [bounded.take("a", 1, 0.0) for _ in range(20)] == [0.0] * 20
    assert bounded.take("a", 1, 0.0) == pytest.approx(0.1)
    assert bounded.take("b", 1, 0.0) == 0.0
    assert bounded.take("a", 1, 0.1) == 0.0
    assert bounded.take("a", 1, 0.1) > 0
    assert [bounded.take("a", 1, 1_000.0) for _ in range(21)] == [0.0] * 20 + [pytest.approx(0.1)]


def test_a_large_batch_is_granted_once_and_paid_for_later() -> None:
    bounded = rates(10.0, burst_s=1.0)
    assert bounded.take("a", 1, 5.0) == 0.0
    bounded.spend("a", 99)
    assert bounded.take("a", 1, 5.0) == pytest.approx(9.1)
    assert bounded.take("a", 1, 14.2) == 0.0


def test_less_than_one_event_a_second_is_one_at_once() -> None:
    bounded = rates(0.1)
    assert [bounded.take("a", 1, now) for now in (7.0, 8.0, 17.0)] == [0.0, pytest.approx(9.0), 0.0]


def test_no_rate_is_no_limit() -> None:
    assert rates(0).take("a", 10**9, 0.0) == 0.0


def test_those_who_have_the_same_table_hold_the_rate_together() -> None:
    table = memoryview(bytearray(TABLE_BYTES))
    workers = [Rates(10.0, table) for _ in range(3)]
    chance = random.Random(7)
    granted = [not chance.choice(workers).take("a", 1, number / 1_000) for number in range(5_000)]
    assert sum(granted) == 20 + 49


def test_whoever_has_sent_too_much_is_not_forgotten_for_any_number_of_others() -> None:
    bounded = rates(1.0)
    bounded.take("a", 1, 0.0)
    bounded.spend("a", 999)
    for number in range(2 * BUCKETS):
        bounded.take(f"made up {number}", 1, number / 1_000)
    assert bounded.take("a", 1, 2 * BUCKETS / 1_000) == pytest.approx(1_000 - 1 - 2 * BUCKETS / 1_000)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_client_addresses(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, [ip_network("10.0.0.0/8")]) == ip_address(client)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "[", "[::1", ":", "::%", "1.2.3.4/8"])
def test_what_is_no_address(text: str) -> None:
    assert parse_address(text) in (None, ip_address("::1"), ip_address("::"))


WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (f"(Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", ("Chrome", "Windows", "desktop")),
        ("(X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", ("Firefox", "Linux", "desktop")),
        (f"(Macintosh; Intel Mac OS X 10_15_7) {APPLE} Safari/605.1.15", ("Safari", "macOS", "desktop")),
        (f"(Linux; Android 16) {WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36", ("Chrome", "Android", "mobile")),
        (f"(Linux; Android 16; SM-X910) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", ("Chrome", "Android", "tablet")),
        (f"(iPhone; CPU iPhone OS 18_7 like Mac OS X) {APPLE} Mobile/15E148", ("Safari", "iOS", "mobile")),
        (f"(iPad; CPU OS 18_7 like Mac OS X) {APPLE} Mobile/15E148", ("Safari", "iPadOS", "tablet")),
    ],
)
def test_browsers_systems_and_devices(text: str, known: tuple[str, str, str]) -> None:
    assert agent(f"Mozilla/5.0 {text}") == Agent(*known)


@pytest.mark.parametrize(
    ("text", "bot"),
    [
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/142.0.0.0 Safari/537.36", True),
        ("curl/8.5.0", False),
        ("Python/3.11 aiohttp/3.14", False),
        ("", False),
    ],
)
def test_crawlers_are_bots_and_libraries_are_not(text: str, bot: bool) -> None:
    assert agent(text) == Agent(bot=bot)


def test_user_agents_are_cut_before_they_are_remembered() -> None:
    assert agent("x" * 10_000_000) == agent("x" * 1_000) == Agent()


def test_countries_come_from_a_database_of_either_kind_or_are_not_known(tmp_path: Path) -> None:
    known, other, ipv6 = ip_address("192.0.2.7"), ip_address("198.51.100.1"), ip_address("2001:db8::1")
    assert Countries(None).of(known) is None
    for number, entry in enumerate(
        [
            b"\xe1" + word("country_code") + word("DE"),
            b"\xe1" + word("country") + b"\xe1" + word("iso_code") + word("DE"),
        ]
    ):
        path = tmp_path / f"{number}.mmdb"
        path.write_bytes(database("192.0.2.0/24", entry))
        countries = Countries(path)
        assert [countries.of(address) for address in (known, other, ipv6)] == ["DE", None, None]


def word(text: str) -> bytes:
    """A string in MaxMind's format."""
    return bytes([0x40 | len(text)]) + text.encode()


def database(network: str, entry: bytes) -> bytes:
    """A database of one IPv4 network, by the letter of MaxMind's format 2.0."""
    where = ip_network(network)
    nodes = where.prefixlen
    tree = b""
    for bit in range(nodes):
        right = int(where.network_address) >> (31 - bit) & 1
        onward = bit + 1 if bit + 1 < nodes else nodes + 16
        records = [nodes, nodes]
        records[right] = onward
        tree += b"".join(record.to_bytes(3, "big") for record in records)
    small = {"node_count": b"\xc1" + bytes([nodes]), "record_size": b"\xa1\x18", "ip_version": b"\xa1\x04"}
    format_2 = {"binary_format_major_version": b"\xa1\x02", "binary_format_minor_version": b"\xa0"}
    others = {
        "database_type": word("test"),
        "build_epoch": b"\x01\x02\x01",
        "languages": b"\x00\x04",
        "description": b"\xe0",
    }
    fields = small | format_2 | others
    told = bytes([0xE0 | len(fields)]) + b"".join(word(name) + value for name, value in fields.items())
    return tree + bytes(16) + entry + b"\xab\xcd\xefMaxMind.com" + told
