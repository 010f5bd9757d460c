"""The windows as Quix Streams' users write them: one application, a dataframe a key, final results when they close.

Less than Tidemark's job: counts instead of distinct visitors, no duplicates, dead letters or early results; a session
is a visitor's, whatever its id. It reads EVENTS from KAFKA in group GROUP and writes RESULTS; its folder is STATE.
"""

import os
from datetime import timedelta

import quixstreams.dataframe.windows.aggregations as agg
from quixstreams import Application

#: Partitions are read unevenly, and all of an application's share one clock: less grace drops events that are on time.
GRACE = timedelta(hours=1)

app = Application(
    broker_address=os.environ["KAFKA"],
    consumer_group=os.environ["GROUP"],
    state_dir=os.environ["STATE"],
    auto_offset_reset="earliest",
    commit_interval=1.0,
    loglevel="WARNING",
)
events = app.topic(
    os.environ["EVENTS"],
    key_deserializer="str",
    value_deserializer="json",
    timestamp_extractor=lambda value, headers, timestamp, timestamp_type: value["timestamp"],
)
results = app.topic(os.environ["RESULTS"], key_serializer="str", value_serializer="json")


def send(windows, name):
    """Send each closed window under a key of its own."""
    windows = windows.apply(
        lambda window, key, timestamp, headers: {"window": name, "site": str(key), **window}, metadata=True
    )
    windows.to_topic(results, key=lambda result: f"{name}/{result['site']}/{result['start']}")


def is_view(event):
    """Say whether a page was viewed."""
    return event["eventType"] == "PAGE_VIEW"


def slim(event):
    """Keep what is counted: less to write when it is grouped anew."""
    conversion = event.get("conversionData") or {}
    return {
        "eventType": event["eventType"],
        "siteId": event["siteId"],
        "views": int(is_view(event)),
        "conversions": int(event["eventType"] == "CONVERSION"),
        "revenue": conversion.get("value", 0.0),
    }


by_visitor = app.dataframe(events).apply(slim)
by_site = by_visitor.group_by("siteId")

tumbling = by_site.tumbling_window(timedelta(seconds=5), grace_ms=GRACE)
send(tumbling.agg(count=agg.Sum("views")).final(closing_strategy="partition"), "tumbling")

sliding = by_site.hopping_window(timedelta(seconds=60), timedelta(seconds=10), grace_ms=GRACE)
send(
    sliding.agg(count=agg.Count(), conversions=agg.Sum("conversions"), revenue=agg.Sum("revenue")).final(
        closing_strategy="partition"
    ),
    "sliding",
)

sessions = by_visitor.session_window(timedelta(minutes=30), grace_ms=GRACE)
send(sessions.agg(count=agg.Count(), views=agg.Sum("views")).final(closing_strategy="partition"), "session")

bounces = by_visitor.filter(is_view).tumbling_window(timedelta(minutes=5), grace_ms=GRACE, name="bounces")
alerts = bounces.agg(count=agg.Count()).final(closing_strategy="partition")
send(alerts.filter(lambda window: window["count"] == 1), "alert")

if __name__ == "__main__":
    app.run()
