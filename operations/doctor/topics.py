"""Looks whether each topic is as the platform makes it: partitions, copies, settings, a leader for every partition."""

from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata, TopicMetadata

from operations.doctor.access import not_looked_at
from operations.doctor.brokers import ANSWER_SECONDS
from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.access import is_refusal
from tidemark.settings import Settings
from tidemark.topics import ALL, CHECKPOINTS, DAY_MS, EVENTS, Topic

#: With another one of these, results are wrong or records refused; the others only keep more or less.
_DECISIVE = frozenset({"cleanup.policy", "message.timestamp.type", "max.message.bytes"})


def topics(admin: AdminClient, settings: Settings, cluster: ClusterMetadata) -> Iterator[Finding]:
    """Yield a finding for each topic of Tidemark. Raises KafkaException when the broker does not tell its settings."""
    there = [topic for topic in ALL if settings.topic(topic.name) in cluster.topics]
    configs = _configs(admin, [settings.topic(topic.name) for topic in there])
    for topic in ALL:
        name = settings.topic(topic.name)
        if topic in there:
            yield _topic(topic, settings, cluster, configs.get(name))
        else:
            unseen = "" if settings.kafka_security_protocol == "PLAINTEXT" else ", or the user may not see it"
            yield problem(f"topic {name}", f"is not there{unseen}", "tidemark init, which makes what is missing")


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Return the topics' settings, but for those that the user may not see."""
    wanted = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    answers = admin.describe_configs(wanted, request_timeout=ANSWER_SECONDS) if wanted else {}
    configs = {}
    for resource, answer in answers.items():
        try:
            configs[resource.name] = {entry.name: entry.value for entry in answer.result().values()}
        except KafkaException as error:
            if not is_refusal(error.args[0]):
                raise
    return configs


def _topic(topic: Topic, settings: Settings, cluster: ClusterMetadata, config: Mapping[str, str] | None) -> Finding:
    name = settings.topic(topic.name)
    check, found = f"topic {name}", cluster.topics[name]
    if len(found.partitions) != settings.partitions(topic):
        return _other_count(topic, settings, cluster)
    if orphans := [number for number, each in found.partitions.items() if each.leader < 0]:
        todo = f"start the broker that has them: {_look(settings, name)}"
        return problem(check, f"no broker leads {_some(orphans)}", todo)
    if config is None:
        return not_looked_at(check)
    wanted = topic.broker_config(settings.kafka_replication_factor)
    if wrong := {key: value for key, value in wanted.items() if not _fits(key, config.get(key), value)}:
        return _other_settings(check, wrong, config, settings.kafka_bootstrap_servers, name)
    return _copies(topic, settings, found, int(config["retention.ms"]))


def _other_count(topic: Topic, settings: Settings, cluster: ClusterMetadata) -> Finding:
    counts = {name: len(each.partitions) for name, each in cluster.topics.items()}
    name, grown = settings.topic(topic.name), settings.grown_to(counts)
    text = f"{counts[name]} partitions instead of {settings.partitions(topic)}: results depend on them"
    if topic in (EVENTS, CHECKPOINTS) and grown is not None:
        return problem(f"topic {name}", text, f"set TIDEMARK_EVENT_PARTITIONS={grown}, as it was made with")
    return problem(f"topic {name}", text, "start beside it: TIDEMARK_TOPIC_PREFIX=new. tidemark init")


def _fits(key: str, found: str | None, wanted: str) -> bool:
    """Say whether a topic's setting is as the platform makes it, or keeps records longer."""
    if key != "retention.ms" or found is None:
        return found == wanted
    return found == "-1" or 0 <= int(wanted) <= int(found)


def _copies(topic: Topic, settings: Settings, found: TopicMetadata, retention_ms: int) -> Finding:
    name = settings.topic(topic.name)
    check, copies = f"topic {name}", min(len(each.replicas) for each in found.partitions.values())
    if copies < settings.kafka_replication_factor:
        text = f"{copies} copies instead of {settings.kafka_replication_factor}"
        return warning(check, text, f"move it with kafka-reassign-partitions.sh; {_look(settings, name)}")
    if behind := [number for number, each in found.partitions.items() if len(each.isrs) < len(each.replicas)]:
        todo = f"look at the brokers: {_look(settings, name)}"
        return warning(check, f"a copy of {_some(behind)} is behind or away", todo)
    kept = "for ever" if retention_ms < 0 else f"{retention_ms / DAY_MS:g} d"
    return ok(
        check,
        f"{len(found.partitions)} partitions, {copies} cop{'y' if copies == 1 else 'ies'}, {topic.cleanup}, {kept}",
    )


def _look(settings: Settings, name: str) -> str:
    return f"kafka-topics.sh --bootstrap-server {settings.kafka_bootstrap_servers} --describe --topic {name}"


def _other_settings(
    check: str, wrong: Mapping[str, str], config: Mapping[str, str], servers: str, name: str
) -> Finding:
    text = ", ".join(f"{key} {config.get(key)} instead of {value}" for key, value in wrong.items())
    # Values with commas stand in brackets on its command line.
    values = ",".join(f"{key}=[{value}]" if "," in value else f"{key}={value}" for key, value in wrong.items())
    todo = (
        f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {name} "
        f"--add-config {values}"
    )
    return (problem if wrong.keys() & _DECISIVE else warning)(check, text, todo)


def _some(partitions: list[int]) -> str:
    return f"partition{'s' if len(partitions) > 1 else ''} {', '.join(map(str, partitions))}"
