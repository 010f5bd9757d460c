"""``tidemark dead-letters`` on the real broker, with letters of a real worker and such put by hand."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.addresses import free_ports
from operations.rules import iso
from tests.operations.letters import command, event, letter, lines, listed, now, put, send
from tests.sinks.results import visit
from tests.support import wait
from tests.support.exactness import observe
from tests.support.kafka_log import read_log
from tests.support.parts import running
from tidemark.cli import app
from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, LATE, REFUSED, UNDECODABLE
from tidemark.results import PAGE_VIEWS_PER_SECOND, encode
from tidemark.settings import Settings
from tidemark.topics import DEAD_LETTERS, EVENTS, REDRIVEN_FROM_HEADER, SESSIONS

MINUTE_MS = 60_000


def test_what_a_worker_set_aside_is_listed_and_shown(settings: Settings, tmp_path: Path) -> None:
    offset = send(settings, EVENTS, b'{"siteId":"shop","userId":"eve","timestamp":"\xe2\x82\xac"}', b"eve", partition=3)
    send(settings, EVENTS, b"\xff\x00", b"bob", partition=3)
    with running(settings, tmp_path / "streams.log", "streams", "run") as worker:
        wait.until(lambda: len(listed(settings)[0]) == 2, 40.0, lambda: worker.log)
    rows, totals = listed(settings, "--reason", "invalid_field", "--topic", "events", "--since", "1h")
    assert totals == {INVALID_FIELD: 1}
    [row] = rows
    assert abs(row.pop("time") - now()) < MINUTE_MS
    assert "timestamp: expected" in row.pop("text")
    assert row == {
        "id": f"{EVENTS.name}-3-{offset}",
        "reason": INVALID_FIELD,
        "topic": EVENTS.name,
        "partition": 3,
        "offset": offset,
        "site": "shop",
        "visitor": "eve",
    }
    shown = command(settings, "show", "events", "3", str(offset))
    assert shown.returncode == 0
    assert '  "timestamp": "€"' in shown.stdout.splitlines()
    assert "ff 00" in command(settings, "show", f"events-3-{offset + 1}").stdout
    assert f"events-3-{offset}" in (table := command(settings, "list").stdout)
    assert "2 dead letters: 1 INVALID_FIELD, 1 UNDECODABLE" in table or "1 UNDECODABLE, 1 INVALID_FIELD" in table


def test_the_newest_of_each_once_and_only_since_then(settings: Settings) -> None:
    put(settings, letter(b"1", LATE, 1), letter(b"2", LATE, 2), letter(b"1", LATE, 1))
    moment = now() + 1
    wait.until(lambda: now() > moment, 1.0)
    put(settings, letter(b"3", UNDECODABLE, 3))
    send(settings, DEAD_LETTERS, b"no letter")
    rows, totals = listed(settings, "--limit", "2")
    assert [row["offset"] for row in rows] == [3, 2]
    assert totals == {LATE: 2, UNDECODABLE: 1}
    assert [row["offset"] for row in listed(settings, "--since", iso(moment))[0]] == [3]


def test_an_event_that_was_too_far_ahead_is_sent_again_and_counts_once(settings: Settings, tmp_path: Path) -> None:
    record = event(now() + MINUTE_MS)
    put(settings, letter(record, FUTURE_TIMESTAMP, 1))
    chosen = ("redrive", "--id", "events-3-1")
    place = f"{EVENTS.name}-3-1"
    assert lines(command(settings, *chosen, "--dry-run")) == [["possible", place]]
    with running(settings, tmp_path / "streams.log", "streams", "run") as worker:
        done = command(settings, *chosen)
        assert done.returncode == 0, done.stderr
        [sent] = [found for found in read_log(settings, EVENTS) if found.value == record]
        assert (sent.partition, sent.key, sent.headers) == (3, b"ann", {REDRIVEN_FROM_HEADER: place.encode()})
        assert lines(done) == [["sent", place, "→", f"{EVENTS.name}-3-{sent.offset}"]]
        # As a run does that ended before the letter was marked.
        send(settings, EVENTS, record, partition=3)
        wait.until(lambda: views(settings), 40.0, lambda: worker.log)
        again = command(settings, *chosen)
        assert again.returncode == 0
        assert lines(again) == [["earlier", place, "→", f"{EVENTS.name}-3-{sent.offset}"]]
        barrier = event(now() + MINUTE_MS, site_id="after")
        send(settings, EVENTS, barrier, partition=3)
        wait.until(lambda: "after" in {update.site_id for update in observe(settings).early}, 20.0, lambda: worker.log)
    assert views(settings) == {1}
    [row] = listed(settings)[0]
    assert row["redrivenTo"] == f"{EVENTS.name}-3-{sent.offset}"


def views(settings: Settings) -> set[int]:
    """Return the page views that any result counts for the shop."""
    updates = [*observe(settings).early, *observe(settings).finals.values()]
    return {one.count for one in updates if one.site_id == "shop" and one.metric == PAGE_VIEWS_PER_SECOND and one.count}


def test_what_would_not_be_used_is_refused_and_the_rest_is_sent(settings: Settings) -> None:
    put(
        settings,
        letter(event(now()), LATE, 1),
        letter(event(now() + MINUTE_MS, session_id=""), INVALID_FIELD, 2),
        letter(event(now() + MINUTE_MS), INVALID_FIELD, 3),
        letter(event(now() + 10 * MINUTE_MS), FUTURE_TIMESTAMP, 4),
        letter(event(now() - MINUTE_MS), UNDECODABLE, 5),
    )
    done = command(
        settings, "redrive", "--since", "1h", "--topic", "events", "--id", "events-3-77", "--id", "events-3-1"
    )
    assert done.returncode == 1
    assert [line[:2] for line in lines(done)] == [["refused", f"{EVENTS.name}-3-{n}"] for n in (77, 1)]
    done = command(settings, "redrive", "--since", "1h")
    assert done.returncode == 1
    said = {line[1].removeprefix(f"{EVENTS.name}-3-"): " ".join(line) for line in lines(done)}
    assert "late again" in said["1"]
    assert "INVALID_FIELD: sessionId: expected" in said["2"]
    assert said["3"].startswith("sent")
    assert "still too far ahead" in said["4"]
    assert "would be late now" in said["5"]
    assert len(read_log(settings, EVENTS)) == 1


def test_a_result_that_a_sink_refused_goes_back_to_its_topic(settings: Settings) -> None:
    value = encode(visit())
    refused = letter(value, REFUSED, 5, settings.topic(SESSIONS.name), partition=4)  # sinks write the whole name
    send(settings, DEAD_LETTERS, encode(refused), key=None)
    done = command(settings, "redrive", "--reason", "REFUSED")
    assert done.returncode == 0, done.stderr
    [record] = read_log(settings, SESSIONS)
    assert (record.partition, record.key, record.value) == (4, None, value)
    assert lines(done) == [["sent", f"{SESSIONS.name}-4-5", "→", f"{SESSIONS.name}-4-{record.offset}"]]


def test_a_record_whose_partition_is_gone_fails_and_is_not_marked(settings: Settings) -> None:
    put(settings, letter(encode(visit()), REFUSED, 5, SESSIONS.name, partition=99))
    done = command(settings, "redrive", "--topic", SESSIONS.name)
    assert (done.returncode, lines(done)[0][0]) == (1, "failed")
    assert "redrivenTo" not in listed(settings)[0][0]


@pytest.mark.parametrize(
    "words",
    [
        ["redrive"],
        ["redrive", "--id", "events-3"],
        ["redrive", "--reason", "SAD"],
        ["list", "--since", "yesterday"],
        ["list", "--topic", "none"],
        ["list", "--limit", "0"],
        ["show", "events", "3"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["dead-letters", *words], env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 2
    assert "expected" in result.output or "--limit" in result.output


def test_a_letter_that_is_not_there_and_a_broker_that_is_not_there_end_with_1(settings: Settings) -> None:
    assert command(settings, "show", "events-3-1").returncode == 1
    away = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{free_ports()}"})
    done = command(away, "list")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be read" in done.stderr
