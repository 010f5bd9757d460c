"""What comes out of the streams, on the wire: metric updates, session summaries, alerts, dead letters."""

import zlib

import msgspec
from msgspec import Struct

from tidemark.events import FUTURE_TIMESTAMP, INVALID_FIELD, LATE, UNDECODABLE

TUMBLING_5S = "TUMBLING_5S"
SLIDING_60S = "SLIDING_60S"

PAGE_VIEWS_PER_SECOND = "page_views_per_second"
ACTIVE_USERS = "active_users"
BOUNCE_RATE = "bounce_rate"
AVERAGE_SESSION_DURATION = "average_session_duration"
EVENTS_BY_OUTCOME = "events_by_outcome"
CONVERSION_RATE = "conversion_rate"
REVENUE_PER_USER = "revenue_per_user"
POPULAR_CONTENT = "popular_content"
GEOGRAPHIC_DISTRIBUTION = "geographic_distribution"

TUMBLING_METRICS = (PAGE_VIEWS_PER_SECOND, ACTIVE_USERS, BOUNCE_RATE, AVERAGE_SESSION_DURATION, EVENTS_BY_OUTCOME)
SLIDING_METRICS = (CONVERSION_RATE, REVENUE_PER_USER, POPULAR_CONTENT, GEOGRAPHIC_DISTRIBUTION)
#: Each metric with its window type. A metric's name is its InfluxDB measurement.
METRICS = dict.fromkeys(TUMBLING_METRICS, TUMBLING_5S) | dict.fromkeys(SLIDING_METRICS, SLIDING_60S)
#: Metrics that are fractions 0..1 in topics and over WebSocket, and percent in InfluxDB.
RATES = frozenset({BOUNCE_RATE, CONVERSION_RATE})
#: Metrics whose content is the list in ``dimensions``.
LISTS = frozenset({POPULAR_CONTENT, GEOGRAPHIC_DISTRIBUTION, EVENTS_BY_OUTCOME})

#: What can become of a record of the events topic; each way that is not one of these two is a reason in lower case.
ACCEPTED, DUPLICATE = "accepted", "duplicate"
#: All of them, in the order in which events_by_outcome lists them.
OUTCOMES = (ACCEPTED, DUPLICATE, *(each.lower() for each in (LATE, UNDECODABLE, INVALID_FIELD, FUTURE_TIMESTAMP)))

HIGH_BOUNCE_RATE = "HIGH_BOUNCE_RATE"
MEDIUM = "MEDIUM"


class Dimension(Struct, gc=False):
    """One entry of a list: a url and its page views, a country and its visitors, an outcome and its count."""

    key: str
    value: int


class MetricUpdate(Struct, rename="camel", gc=False, omit_defaults=True, kw_only=True):
    """One metric of one site for one window: start inclusive, end exclusive, ms since the epoch.

    ``value`` is rounded half-even to 10⁻⁶ (for a list: the sum of its entries). ``count`` is the denominator of a
    rate or mean, the page views of page_views_per_second, the visitors of active_users, the length of a list.
    ``revision`` never goes back for a window; readers drop a lower one, and an early result after a final.
    A final is repeated only identically, but for ``emitted_at`` (ms, the worker's clock).
    """

    site_id: str
    metric: str
    window_type: str
    window_start: int
    window_end: int
    value: float
    count: int
    final: bool
    revision: int
    emitted_at: int
    dimensions: list[Dimension] | None = None

    def key(self) -> bytes:
        """The record key: one for all revisions of a window, so that compaction keeps the last."""
        return msgspec.json.encode((self.site_id, self.metric, self.window_start))

    def partition(self, partitions: int) -> int:
        """The partition: one for all windows of a site's metric, so that a reader sees them in order."""
        return zlib.crc32(f"{self.site_id}\0{self.metric}".encode()) % partitions

    def supersedes(self, known: "MetricUpdate | None") -> bool:
        """Say whether a reader that knows ``known`` of the same window should take this one.

        False for a lower revision, for anything after a final. An equal revision is taken: a partition's first record
        is offset 0 and adds nothing to the sum.
        """
        if known is None:
            return True
        if known.final:
            return False
        return self.final or self.revision >= known.revision


class SessionSummary(Struct, rename="camel", gc=False, omit_defaults=True, kw_only=True):
    """One visit, when it is over. Times in ms since the epoch; ``end_time`` is its last event's.

    ``path`` holds the first 50 urls in order. ``bounced``: exactly one page view. ``funnel_step``: how many of the
    funnel's steps were reached in their order. ``abandoned``: past the first step, not to the end.
    """

    site_id: str
    visit_id: str
    visitor: str
    session_id: str
    start_time: int
    end_time: int
    duration_seconds: float
    events: int
    page_views: int
    path: list[str]
    bounced: bool
    converted: bool
    revenue: float
    funnel_step: int
    abandoned: bool
    behaviour: str
    entry_page: str | None = None
    exit_page: str | None = None
    device_type: str | None = None
    browser: str | None = None
    country: str | None = None
    referrer: str | None = None

    def key(self) -> bytes:
        """The record key."""
        return self.session_id.encode()


class Alert(Struct, rename="camel", gc=False, kw_only=True):
    """Something somebody should look at. ``alert_id`` is deterministic; ``timestamp`` = ``window_end`` (ms)."""

    alert_id: str
    alert_type: str
    severity: str
    title: str
    description: str
    site_id: str
    user_id: str
    window_start: int
    window_end: int
    timestamp: int

    def key(self) -> bytes:
        """The record key."""
        return self.alert_id.encode()


class DeadLetter(Struct, rename="camel", gc=False, kw_only=True):
    """A record that could not be used: where it was read, why, and its bytes (base64 on the wire)."""

    reason: str
    text: str
    topic: str
    partition: int
    offset: int
    record: bytes


_encoder = msgspec.json.Encoder()

Result = MetricUpdate | SessionSummary | Alert | DeadLetter


def encode(result: Result) -> bytes:
    """Encode as the JSON of the wire."""
    return _encoder.encode(result)


decode_metric = msgspec.json.Decoder(MetricUpdate).decode
decode_session = msgspec.json.Decoder(SessionSummary).decode
decode_alert = msgspec.json.Decoder(Alert).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
