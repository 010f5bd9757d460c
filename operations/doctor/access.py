"""Looks whether Kafka lets the user in, and to what an operator looks at; in the words of ``tidemark.access``."""

from collections.abc import Iterator

from operations.doctor.findings import Finding, ok, problem, warning
from tidemark.access import ANSWER_SECONDS, check_access
from tidemark.rights import AccessRefused
from tidemark.settings import Settings

#: Whose rights are enough for all that is looked at.
PART = "operator"


def not_let_in(refused: AccessRefused) -> Finding:
    """Return that the password is wrong, or that there is no TLS; the text names the settings."""
    return problem("kafka", str(refused), "put these settings right, docs/security.md; then: tidemark doctor")


def rights(settings: Settings) -> Iterator[Finding]:
    """Yield whether the user has all the operator's rights; which are missing, if not."""
    check = "kafka rights"
    if settings.kafka_security_protocol == "PLAINTEXT":
        yield ok(check, "not asked for: the brokers are open, TIDEMARK_KAFKA_SECURITY_PROTOCOL=PLAINTEXT")
        return
    try:
        told = check_access(settings, PART)
    except AccessRefused as refused:
        todo = "tidemark access create SECRETS as an administrator, then TIDEMARK_SECRETS_DIR=SECRETS/operator"
        yield problem(check, str(refused), todo)
        return
    if told:
        yield ok(check, f"user {settings.kafka_username} has those of the {PART}")
    else:
        found = f"Kafka has not told all of them within {ANSWER_SECONDS:.0f} s"
        yield warning(check, found, "see the finding: kafka; then tidemark doctor again")


def not_looked_at(check: str) -> Finding:
    """Return that a right is missing for a check; which one, ``rights`` says."""
    return warning(check, "not looked at: a right is missing", "see the finding: kafka rights")
