"""From a result's record, as read from its topic, to its lines of line protocol."""

from collections.abc import Callable

import msgspec

from sinks.batch import Record, Rejected
from sinks.lines import InvalidResultError, alert_line, door_lines, metric_lines, session_line
from tidemark.counts import decode_counts
from tidemark.events import INVALID_FIELD, UNDECODABLE
from tidemark.results import decode_alert, decode_metric, decode_session
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DOOR_COUNTS, METRICS, SESSIONS

Decode = Callable[[Record], list[str] | Rejected]


def result_topics(settings: Settings) -> list[str]:
    """Return the topics whose records have a place in InfluxDB."""
    return [settings.topic(topic.name) for topic in (METRICS, SESSIONS, ALERTS, DOOR_COUNTS)]


def result_decoder(settings: Settings) -> Decode:
    """Return what turns a record of ``result_topics`` into its lines, or says why it has none.

    UNDECODABLE: not strict UTF-8 JSON. INVALID_FIELD: anything else that is wrong with it.
    """
    metrics, sessions, alerts, door_counts = result_topics(settings)
    session_id_tag = settings.influxdb_session_id_tag
    of_topic: dict[str, Callable[[bytes], list[str]]] = {
        metrics: lambda value: metric_lines(decode_metric(value)),
        sessions: lambda value: [session_line(decode_session(value), session_id_tag=session_id_tag)],
        alerts: lambda value: [alert_line(decode_alert(value))],
        door_counts: lambda value: door_lines(decode_counts(value)),
    }

    def decode(record: Record) -> list[str] | Rejected:
        try:
            if not record.value.isascii():
                record.value.decode()  # msgspec does not look into the strings it skips
            return of_topic[record.topic](record.value)
        except (msgspec.ValidationError, InvalidResultError) as error:
            return Rejected(record, INVALID_FIELD, str(error))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Rejected(record, UNDECODABLE, f"record: expected UTF-8 JSON, got: {error}")

    return decode
