"""Sends records to the events topic through confluent-kafka and tells the tally what became of them."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from simulator.manifest import Tally
from simulator.pacing import Clock, Punctuality
from simulator.plan import Record
from simulator.tracing import traced
from tidemark.access import is_refusal
from tidemark.kafka import ClientConfig, OnError, producer_config
from tidemark.logs import get_logger
from tidemark.settings import Settings

if TYPE_CHECKING:
    from monitoring.spans import Traces

log = get_logger("simulator")

#: How many records are handed over before delivery reports are served.
_POLL_EVERY = 64
#: The partitioner's choice; confluent-kafka does not name it.
_ANY_PARTITION = -1
#: A broker that has just started may not know its topics for a moment.
_TOPIC_GRACE_S = 3.0

Report = Callable[[KafkaError | None, Message], None]


class SendError(Exception):
    """Sending cannot go on: the topic is missing, or the producer has failed for good."""


def sender_config(settings: Settings, on_error: OnError) -> ClientConfig:
    """Return the producer's settings: it bridges a broker's absence of five minutes within bounded memory."""
    return producer_config(settings, linger_ms=5, on_error=on_error) | {
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


class _Wave:
    """Records that share one delivery callback: one for each would cost as much as its sending.

    ``due``: when the first was, on the clock (s). Of ``records`` those that fail are taken out; ``acknowledged`` says
    how many are in the log.
    """

    __slots__ = ("acknowledged", "due", "records")

    def __init__(self, due: float, records: list[Record]) -> None:
        self.due = due
        self.records = records
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
        traces: "Traces | None" = None,
    ) -> None:
        self._producer = producer
        self._produce = producer.produce if traces is None else traced(producer.produce, traces)
        self._topic = topic
        self._tally = tally
        self._punctuality = punctuality
        self._connection = connection
        self._clock = clock
        self._beat = beat
        self._delivered: list[_Wave] = []
        self._failing: list[_Wave] = []
        self._unpolled = 0
        self._refused: KafkaError | None = None

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

    def send(self, records: list[Record], scheduled: float) -> None:
        """Hand records over, waiting while the producer's queue is full. ``scheduled``: their time on the clock (s).

        The list is the sender's from then on.
        """
        report = partial(self._on_delivery, _Wave(scheduled, records))
        self._unpolled += len(records)
        while True:
            taken = self._hand_over(records, report)
            self._punctuality.sent(self._clock() - scheduled, taken)
            records = records[taken:]
            if not records:
                break
            self.poll(0.1)
        if self._unpolled >= _POLL_EVERY:
            self.poll(0)

    def _hand_over(self, records: list[Record], report: Report) -> int:
        """Return how many of the records, from the first on, have found room in the producer's queue."""
        produce, topic = self._produce, self._topic
        taken = 0
        try:
            for record in records:
                produce(topic, record.value, record.key, _ANY_PARTITION, report)
                taken += 1
        except BufferError:
            pass
        except KafkaException as error:
            raise SendError(f"the producer has failed: {error.args[0].str()}") from error
        finally:
            self._tally.sent += taken
        return taken

    def poll(self, seconds: float) -> None:
        """Serve delivery reports for at most so long. Raises KafkaException when the user may not write."""
        self._unpolled = 0
        self._producer.poll(seconds)
        self._settle()
        if self._refused is not None:
            raise KafkaException(self._refused)
        self._beat()

    def flush(self, given_up: Callable[[], bool]) -> None:
        """Wait until each record is acknowledged or has failed for good; given up, those under way fail at once."""
        while len(self._producer):
            if given_up():
                self._producer.purge()
            self.poll(0.1)

    def _on_delivery(self, wave: _Wave, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._delivered.append(wave)
        else:
            self._tally.failed[error.str()] += 1
            if is_refusal(error):
                self._refused = error
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
