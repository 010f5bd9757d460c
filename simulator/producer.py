"""Sends records to the events topic through confluent-kafka and tells the tally what became of them."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import inf

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from simulator.manifest import Tally
from simulator.pacing import Clock, Punctuality
from simulator.plan import Record
from tidemark.kafka import ClientConfig, producer_config
from tidemark.logs import get_logger
from tidemark.settings import Settings

log = get_logger("simulator")

#: How many records are handed over before delivery reports are served.
_POLL_EVERY = 64
#: A broker that has just started may not know its topics for a moment.
_TOPIC_GRACE_S = 3.0
#: Records that are due within so many seconds of each other may share a wave.
_WAVE_S = 0.001


class SendError(Exception):
    """Sending cannot go on: the topic is missing, or the producer has failed for good."""


def sender_config(settings: Settings) -> ClientConfig:
    """Return the producer's settings: it bridges a broker's absence of five minutes within bounded memory."""
    return producer_config(settings, linger_ms=5) | {
        "delivery.timeout.ms": 300_000,
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 131_072,
    }


class Connection:
    """Says once that the broker is away, and once that it is back."""

    def __init__(self) -> None:
        self._lost = False

    def on_error(self, error: KafkaError) -> None:
        """Take librdkafka's error reports; those of single connections are no news."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._lost:
            self._lost = True
            log.warning("the broker is away: waiting and trying again", error=error.str())

    def on_delivery(self) -> None:
        """Note that a record has reached the broker."""
        if self._lost:
            self._lost = False
            log.info("the broker is back")


class Wave:
    """Records that share one delivery callback: one for each would cost as much as its sending.

    ``due``: when the first was, on the clock (s); the others less than 1 ms later. Of ``records`` those that fail are
    taken out; ``acknowledged`` says how many are in the log.
    """

    __slots__ = ("acknowledged", "due", "records")

    def __init__(self, due: float) -> None:
        self.due = due
        self.records: list[Record] = []
        self.acknowledged = 0

    def take_out(self, value: bytes | None) -> None:
        """Take out one of the records with this value."""
        del self.records[next(index for index, record in enumerate(self.records) if record.value == value)]


class Sender:
    """Hands records to the producer. ``beat`` is called whenever the sender has polled, at the latest every 0.1 s."""

    def __init__(
        self,
        producer: Producer,
        topic: str,
        tally: Tally,
        punctuality: Punctuality,
        connection: Connection,
        clock: Clock,
        beat: Callable[[], None],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._tally = tally
        self._punctuality = punctuality
        self._connection = connection
        self._clock = clock
        self._beat = beat
        self._delivered: list[Wave] = []
        self._failing: list[Wave] = []
        self._begin_wave(-inf)

    def find_topic(self, given_up: Callable[[], bool]) -> bool:
        """Wait for the broker; return False if given up. Raises SendError if it is there and the topic is not."""
        unknown_since: float | None = None
        while not given_up():
            error = self._topic_error()
            if error is None:
                return True
            if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                unknown_since = None
            elif unknown_since is None:
                unknown_since = self._clock()
            elif self._clock() - unknown_since > _TOPIC_GRACE_S:
                raise SendError(f"topic {self._topic}: expected it to exist, got: {error.str()}")
            self.poll(0.1)
        return False

    def _topic_error(self) -> KafkaError | None:
        try:
            error: KafkaError | None = self._producer.list_topics(self._topic, timeout=1).topics[self._topic].error
        except KafkaException as away:
            error = away.args[0]
        return error

    def send(self, record: Record, scheduled: float) -> None:
        """Hand a record over, waiting while the producer's queue is full. ``scheduled``: its time on the clock (s)."""
        while True:
            if not 0 <= scheduled - self._wave.due < _WAVE_S:
                self._begin_wave(scheduled)
            try:
                self._producer.produce(self._topic, record.value, record.key, on_delivery=self._report)
                break
            except BufferError:
                self.poll(0.1)
            except KafkaException as error:
                raise SendError(f"the producer has failed: {error.args[0].str()}") from error
        self._wave.records.append(record)
        self._punctuality.sent(self._clock() - scheduled)
        self._tally.sent += 1
        if self._tally.sent % _POLL_EVERY == 0:
            self.poll(0)

    def poll(self, seconds: float) -> None:
        """Serve delivery reports for at most so long."""
        # Reports are served only here, so that no wave can seem complete while it grows.
        self._begin_wave(-inf)
        self._producer.poll(seconds)
        self._settle()
        self._beat()

    def flush(self, given_up: Callable[[], bool]) -> None:
        """Wait until each record is acknowledged or has failed for good; given up, those under way fail at once."""
        while len(self._producer):
            if given_up():
                self._producer.purge()
            self.poll(0.1)

    def _begin_wave(self, due: float) -> None:
        # Not in the wave: the two would be a cycle that is freed late.
        self._wave = Wave(due)
        self._report = partial(self._on_delivery, self._wave)

    def _on_delivery(self, wave: Wave, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._delivered.append(wave)
        else:
            self._tally.failed[error.str()] += 1
            wave.take_out(message.value())
            self._failing.append(wave)

    def _settle(self) -> None:
        """Count what the last poll has reported, and each wave that is complete by it."""
        now = self._clock()
        reported = Counter(self._delivered)
        for wave, records in reported.items():
            self._punctuality.acknowledged(now - wave.due, records)
            wave.acknowledged += records
        for wave in reported.keys() | self._failing:
            if wave.acknowledged == len(wave.records) > 0:
                self._tally.acknowledge(wave.records)
                self._connection.on_delivery()
        self._delivered.clear()
        self._failing.clear()
