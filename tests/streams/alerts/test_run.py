"""``tidemark alerts``: killed and started again, taken over, tried on the past; each alert once, on the real broker."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.alerts.detector import Detector
from streams.alerts.rules import read_rules
from tests.streams.alerts.made import final
from tests.support import wait
from tests.support.kafka_log import read_log
from tests.support.parts import Part, running
from tidemark.kafka import producer_config
from tidemark.results import ACTIVE_USERS, BOUNCE_RATE, PAGE_VIEWS_PER_SECOND, Alert, MetricUpdate, decode_alert, encode
from tidemark.settings import Settings
from tidemark.topics import ALERTS, METRICS

RUN = ("alerts", "run")
SITES = [f"site-{number}" for number in range(12)]
WINDOWS = 400
RULES = """
[[rules]]
name = "drop"
kind = "traffic_drop"
windows = 20
for = "10s"
rearm = "10s"

[[rules]]
name = "busy"
kind = "threshold"
metric = "active_users"
above = 90
clear = 50

[[rules]]
name = "sentinel"
kind = "threshold"
metric = "bounce_rate"
above = 1
"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return settings.model_copy(update={"alert_rules": path, "checkpoint_interval_ms": 300})


def windows(numbers: range) -> Iterator[MetricUpdate]:
    """Yield these windows of all sites; some come again, with what followed them, as after a worker's restart."""
    for number in numbers:
        chance = random.Random(number)
        for again in range(max(1, number - chance.choice([0, 0, 0, 7])), number + 1):
            for site in SITES:
                level = 5.0 if random.Random(f"{site} {again // 25}").random() < 0.3 else 100.0
                for metric in (PAGE_VIEWS_PER_SECOND, ACTIVE_USERS):
                    yield final(again, 99.0, metric, site=site, final=False)
                    yield final(again, level + random.Random(f"{site} {again}").uniform(-5, 5), metric, site=site)


def send(settings: Settings, updates: Sequence[MetricUpdate]) -> None:
    producer = Producer(producer_config(settings, linger_ms=5))
    for update in updates:
        partition = update.partition(METRICS.partitions)
        producer.produce(settings.topic(METRICS.name), encode(update), update.key(), partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def live(settings: Settings) -> Counter[bytes]:
    return Counter(record.value or b"" for record in read_log(settings, ALERTS))


def expected(updates: Sequence[MetricUpdate]) -> Counter[bytes]:
    detectors = [Detector(read_rules(RULES)) for _ in range(METRICS.partitions)]
    return Counter(
        encode(alert)
        for update in updates
        for alert in detectors[update.partition(METRICS.partitions)].take(update)
    )  # fmt: skip


def is_judging(part: Part) -> bool:
    return part.logged('"judging"')


def sentinels() -> list[MetricUpdate]:
    """Return a window for each partition that sets an alert off."""
    found = {}
    for number in range(1_000):
        update = final(WINDOWS + 1, 2.0, BOUNCE_RATE, site=f"sentinel-{number}")
        found[update.partition(METRICS.partitions)] = update
    assert len(found) == METRICS.partitions
    return list(found.values())


def tried(settings: Settings, log: Path, *arguments: str) -> tuple[list[Alert], str]:
    """Return what ``tidemark alerts test`` prints, and says beside."""
    with running(settings, log, "alerts", "test", str(settings.alert_rules), "--json", *arguments) as part:
        assert part.process.wait(60) == 0, part.log
        return [decode_alert(line.encode()) for line in part.output.splitlines()], part.log


def test_killed_and_started_again_each_alert_is_there_once_and_so_says_the_past(
    settings: Settings, tmp_path: Path
) -> None:
    updates = list(windows(range(1, WINDOWS)))
    wanted = expected([*updates, *sentinels()])
    assert wanted.total() > 70
    half = len(updates) // 2
    for number, some in enumerate((updates[:half], updates[half:])):
        with running(settings, tmp_path / f"{number}.log", *RUN) as part:
            part.wait_until(lambda part=part: is_judging(part))  # type: ignore[misc]
            before = live(settings).total()
            send(settings, some)
            part.wait_until(lambda before=before: live(settings).total() > before)  # type: ignore[misc]
            part.kill()
    with running(settings, tmp_path / "last.log", *RUN) as part:
        send(settings, sentinels())
        part.wait_until(lambda: live(settings).keys() >= wanted.keys())
        assert part.stop() == 0
    assert live(settings) == wanted
    everything, _ = tried(settings, tmp_path / "tried.log")
    assert Counter(map(encode, everything)) == wanted
    start, end = everything[20].timestamp, everything[-20].timestamp
    in_range, said = tried(settings, tmp_path / "range.log", "--from", str(start), "--to", str(end))
    assert in_range == [alert for alert in everything if start <= alert.timestamp < end]
    assert f"{len(in_range)} alerts; judged" in said


def test_a_second_one_takes_over_and_the_first_ends(settings: Settings, tmp_path: Path) -> None:
    updates = list(windows(range(1, 200)))
    with running(settings, tmp_path / "first.log", *RUN) as first:
        first.wait_until(lambda: is_judging(first))
        send(settings, updates[: len(updates) // 2])
        with running(settings, tmp_path / "second.log", *RUN) as second:
            second.wait_until(lambda: is_judging(second))
            send(settings, [*updates[len(updates) // 2 :], *sentinels()])
            assert first.process.wait(30) == 1
            assert "another one has taken over" in first.log
            wanted = expected([*updates, *sentinels()])
            second.wait_until(lambda: live(settings).keys() >= wanted.keys())
            assert second.stop() == 0
    assert live(settings) == wanted


@pytest.mark.parametrize("command", [("run",), ("test", "RULES")])
def test_wrong_rules_are_refused_with_the_file_and_the_field(command: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[rules]]\nname = "a"\nkind = "bounce_rate"\nabove = 50\n')
    arguments = [str(path) if each == "RULES" else each for each in command]
    with running(Settings(alert_rules=path), tmp_path / "log", "alerts", *arguments) as part:
        wait.until(lambda: part.process.poll() is not None, 30.0)
        assert part.process.returncode == 2
        assert f"{path}: Expected `float` <= 1.0 - at `$.rules[0].above`" in part.log
