"""The terminal's picture and lines, made from a whole gateway's messages and read as text."""

import io
from datetime import datetime

import pytest
from rich.console import Console

from tests.websocket_gateway.made import alert, update
from tests.websocket_gateway.test_watched import Stage, T
from tidemark.results import (
    ACTIVE_USERS,
    AVERAGE_SESSION_DURATION,
    BOUNCE_RATE,
    GEOGRAPHIC_DISTRIBUTION,
    PAGE_VIEWS_PER_SECOND,
    POPULAR_CONTENT,
)
from websocket_gateway.parts import Part
from websocket_gateway.plain import Lines
from websocket_gateway.view import render
from websocket_gateway.watched import Watched
from websocket_gateway.wording import change, clock, duration, number, sparkline

NOW = T - Stage.behind
PARTS = [Part("kafka", "up"), Part("streams", "restarting", 2)]
SIZES = [(140, 40), (126, 24), (80, 24), (60, 50), (40, 14), (20, 6), (3, 2)]


@pytest.fixture
def stage() -> Stage:
    """A site with 20 windows, lists, an alert, and a page whose url would steer the terminal."""
    made = Stage()
    for n in range(20):
        made.hub.take(update(ACTIVE_USERS, T - 5_000 * n, 100 - n, final=True), T)
    made.hub.take(update(PAGE_VIEWS_PER_SECOND, T, 12.34), T)
    made.hub.take(update(PAGE_VIEWS_PER_SECOND, T + 5_000, 5.5), T)
    made.hub.take(update(BOUNCE_RATE, T, 0.421), T)
    urls = [("/", 1_200), ("/evil\x1b[2J", 3)]
    made.hub.take(update(POPULAR_CONTENT, T, 1_203, dimensions=urls), T)
    made.hub.take(update(GEOGRAPHIC_DISTRIBUTION, T, 7, dimensions=[("DE", 7)]), T)
    made.subscribe()
    made.hub.take_alert(alert("visitor-1"), T)
    made.flush()
    return made


def drawn(watched: Watched, width: int, height: int, parts: list[Part] | None = PARTS, now: int = NOW) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), record=True, force_terminal=True)
    console.print(render(watched, parts, now, width, height))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_picture_fits_every_terminal(stage: Stage, width: int, height: int) -> None:
    lines = drawn(stage.watched, width, height)
    assert max(len(line) for line in lines) <= width
    if width >= 40:
        assert len(lines) <= height
        assert [label for label in ("Page views", "Active users", "12.3", "42.1%") if label not in "".join(lines)] == []


@pytest.mark.parametrize("width", [140, 80])
def test_a_large_terminal_shows_everything(stage: Stage, width: int) -> None:
    text = "\n".join(drawn(stage.watched, width, 40))
    for part in (
        "tidemark default",
        "live",
        "5.5",
        "▲ 1%",
        sparkline(range(81, 101)),
        "1,200",
        "DE",
        "visitor-1",
        "↻2",
    ):
        assert part in text


def test_without_a_connection_or_data_it_says_so() -> None:
    watched = Watched("default", "ws://127.0.0.1:1")
    assert "connecting to ws://127.0.0.1:1" in drawn(watched, 100, 30)[0]
    watched.lost("no connection")
    assert "no connection; no data yet" in drawn(watched, 100, 30)[0]
    assert "no data yet" in drawn(Stage().watched, 100, 30)[0]


def test_old_data_is_called_stale_with_its_age(stage: Stage) -> None:
    assert f"stale since {clock(T)} (1 m 05 s)" in drawn(stage.watched, 100, 30, now=NOW + 65_000)[0]


def test_an_unknown_or_missing_file_of_parts_gives_no_footer_or_says_so(stage: Stage) -> None:
    assert "kafka" not in "".join(drawn(stage.watched, 100, 40, None))
    assert drawn(stage.watched, 100, 40, [])[-1].strip() == "parts: not known"


def test_above_the_parts_stand_the_addresses_of_the_dashboard_and_the_others(stage: Stage) -> None:
    assert drawn(stage.watched, 100, 40)[-2].strip() == f"dashboard {stage.watched.url.replace('ws:', 'http:')}"
    stage.watched.others = [("shop", "http://127.0.0.1:2/"), ("prometheus", "http://127.0.0.1:3/")]
    shown = drawn(stage.watched, 100, 40)[-2].strip()
    assert shown.endswith("  shop http://127.0.0.1:2/  prometheus http://127.0.0.1:3/")
    *_, above, below, parts = drawn(stage.watched, 60, 40)
    assert above.strip().endswith("shop http://127.0.0.1:2/")
    assert below.strip() == "prometheus http://127.0.0.1:3/"
    assert "kafka" in parts


def test_strangers_texts_cannot_steer_the_terminal(stage: Stage) -> None:
    lines = [*drawn(stage.watched, 140, 40), *Lines().next(stage.watched, NOW)]
    assert any("/evil" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_plain_lines_tell_the_numbers_and_each_alert_once(stage: Stage) -> None:
    lines = Lines()
    told, numbers = lines.next(stage.watched, NOW)
    assert "ALERT MEDIUM HIGH_BOUNCE_RATE" in told
    for part in ("default live", "12.3 views/s (now 5.5)", "100 users", "bounce 42.1%", "top / (1200)"):
        assert part in numbers
    assert len(lines.next(stage.watched, NOW)) == 1


def test_a_flood_of_alerts_is_five_lines_and_a_number(stage: Stage) -> None:
    lines = Lines()
    for flood in range(200):
        stage.hub.take_alert(alert(f"flood-{flood}"), T)
        stage.flush()
    told = lines.next(stage.watched, NOW)
    assert len(told) == 7
    assert told[5].endswith("and 196 more")


def test_plain_lines_without_data_tell_why() -> None:
    watched = Watched("default", "ws://127.0.0.1:1")
    assert Lines().next(watched, NOW) == [f"{clock(NOW)} default connecting to ws://127.0.0.1:1 …"]


def test_numbers_read_well() -> None:
    assert [number(BOUNCE_RATE, 0.421), number(ACTIVE_USERS, 12_345.0), number(ACTIVE_USERS, None)] == [
        "42.1%",
        "12,345",
        "–",
    ]
    assert number(AVERAGE_SESSION_DURATION, 65.0) == "1 m 05 s"
    assert [duration(seconds) for seconds in (0, 59.94, 59.96, 3_599.6, 7_380)] == [
        "0.0 s",
        "59.9 s",
        "1 m 00 s",
        "1 h 00 m",
        "2 h 03 m",
    ]
    assert [change(a, b) for a, b in ((10, 12), (10, 5), (3, 3), (0, 3), (0, 0), (None, 1))] == [
        "▲ 20%",
        "▼ 50%",
        "=",
        "▲",
        "=",
        "",
    ]
    assert [sparkline(values) for values in ([], [0, 0], [5, 5], [0, 7])] == ["", "▁▁", "▄▄", "▁█"]
    assert clock(NOW) == f"{datetime.fromtimestamp(NOW / 1000):%H:%M:%S}"
