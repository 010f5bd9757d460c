"""The gateway's messages, by their shape on the wire: what a client may ask, and all that the gateway says.

Names are camelCase, times in ms since the epoch. A client sends objects with an ``action``, the gateway sends objects
with a ``type``. Unknown fields are ignored on both sides, so that either may learn new ones first.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tidemark.results import LISTS, METRICS, Alert, Dimension
from websocket_gateway.codes import ERRORS

VERSION = 1
#: Each metric's name on this wire with its name in topics, e.g. pageViewsPerSecond → page_views_per_second.
WIRE_NAMES = {name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]): name for name in METRICS}
ALL_METRICS = frozenset(METRICS)
#: The metrics that are one number, of which there is a history.
NUMBERS = ALL_METRICS - LISTS

#: Where the protocol's document keeps the messages' shapes.
SCHEMAS = "#/components/schemas/"

RequestId = Annotated[str, Meta(max_length=64)] | int | None
SiteName = Annotated[str, Meta(min_length=1, max_length=64)] | None
# What stands only in the schema is checked elsewhere (requests.py), or is the gateway's own.
MetricName = Annotated[str, Meta(extra_json_schema={"enum": list(WIRE_NAMES)})]
NumberName = Annotated[
    str, Meta(extra_json_schema={"enum": [wire for wire in WIRE_NAMES if WIRE_NAMES[wire] in NUMBERS]})
]
ErrorCode = Annotated[str, Meta(extra_json_schema={"enum": list(ERRORS)})]

_POINTS = {"type": "object", "additionalProperties": {"type": "array", "items": {"$ref": SCHEMAS + "Point"}}}


class Since(Struct, rename="camel", omit_defaults=True):
    """What a client has of a site: the ``offset`` of its last metrics message or snapshot.

    ``alert_offset``: that of its last alert, or the snapshot's if none came after it; absent: the same as ``offset``.
    """

    epoch: Annotated[str, Meta(max_length=64)]
    offset: Annotated[int, Meta(ge=0)]
    alert_offset: Annotated[int, Meta(ge=0)] | None = None


class Subscribe(Struct, tag_field="action", tag="subscribe", omit_defaults=True):
    """Ask for a site's metrics (absent: all; empty: none, only its alerts) in place of what was asked before.

    With ``since``, for what has come since then instead of a snapshot; the metrics must be the same as before.
    ``visits``: for the visits messages too, which are about single visitors.
    """

    metrics: list[MetricName] | None = None
    site: SiteName = None
    id: RequestId = None
    since: Since | None = None
    visits: bool = False


class Unsubscribe(Struct, tag_field="action", tag="unsubscribe", omit_defaults=True):
    """Give up some of a site's metrics, or with ``metrics`` absent the whole site with its alerts."""

    metrics: list[MetricName] | None = None
    site: SiteName = None
    id: RequestId = None


class History(Struct, tag_field="action", tag="history", omit_defaults=True):
    """Ask for the finals of a site's last ``minutes``: of metrics (absent: all) that are one number, not a list."""

    minutes: Literal[5, 15, 60]
    metrics: list[NumberName] | None = None
    site: SiteName = None
    id: RequestId = None


class Ping(Struct, tag_field="action", tag="ping", omit_defaults=True):
    """Ask whether the gateway is there and what time it has."""

    id: RequestId = None


Request = Subscribe | Unsubscribe | History | Ping


class Limits(Struct, rename="camel", frozen=True, kw_only=True):
    """What the gateway holds its clients to; announced in the hello."""

    max_message_bytes: int = 16_384
    max_messages_per_second: int = 50
    max_sites: int = 32
    flush_interval_ms: int = 20
    stall_timeout_ms: int = 10_000
    simple_interval_ms: int = 5_000
    points: int = 20
    alerts: int = 100


class Hello(Struct, rename="camel", tag_field="type", tag="hello", kw_only=True):
    """The first message of a connection. ``offset`` counts within one ``epoch``: one start of one gateway."""

    epoch: str
    server_time: int
    protocol: int = VERSION
    limits: Limits


class Values(Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One value a metric; rates are fractions 0..1, the duration is in seconds; what is not told is left out."""

    page_views_per_second: float | UnsetType = UNSET
    active_users: float | UnsetType = UNSET
    bounce_rate: float | UnsetType = UNSET
    average_session_duration: float | UnsetType = UNSET
    events_by_outcome: list[Dimension] | UnsetType = UNSET
    conversion_rate: float | UnsetType = UNSET
    revenue_per_user: float | UnsetType = UNSET
    popular_content: list[Dimension] | UnsetType = UNSET
    geographic_distribution: list[Dimension] | UnsetType = UNSET


class Window(Struct, rename="camel", frozen=True):
    """Which window a top-level value is of: its end (ms, exclusive), and whether the value is final."""

    end: int
    final: bool
    revision: int


class Flat(Values, rename="camel", omit_defaults=True, kw_only=True):
    """A site's state, or what is new of it: laid over what a client has, it gives the newest state.

    At the top: each metric's value in its newest window that has ended by ``timestamp``; early results count,
    ``windows`` tells. ``current``: of the windows that contain ``timestamp``, the one that ends first. ``current`` and
    ``windows``, when they are there, name all metrics that have one, so that the old ones can be thrown away whole.
    """

    site: str
    offset: int
    timestamp: int
    current: Values | UnsetType = UNSET
    windows: dict[str, Window] | UnsetType = UNSET


class Point(Struct, rename="camel", omit_defaults=True, frozen=True):
    """A metric's value in a window that has ended; a list's value is the sum of its ``dimensions``."""

    window_end: int
    value: float
    final: bool
    dimensions: list[Dimension] | UnsetType = UNSET


class MetricsMessage(Flat, rename="camel", tag_field="type", tag="metrics", omit_defaults=True, kw_only=True):
    """What has changed of a site since the last message about it; ``offset`` grows from message to message.

    ``earlier``: windows that ended before those at the top and are new to the client, or have changed: because it was
    away, read slowly, or a final came late. Oldest first; each takes the place of a point with the same ``windowEnd``.
    """

    earlier: dict[str, list[Point]] | UnsetType = UNSET


class AlertMessage(Alert, rename="camel", tag_field="type", tag="alert", omit_defaults=True, kw_only=True):
    """An alert of a subscribed site. ``lagged``: so many before it were dropped, because the client was slow."""

    offset: int
    lagged: int = 0


class Visit(Struct, rename="camel", omit_defaults=True, kw_only=True, frozen=True):
    """A visit that is over. ``path``: its first 10 urls; ``funnel_step``: how many of the funnel's steps it reached."""

    visit_id: str
    visitor: str
    start_time: int
    end_time: int
    duration_seconds: float
    page_views: int
    path: list[str]
    entry_page: str | None = None
    exit_page: str | None = None
    converted: bool
    revenue: float
    funnel_step: int
    behaviour: str
    device_type: str | None = None
    browser: str | None = None
    country: str | None = None
    referrer: str | None = None


class Funnel(Struct, frozen=True):
    """The visits that were over in the last full ``minutes`` or are since then; how many reached each step, in order.

    A visit is over with its SESSION_END, or after 30 minutes without an event.
    """

    minutes: int
    visits: int
    steps: list[Dimension]


class VisitsMessage(Struct, rename="camel", tag_field="type", tag="visits", kw_only=True):
    """A site's visits, whole each time, for who has asked for ``visits``: at once, then when they have changed.

    At most once a second. ``latest``: the 20 that ended last, newest first.
    """

    site: str
    offset: int
    timestamp: int
    latest: list[Visit]
    funnel: Funnel


class Snapshot(Flat, rename="camel", omit_defaults=True, kw_only=True):
    """The whole state of a site, with the last points of each metric and the last alerts, both oldest first."""

    points: dict[str, list[Point]]
    alerts: list[AlertMessage]


class Subscribed(Struct, rename="camel", tag_field="type", tag="subscribed", omit_defaults=True, kw_only=True):
    """The answer to subscribe. ``snapshot`` is a Snapshot, encoded once for all who ask for the same.

    ``recovered``, only if ``since`` was asked for: true, and no snapshot comes but what was missed, each change and
    each alert once, as messages like all others; or false, because it is too long ago or of another epoch.
    """

    id: RequestId = None
    site: str
    metrics: list[MetricName]
    recovered: bool | UnsetType = UNSET
    snapshot: Annotated[Raw, Meta(extra_json_schema={"$ref": SCHEMAS + "Snapshot"})] | UnsetType = UNSET


class Unsubscribed(Struct, rename="camel", tag_field="type", tag="unsubscribed", omit_defaults=True, kw_only=True):
    """The answer to unsubscribe. ``metrics``: what of the site still comes."""

    id: RequestId = None
    site: str
    metrics: list[MetricName]


class HistoryMessage(Struct, rename="camel", tag_field="type", tag="history", omit_defaults=True, kw_only=True):
    """The answer to history. ``points``: each metric's finals, oldest first, as they were a few seconds ago at most."""

    id: RequestId = None
    site: str
    minutes: int
    points: Annotated[Raw, Meta(extra_json_schema=_POINTS)]


class Pong(Struct, rename="camel", tag_field="type", tag="pong", omit_defaults=True, kw_only=True):
    """The answer to ping."""

    id: RequestId = None
    server_time: int


class ErrorMessage(Struct, rename="camel", tag_field="type", tag="error", omit_defaults=True, kw_only=True):
    """What was wrong with a client's message; nothing has changed. ``temporary``: the same may work later."""

    id: RequestId = None
    code: ErrorCode
    message: str
    temporary: bool = False


class Close(Struct, rename="camel", tag_field="type", tag="close"):
    """The last event of a stream of Server-Sent Events, with the code and the reason of a WebSocket's close."""

    code: int
    reason: str


ServerMessage = (
    Hello
    | Subscribed
    | Unsubscribed
    | HistoryMessage
    | MetricsMessage
    | AlertMessage
    | VisitsMessage
    | Pong
    | ErrorMessage
)


encode = msgspec.json.Encoder().encode
_server_message: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
decode_server_message = _server_message.decode
decode_snapshot = msgspec.json.Decoder(Snapshot).decode


def wire_names(metrics: frozenset[str]) -> list[str]:
    """Return metrics by their names on this wire, in the one fixed order."""
    return [wire for wire, name in WIRE_NAMES.items() if name in metrics]
