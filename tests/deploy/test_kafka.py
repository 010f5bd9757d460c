"""Kafka's data folder: an id that a cluster of its own would have, and one from before that begins with a dash."""

import re
from pathlib import Path

from deploy.local.kafka import new_cluster_id
from deploy.local.stack import LocalStack
from tests.conftest import CACHE, local_settings


def test_no_cluster_id_looks_like_an_option() -> None:
    for cluster_id in {new_cluster_id() for _ in range(2_000)}:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", cluster_id)


def test_a_folder_whose_cluster_id_begins_with_a_dash_is_formatted(tmp_path: Path) -> None:
    cluster_id = tmp_path / "data" / "kafka-1" / "cluster.id"
    cluster_id.parent.mkdir(parents=True)
    cluster_id.write_text("-vY8lGbWRGWlVZAUxkMqNw")
    [broker] = LocalStack(local_settings(tmp_path), cache=CACHE).kafka
    broker.start()
    broker.stop()
    formatted = (cluster_id.parent / "broker-1" / "meta.properties").read_text()
    assert "cluster.id=-vY8lGbWRGWlVZAUxkMqNw" in formatted
