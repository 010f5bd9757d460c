"""Three brokers, one of them restarted under load; the whole row restarts each (``make test-faults``)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AdminClient,
    ConfigResource,
    ResourceType,
)

from deploy.local.stack import LocalStack
from tests.conftest import CACHE, OwnStack, local_settings
from tests.faults.rows import roll_brokers
from tests.faults.run import Outcome, play
from tests.faults.test_short import row
from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import ALL

OF_KAFKA = ("__consumer_offsets", "__transaction_state")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Outcome]]:
    running = LocalStack(local_settings(tmp_path_factory.mktemp("stack")), 3, cache=CACHE)
    running.start()
    try:
        servers = OwnStack(running)
        short = replace(row("rolling restart"), seconds=12.0, faults=partial(roll_brokers, brokers=1))
        yield servers.settings, play(short, 0, servers.settings, tmp_path_factory.mktemp("run"), servers)
    finally:
        running.stop()


def test_a_broker_that_is_restarted_under_load_changes_no_result(run: tuple[Settings, Outcome]) -> None:
    _, outcome = run
    assert not outcome.violations
    assert outcome.faults == 1
    assert outcome.events > 2_000


def test_each_topic_has_three_copies_of_which_two_must_have_a_record(run: tuple[Settings, Outcome]) -> None:
    settings, _ = run
    topics = [*(settings.topic(topic.name) for topic in ALL), *OF_KAFKA]
    admin = AdminClient(client_config(settings))
    found = admin.list_topics(timeout=10).topics
    assert {len(each.replicas) for name in topics for each in found[name].partitions.values()} == {3}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    configs = [answer.result() for answer in admin.describe_configs(resources).values()]
    assert {config["min.insync.replicas"].value for config in configs} == {"2"}
