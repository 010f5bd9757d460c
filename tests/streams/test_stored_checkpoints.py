"""Checkpoints as versions of Tidemark have written them, byte by byte: read, or refused with a text that says why."""

import asyncio
import json
from pathlib import Path

import pytest

from streams.app import GROUP
from streams.checkpoints import Checkpoints
from streams.log_reader import LogReader
from streams.windows import checkpoint, partials
from streams.windows.checkpoint import StateError
from streams.windows.merge import MergeWindows
from streams.windows.partials import Marker
from streams.windows.partition import PartitionWindows
from tests.streams.test_restarts import said
from tests.streams.test_workers import RUN
from tests.support.kafka_log import read_log
from tests.support.parts import running
from tests.support.reference import DEFAULT_FUNNEL, LogRecord
from tests.support.stages import LATENESS_MS, consumed
from tests.support.timeline import log_of, timeline
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS, EVENTS, METRICS

PARTITION = 3
START_MS = 1_767_225_600_000
#: Of what stands in stored/: two sites, an open pane, a conversion, a duplicate, and a record that is no event.
LOG = log_of(
    timeline(
        """
        shop:ann  SP.a..|...C.|..
        bob       .P....|P....|b.
        """,
        start_ms=START_MS,
    ),
    partition=PARTITION,
)
LOG += [
    LogRecord(PARTITION, len(LOG), START_MS + 11_000, LOG[-1].value),
    LogRecord(PARTITION, len(LOG) + 1, START_MS + 11_000, b"{"),
]

Entries = dict[bytes, bytes]


def stored(layout: int) -> tuple[Entries, Entries]:
    """Return what a worker of that layout had written after LOG: for its source partition, and for a merge."""
    file = Path(__file__).parent / "stored" / f"layout-{layout}.json"
    source, merge = (
        {key.encode("latin-1"): value.encode("latin-1") for key, value in entries.items()}
        for entries in json.loads(file.read_text())
    )
    return source, merge


def written_now() -> tuple[checkpoint.Changes, checkpoint.Changes]:
    """Return what this version writes after LOG."""
    windows = PartitionWindows(PARTITION, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    merge = MergeWindows(EVENTS.partitions)
    for record in LOG:
        out = windows.feed([consumed(record)])
        for chunk in (chunk for partial in out.partials for chunk in partial.chunks()):
            merge.offset += 1
            message = partials.decode(partials.encode(chunk))
            assert not isinstance(message, Marker)
            merge.add(message)
        merge.offset += 1
        merge.progress(PARTITION, out.progress)
    return windows.changes(), merge.changes()


def test_who_changes_the_form_of_a_checkpoint_changes_its_layout() -> None:
    """If this fails, an old checkpoint would be misread: raise LAYOUT, and store what is written then beside it."""
    for entries, changes in zip(stored(2), written_now(), strict=True):
        assert dict(changes) == entries


def test_a_checkpoint_of_the_layout_before_is_refused() -> None:
    source, merge = stored(1)
    says = "made with layout 1, this worker has layout 2; a change of these is a new topic and a cut-over"
    with pytest.raises(StateError, match=says):
        PartitionWindows.restored(source, PARTITION, lateness_ms=LATENESS_MS, funnel=DEFAULT_FUNNEL)
    with pytest.raises(StateError, match=says):
        MergeWindows.restored(merge, EVENTS.partitions)


def test_a_worker_that_finds_an_old_checkpoint_says_so_and_touches_nothing(settings: Settings, tmp_path: Path) -> None:
    _write(settings, stored(1)[0])
    before = read_log(settings, CHECKPOINTS)
    with running(settings, tmp_path / "worker.log", *RUN) as worker:
        assert worker.process.wait(30) == 1, worker.log
        [line] = said(worker, "worker ends")
    assert "made with layout 1, this worker has layout 2" in line["error"]
    assert read_log(settings, CHECKPOINTS) == before
    assert read_log(settings, METRICS) == []


def _write(settings: Settings, entries: Entries) -> None:
    async def write() -> None:
        checkpoints = Checkpoints(settings, GROUP, reader)
        await checkpoints.take_over([PARTITION])
        await checkpoints.commit(PARTITION, list(entries.items()))
        await checkpoints.close()

    reader = LogReader(settings)
    asyncio.run(write())
    reader.close()
