"""Changes a setting of a topic on the broker, as an operator does."""

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tidemark.kafka import client_config
from tidemark.settings import Settings
from tidemark.topics import Topic


def set_of_topic(settings: Settings, topic: Topic, name: str, value: str) -> None:
    """Set it; the broker may take a moment to go by it."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, settings.topic(topic.name), incremental_configs=[entry])
    admin = AdminClient(client_config(settings))  # kept until it is done
    [done] = admin.incremental_alter_configs([resource]).values()
    done.result(20)
