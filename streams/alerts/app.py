"""Wires the alerts about sites: settings and the file of rules → Kafka clients → the worker, or a look at the past."""

import signal
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType

from confluent_kafka import Consumer, Producer

from monitoring.metrics import SITE_ALERTS
from monitoring.serving import serve_metrics
from streams.alerts.past import Found, find
from streams.alerts.rules import RulesError, SiteRule, read_rules
from streams.alerts.worker import PATIENCE_SECONDS, AlertsWorker
from streams.log_reader import LogReader
from tidemark.access import check_access, named_refusals
from tidemark.kafka import client_config, producer_config
from tidemark.rights import ALERTS_GROUP
from tidemark.settings import Settings
from tidemark.topics import METRICS

GROUP = ALERTS_GROUP
#: The broker ends a transaction that takes longer (ms): until then readers of the topic wait.
TRANSACTION_MS = 10_000


def load_rules(path: Path) -> list[SiteRule]:
    """Return the rules of a file. Raises RulesError, which names the file."""
    try:
        return read_rules(path.read_text())
    except (OSError, UnicodeDecodeError, RulesError) as error:
        raise RulesError(f"{path}: {error}") from None


def run_alerts(settings: Settings) -> None:
    """Judge finals until SIGTERM or SIGINT. Raises RulesError before anything is read, AccessRefused."""
    rules = load_rules(settings.alert_rules)
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    serve_metrics(SITE_ALERTS, settings.metrics_host, settings.metrics_port)
    check_access(settings, "alerts")
    producer = Producer(
        producer_config(settings, linger_ms=0)
        | {"transactional.id": settings.topic(GROUP), "transaction.timeout.ms": TRANSACTION_MS}
    )
    consumer = Consumer(
        client_config(settings)
        | {
            "group.id": settings.topic(GROUP),  # the client wants a name; it never joins
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # what retention deletes meanwhile must not be passed over in silence
        }
    )
    reading = closing(LogReader(settings, PATIENCE_SECONDS))
    with named_refusals(settings, "alerts"), closing(consumer), reading as reader:
        AlertsWorker(settings, rules, consumer, producer, reader, stop).run()


def past_alerts(settings: Settings, rules: list[SiteRule], start: int | None, end: int | None) -> Found:
    """Return what these rules would have found, see ``find``."""
    with closing(LogReader(settings)) as reader:
        return find(reader, settings.topic(METRICS.name), rules, start, end)
