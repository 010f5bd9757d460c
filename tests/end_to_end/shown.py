"""What a page must be shown of what is on the topics."""

from typing import Any

from tests.support.exactness import Observed
from tidemark.results import MetricUpdate


def wire_name(metric: str) -> str:
    first, *rest = metric.split("_")
    return first + "".join(word.title() for word in rest)


def shown(final: MetricUpdate) -> Any:
    """A final's value on the WebSocket's wire: a list's entries, or the number."""
    if final.dimensions is None:
        return final.value
    return [{"key": entry.key, "value": entry.value} for entry in final.dimensions]


def last_points(seen: Observed, site: str, metric: str, now: int) -> list[tuple[int, bool, Any]]:
    """The last 20 windows that have ended: each one's final, or its newest early result."""
    newest: dict[int, MetricUpdate] = {}
    for update in [*seen.early, *seen.finals.values()]:
        if (update.site_id, update.metric) == (site, metric) and update.window_end <= now:
            known = newest.get(update.window_end)
            if known is None or (update.final, update.revision) > (known.final, known.revision):
                newest[update.window_end] = update
    return [(end, newest[end].final, shown(newest[end])) for end in sorted(newest)[-20:]]


def points_told(snapshot: dict[str, Any], metric: str) -> list[tuple[int, bool, Any]]:
    """What a snapshot tells of a metric, in the form of ``last_points``."""
    return [
        (point["windowEnd"], point["final"], point.get("dimensions", point["value"]))
        for point in snapshot["points"][wire_name(metric)]
    ]
