"""Asks Kafka whether this process's user may do what its part does, so that what is missing is said by name."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]  # it does not say what it exports

from tidemark.kafka import client_config, why_not_let_in
from tidemark.rights import RIGHTS, AccessRefused, Right
from tidemark.settings import Settings

#: A broker that does not answer in so long (s) is away: that is said elsewhere.
ANSWER_SECONDS = 5.0
#: The client says that it has lost all brokers a moment before it says why.
REASON_SECONDS = 0.5
LOOK_SECONDS = 0.02

_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


def is_refusal(error: KafkaError) -> bool:
    """Say whether a right is missing; ``check_access`` says which."""
    return error.code() in _REFUSED


def check_access(settings: Settings, part: str) -> bool:
    """Say whether Kafka has told that the user has the part's rights on topics and groups; if not, nobody can tell now.

    Raises AccessRefused. Where brokers are open to everyone nothing is asked.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return True
    lost: list[KafkaError] = []
    admin = AdminClient(client_config(settings) | {"error_cb": lost.append})
    asked = _asked(admin, settings, RIGHTS[part].kafka)
    deadline = time.monotonic() + ANSWER_SECONDS
    while wait(asked.values(), LOOK_SECONDS).not_done and time.monotonic() < deadline:
        admin.poll(0)
        if lost:
            deadline = min(deadline, time.monotonic() + REASON_SECONDS)
        for why in (why_not_let_in(settings, error) for error in lost):
            if why is not None:
                raise AccessRefused(why)
    missing = [right for right in RIGHTS[part].kafka if right.name in asked and _refused(asked[right.name], right)]
    if missing:
        raise AccessRefused(_named(settings, missing))
    return all(map(_told, asked.values()))


@contextmanager
def named_refusals(settings: Settings, part: str) -> Iterator[None]:
    """Where Kafka fails because the user is not let in or a right is missing, raise AccessRefused, which names it."""
    try:
        yield
    except KafkaException:
        check_access(settings, part)
        raise


def _asked(admin: AdminClient, settings: Settings, rights: tuple[Right, ...]) -> Mapping[str, "Future[Any]"]:
    """Ask what the user may do with each topic and group; the answers by their names without prefix."""
    names = {settings.topic(right.name): right.name for right in rights}
    topics = [settings.topic(right.name) for right in rights if right.kind == "topic"]
    groups = [settings.topic(right.name) for right in rights if right.kind == "group"]
    known = {"include_authorized_operations": True, "request_timeout": ANSWER_SECONDS}
    of_topics = admin.describe_topics(TopicCollection(list(dict.fromkeys(topics))), **known)
    of_groups = admin.describe_consumer_groups(groups, **known) if groups else {}
    return {names[name]: answer for name, answer in (*of_topics.items(), *of_groups.items())}


def _told(answer: "Future[Any]") -> bool:
    """Say whether a broker has answered, if only that a topic is not there or a group is just being loaded."""
    if not answer.done():
        return False
    error = answer.exception()
    return error is None or (isinstance(error, KafkaException) and error.args[0].code() > 0)


def _refused(answer: "Future[Any]", right: Right) -> bool:
    if not answer.done():
        return False
    try:
        allowed = answer.result().authorized_operations
    except KafkaException as error:
        return is_refusal(error.args[0])
    return allowed is not None and AclOperation[right.operation] not in allowed


def _named(settings: Settings, missing: list[Right]) -> str:
    which = ", ".join(f"{right.operation} {right.kind} {settings.topic(right.name)}" for right in missing)
    return (
        f"Kafka refuses user {settings.kafka_username or 'ANONYMOUS'}: it may not {which}; "
        "`tidemark access list` shows each part's rights, `tidemark access create` gives them"
    )
