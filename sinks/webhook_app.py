"""Wires the webhook: settings → Kafka consumer, HTTP client → the loop of a sink."""

import urllib3
from confluent_kafka import Consumer, TopicPartition

from monitoring.metrics import WEBHOOK
from monitoring.serving import serve_metrics
from sinks.app import consumer_config, dead_letters, stop_event
from sinks.batch import Batch
from sinks.consumer import SinkConsumer
from sinks.webhook import WebhookWriter, site_alert
from tidemark.access import check_access, named_refusals
from tidemark.rights import webhook_group
from tidemark.settings import Settings
from tidemark.topics import ALERTS

REQUEST_SECONDS = 10.0
#: An alert waits for others no longer; a batch is what is posted one after the other.
BATCH_SECONDS, BATCH_ALERTS = 0.05, 20


def run_webhook_sink(settings: Settings) -> None:
    """Post alerts about sites until SIGTERM or SIGINT; a new address gets those from now on.

    Raises AccessRefused.
    """
    stop = stop_event()
    serve_metrics(WEBHOOK, settings.metrics_host, settings.metrics_port)
    check_access(settings, "webhook")
    topic = settings.topic(ALERTS.name)
    consumer = Consumer(consumer_config(settings, WEBHOOK, webhook_group(settings.webhook_url)))
    writer = WebhookWriter(urllib3.PoolManager(), settings.webhook_url, settings.webhook_secret.get_secret_value())
    batch = Batch(max_points=BATCH_ALERTS, max_seconds=BATCH_SECONDS)
    with named_refusals(settings, "webhook"):
        begin_at_the_end(consumer, topic)
        SinkConsumer(consumer, site_alert, batch, writer.write, dead_letters(settings), stop, WEBHOOK).run([topic])


def begin_at_the_end(consumer: Consumer, topic: str) -> None:
    """Commit the end of each partition that the group has no offset in: what comes from now on is not lost any more.

    Raises KafkaException when the broker does not answer.
    """
    places = [TopicPartition(topic, partition) for partition in range(ALERTS.partitions)]
    unknown = [place for place in consumer.committed(places, REQUEST_SECONDS) if place.offset < 0]
    for place in unknown:
        place.offset = consumer.get_watermark_offsets(place, REQUEST_SECONDS)[1]
    if unknown:
        consumer.commit(offsets=unknown, asynchronous=False)
