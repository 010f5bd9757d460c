"""Why a worker cannot go on, where it is that Kafka refuses its user something: for people, by name."""

from aiokafka.errors import TransactionalIdAuthorizationFailed  # type: ignore[import-untyped]

from tidemark.access import check_access
from tidemark.rights import STREAMS_GROUP, AccessRefused
from tidemark.settings import Settings


def why_refused(settings: Settings, error: Exception) -> str | None:
    """Say what is missing when a worker has failed; None: nothing, it is something else."""
    if isinstance(error, TransactionalIdAuthorizationFailed):
        ids = settings.topic(f"{STREAMS_GROUP}.")
        return f"Kafka refuses user {settings.kafka_username}: it may not WRITE transactional ids that begin with {ids}"
    try:
        check_access(settings, "streams")
    except AccessRefused as refused:
        return str(refused)
    return None
