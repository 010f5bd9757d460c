"""From ``processed-metrics`` to ``cep-alerts``: alerts, state and offset in one transaction, by one process."""

import threading
import time
from collections.abc import Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from monitoring import metrics
from monitoring.metrics import ERRORS, EVENTS, POSITION, SITE_ALERTS
from streams.alerts.detector import Detector
from streams.alerts.rule import Rule
from streams.log_reader import LogReader, places_of
from streams.windows.checkpoint import StateError
from tidemark.logs import get_logger
from tidemark.results import Alert, decode_metric, encode
from tidemark.settings import Settings
from tidemark.topics import ALERT_CHECKPOINTS, ALERTS, METRICS

READ_RECORDS, READ_SECONDS = 500, 0.1
#: A broker that is away is waited for so long, then the process ends.
PATIENCE_SECONDS = 60.0
#: Records that are handed to the producer between two looks at whether they have gone.
AT_ONCE = 10_000

log = get_logger("streams.alerts")
_JUDGED = EVENTS.labels(SITE_ALERTS, "accepted")
_PASSED_OVER = EVENTS.labels(SITE_ALERTS, "passed_over")


class AlertsWorker:
    """Judges all partitions. Alerts come out once: whoever starts last goes on from what was committed last.

    The producer's transactional id is one for all: a second process fences the first, which ends with its next commit.
    A commit follows each read that gave alerts, else every ``checkpoint_interval_ms``.
    """

    def __init__(
        self,
        settings: Settings,
        rules: Sequence[Rule],
        consumer: Consumer,
        producer: Producer,
        reader: LogReader,
        stop: threading.Event,
    ) -> None:
        self._rules = rules
        self._consumer = consumer
        self._producer = producer
        self._reader = reader
        self._stop = stop
        self._metrics, self._alerts_topic, self._state_topic = map(
            settings.topic, (METRICS.name, ALERTS.name, ALERT_CHECKPOINTS.name)
        )
        self._metrics_places = places_of(settings, METRICS)
        self._state_places = places_of(settings, ALERT_CHECKPOINTS)
        self._interval = settings.checkpoint_interval_ms / 1_000
        self._detectors: dict[int, Detector] = {}
        self._alerts: list[Alert] = []

    def run(self) -> None:
        """Run until ``stop`` is set. Raises KafkaException, TimeoutError or StateError when it cannot go on."""
        # First, before anything is read: whoever ran before can commit no more, and what it left open is ended.
        self._producer.init_transactions(PATIENCE_SECONDS)
        self._restore()
        committed = time.monotonic()
        while not self._stop.is_set():
            for message in self._consumer.consume(READ_RECORDS, READ_SECONDS):
                self._take(message)
            if self._alerts or time.monotonic() - committed >= self._interval:
                self._commit()
                committed = time.monotonic()
        self._commit()

    def _restore(self) -> None:
        states = self._reader.newest(self._state_places)
        bounds = self._reader.bounds(self._metrics_places)
        for partition, state in states.items():
            start, end = bounds[self._metrics, partition]
            self._detectors[partition] = self._detector(state, partition, start, end)
        self._consumer.assign([TopicPartition(self._metrics, each, d.offset) for each, d in self._detectors.items()])
        log.info("judging", rules=len(self._rules))

    def _detector(self, state: dict[bytes, bytes], partition: int, start: int, end: int) -> Detector:
        """Return the partition's state, standing in the log, whose bounds are given."""
        if not state:
            detector = Detector(self._rules)
            detector.offset = start
            return detector
        detector = Detector.restored(state, self._rules)
        if detector.offset > end:
            log_name = f"{self._metrics}-{partition}"
            raise StateError(f"the state stands at {detector.offset} of {log_name}, which ends at {end}")
        if detector.offset < start:
            log.warning("retention has deleted records", partition=partition, records=start - detector.offset)
            detector.offset = start
        return detector

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            self._report(error)
            return
        partition, offset, value = message.partition() or 0, message.offset() or 0, message.value()
        detector = self._detectors[partition]
        detector.offset = offset + 1
        try:
            update = decode_metric(value or b"")
        except msgspec.DecodeError as broken:
            ERRORS.labels(SITE_ALERTS, "invalid_result").inc()
            log.warning("a record was skipped", partition=partition, offset=offset, error=str(broken))
            return
        (_JUDGED if update.final else _PASSED_OVER).inc()
        self._alerts += detector.take(update)

    def _report(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)
        ERRORS.labels(SITE_ALERTS, error.name()).inc()
        log.warning("kafka error", error=error.str())

    def _commit(self) -> None:
        changes = [(each, *entry) for each, detector in self._detectors.items() for entry in detector.changes()]
        if not changes:
            return
        self._producer.begin_transaction()
        for alert in self._alerts:
            self._producer.produce(self._alerts_topic, key=alert.key(), value=encode(alert))
        for number, (partition, key, value) in enumerate(changes, 1):
            self._producer.produce(self._state_topic, key=key, value=value, partition=partition)
            if number % AT_ONCE == 0:
                self._producer.flush(PATIENCE_SECONDS)
        self._producer.commit_transaction(PATIENCE_SECONDS)
        for alert in self._alerts:
            metrics.ALERTS.labels(alert.alert_type).inc()
            log.info("alert", type=alert.alert_type, site=alert.site_id, text=alert.description)
        self._alerts = []
        for each, detector in self._detectors.items():
            POSITION.labels(self._metrics, each).set(detector.offset)
