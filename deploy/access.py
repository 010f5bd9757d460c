"""Makes each part's user on Kafka, its rights, and its token of InfluxDB; the secrets go into files."""

import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException

from deploy.local.errors import StackError
from deploy.local.influxdb import influxdb_version
from deploy.local.provision import query_influxdb_1
from tidemark.influxdb import influxdb_config
from tidemark.kafka import client_config
from tidemark.rights import RIGHTS, Right, user_of
from tidemark.settings import Settings

TIMEOUT_SECONDS = 30.0
ITERATIONS = 4_096
#: The files are named as parts look for them in TIDEMARK_SECRETS_DIR.
USERNAME, PASSWORD, TOKEN = "tidemark_kafka_username", "tidemark_kafka_password", "tidemark_influxdb_token"

_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}


def create_access(settings: Settings, folder: Path) -> None:
    """Give each part its user, rights and token; its secrets are in ``folder``/part, for their owner only.

    What is in a file already is kept, so it may be done again. The settings are an administrator's. Raises StackError.
    """
    admin = AdminClient(client_config(settings))
    version = influxdb_version(settings.influxdb_url)
    if version is None:
        raise StackError(f"no InfluxDB answers at {settings.influxdb_url}")
    for part, rights in RIGHTS.items():
        user, place = settings.topic(user_of(part)), folder / part
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_another(place / USERNAME, user)
        _create_user(admin, settings, user, _kept(place / PASSWORD, _password))
        (place / USERNAME).write_text(user)
        (place / USERNAME).chmod(0o600)
        _allow(admin, settings, user, rights.kafka)
        if rights.influxdb is not None:
            make = token_of_2 if version.startswith("2") else _token_of_1
            make(settings, place / TOKEN, user, rights.influxdb)


def _password() -> str:
    return secrets.token_urlsafe(32)


def _refuse_another(path: Path, user: str) -> None:
    """A part that runs with these secrets would be let in no more, or as somebody else."""
    if path.exists() and (named := path.read_text().strip()) != user:
        raise StackError(f"{path} is for user {named}, expected {user}: choose another folder")


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return what is in the file, made now if there is none."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()


def _create_user(admin: AdminClient, settings: Settings, user: str, password: str) -> None:
    mechanism = ScramMechanism[settings.kafka_sasl_mechanism.replace("-", "_")]
    made = UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, ITERATIONS), password.encode())
    _await(f"user {user}", admin.alter_user_scram_credentials([made], request_timeout=TIMEOUT_SECONDS).values())


def _allow(admin: AdminClient, settings: Settings, user: str, rights: Iterable[Right]) -> None:
    wanted = [
        AclBinding(
            _KINDS[right.kind],
            settings.topic(right.name),
            ResourcePatternType.PREFIXED if right.begins else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[right.operation],
            AclPermissionType.ALLOW,
        )
        for right in rights
    ]
    _await(f"the rights of {user}", admin.create_acls(wanted, request_timeout=TIMEOUT_SECONDS).values())


def _await(what: str, asked: "Iterable[Future[None]]") -> None:
    try:
        for each in asked:
            each.result()
    except KafkaException as error:
        why = error.args[0]
        hint = ": the brokers need an authorizer.class.name" if why.code() == KafkaError.SECURITY_DISABLED else ""
        raise StackError(f"{what} cannot be made: {why.str()}{hint}") from None


def _token_of_1(settings: Settings, path: Path, user: str, right: str) -> None:
    """On InfluxDB 1.x a token is a user and its password."""
    password = _kept(path, lambda: f"{user}:{_password()}").partition(":")[2]
    query_influxdb_1(settings, f"CREATE USER \"{user}\" WITH PASSWORD '{password}'")
    query_influxdb_1(settings, f'GRANT {right.upper()} ON "{settings.influxdb_bucket}" TO "{user}"')


def token_of_2(settings: Settings, path: Path, user: str, right: str) -> None:
    """Have InfluxDB 2.x make a token that may read or write the bucket, unless the file has one. Raises StackError."""
    _kept(path, lambda: _made_by_2(settings, user, right))


def _made_by_2(settings: Settings, user: str, right: str) -> str:
    with InfluxDBClient(**influxdb_config(settings)) as client:
        try:
            bucket = client.buckets_api().find_bucket_by_name(settings.influxdb_bucket)
            if bucket is None:
                raise StackError(f"InfluxDB has no bucket {settings.influxdb_bucket}: `tidemark stack up` creates it")
            what = PermissionResource(  # type: ignore[no-untyped-call]
                type="buckets", id=bucket.id, org_id=bucket.org_id
            )
            may = Permission(action=right, resource=what)  # type: ignore[no-untyped-call]
            made = client.authorizations_api().create_authorization(org_id=bucket.org_id, permissions=[may])
        except ApiException as error:
            raise StackError(f"InfluxDB makes no token for {user}: {error.status} {error.message}") from None
    return str(made.token)
