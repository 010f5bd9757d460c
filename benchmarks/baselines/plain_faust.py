"""Tumbling counts as Faust's users write them: an agent, models, windowed tables, a timer that sends what changed.

Less than Tidemark's job: each site's page views and each visitor's events in windows of 5 s, no sliding windows,
visits, bounces, duplicates, dead letters. Reads EVENTS from KAFKA in group GROUP, writes RESULTS (folder: STATE).
"""

import logging
import os

import mode.loop

mode.loop.use("uvloop")

import faust

PARTITIONS = 12
#: Faust lets windows go by the wall clock; the log is a few hours old.
KEEP_SECONDS = 86_400


class Event(faust.Record, coerce=False):
    """The fields that are counted."""

    timestamp: int
    eventType: str  # noqa: N815
    siteId: str  # noqa: N815
    sessionId: str  # noqa: N815
    userId: str = ""  # noqa: N815


app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['KAFKA']}",
    datadir=os.environ["STATE"],
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    web_enabled=False,
    broker_commit_interval=1.0,
    consumer_auto_offset_reset="earliest",
)
events = app.topic(os.environ["EVENTS"], value_type=Event, key_type=bytes)
results = app.topic(os.environ["RESULTS"], value_serializer="json", key_type=str)


def tumbling(name):
    """Return a table of counts in windows of 5 s of event time."""
    table = app.Table(name, default=int, partitions=PARTITIONS)
    return table.tumbling(5.0, expires=KEEP_SECONDS).relative_to(lambda event: event.value.timestamp / 1000)


# Sites are counted without a group_by: one worker has every partition, and the events need not pass Kafka once more.
views = tumbling("views")
visitors = tumbling("visitors")
changed: dict[tuple[str, int], int] = {}


@app.agent(events)
async def count(stream):
    """Count each event in its window."""
    async for event in stream:
        visitors[f"{event.siteId}/{event.userId or event.sessionId}"] += 1
        if event.eventType == "PAGE_VIEW":
            views[event.siteId] += 1
            changed[event.siteId, event.timestamp // 5_000 * 5_000] = views[event.siteId].value()


@app.timer(1.0)
async def send():
    """Send the windows that changed, once a second."""
    now = dict(changed)
    changed.clear()
    for (site, start), seen in now.items():
        result = {"window": "tumbling", "site": site, "start": start, "count": seen}
        await results.send(key=f"tumbling/{site}/{start}", value=result)


if __name__ == "__main__":
    logging.getLogger("faust").setLevel(logging.ERROR)  # it warns of each hundred changelog messages
    faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True).execute_from_commandline()
