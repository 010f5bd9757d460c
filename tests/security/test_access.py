"""Each part under its own user with the least rights, on servers that let in nobody else."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it does not say what it exports
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from pydantic import SecretStr

from deploy.access import create_access
from deploy.local.errors import StackError
from deploy.local.provision import create_topics
from deploy.local.stack import LocalStack
from operations.doctor import access as doctor_access
from operations.doctor.app import examine
from operations.doctor.findings import Finding
from operations.doctor.store import store
from sinks.app import GROUP as SINK_GROUP
from streams.app import GROUP as STREAMS_GROUP
from tests.ingestion.made import page_view
from tests.ingestion.sending import url
from tests.ingestion.test_ingest import ask
from tests.security.secured import ADMIN, make_certificates, secure_address, secured_stack
from tests.sinks.store import rows
from tests.support import wait
from tests.support.exactness import missing, observe, wait_until_exact
from tests.support.kafka_log import wait_for_lag_zero
from tests.support.parts import Part, running
from tidemark.access import check_access
from tidemark.influxdb import influxdb_config
from tidemark.kafka import client_config
from tidemark.rights import RIGHTS, AccessRefused, user_of
from tidemark.settings import Settings
from tidemark.topics import ALERTS, ALL, BOTS, EVENTS, METRICS, PARTIALS, SESSIONS

STREAMS, SINK, DOOR, GATEWAY = ("streams", "run"), ("sink", "influxdb"), ("ingest",), ("gateway",)
SENT = 3_000
LOAD = ("simulate", "--max-speed", "--count", str(SENT), "--rate", "20", "--users", "200", "--late", "1%")


class Secured:
    """The servers, the administrator's settings, and each part's."""

    def __init__(self, admin: Settings, folder: Path) -> None:
        self.admin = admin
        self.folder = folder
        self.secrets = folder / "secrets"

    def of(self, part: str, password: str | None = None) -> Settings:
        """The settings of a part, as it would read them from its secrets."""
        place = self.secrets / part
        token = place / "tidemark_influxdb_token"
        return self.admin.model_copy(
            update={
                "kafka_bootstrap_servers": str(secure_address(self.admin)),
                "kafka_security_protocol": "SASL_SSL",
                "kafka_username": (place / "tidemark_kafka_username").read_text(),
                "kafka_password": SecretStr(password or (place / "tidemark_kafka_password").read_text()),
                "influxdb_token": SecretStr(token.read_text() if token.exists() else "none"),
            }
        )

    def run(self, part: str, *command: str) -> Part:
        return Part(self.of(part), self.folder / f"{part}.log", *command)

    def all_secrets(self) -> set[str]:
        files = [path for path in self.secrets.rglob("*") if path.is_file() and "username" not in path.name]
        texts = {path.read_text() for path in files}
        return texts | {text.rpartition(":")[2] for text in texts} | {ADMIN.partition(":")[2]}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with secured_stack(folder) as admin:
        made = Secured(admin, folder)
        create_access(admin, made.secrets)
        yield made


def ready(settings: Settings) -> bool:
    """Say whether the door is open and Kafka answers it."""
    try:
        return ask(url(settings, "/ready"))[0] == 200
    except URLError:
        return False


def accepted(settings: Settings) -> bool:
    """Say whether the door takes an event of now."""
    status, _ = ask(url(settings), page_view(timestamp=time.time_ns() // 1_000_000))
    return status < 300


def test_the_whole_pipeline_runs_with_least_rights_and_no_log_has_a_secret(secured: Secured) -> None:
    with (
        running(secured.of("simulator"), secured.folder / "simulator.log", *LOAD) as simulator,
        running(secured.of("sink"), secured.folder / "sink.log", *SINK),
        running(secured.of("gateway"), secured.folder / "gateway.log", *GATEWAY) as gateway,
        running(secured.of("ingestion"), secured.folder / "door.log", *DOOR) as door,
    ):
        assert simulator.process.wait(60) == 0, simulator.log
        often = secured.of("streams").model_copy(update={"checkpoint_interval_ms": 500})
        with running(often, secured.folder / "streams.log", *STREAMS) as streams:
            door.wait_until(lambda: ready(secured.admin))
            assert accepted(secured.admin)
            due = wait_until_exact(secured.admin, 60.0)
            wait_for_lag_zero(secured.admin, STREAMS_GROUP, [EVENTS, PARTIALS])
            assert streams.stop() == 0, streams.log
        wait_for_lag_zero(secured.admin, SINK_GROUP, [METRICS, SESSIONS, ALERTS], 60.0)
        gateway.wait_until(lambda: gateway.logged('"event": "reading"'))
    seen = observe(secured.admin)
    assert missing(due, seen) == []
    assert len(seen.sessions) > 50
    assert rows(secured.admin, "sessions")
    logs = [path for pattern in ("*.log", "*.out", "logs/*") for path in secured.folder.glob(pattern)]
    assert len(logs) > 8
    told = {path.name for path in logs for secret in secured.all_secrets() if secret in path.read_text()}
    assert told == set()


@pytest.mark.parametrize(("part", "command"), [("streams", STREAMS), ("sink", SINK), ("simulator", LOAD)])
def test_a_wrong_password_ends_a_part_with_one_line_that_names_the_user(
    part: str, command: tuple[str, ...], secured: Secured, tmp_path: Path
) -> None:
    with running(secured.of(part, password="of-somebody-else"), tmp_path / "part.log", *command) as ended:
        assert ended.process.wait(60) == 1, ended.log
        [line] = ended.log.splitlines()
        assert f"does not let user tidemark-{part} in" in line
        assert "of-somebody-else" not in line


def test_the_door_and_the_gateway_go_on_trying_with_a_wrong_password_and_say_so_once(
    secured: Secured, tmp_path: Path
) -> None:
    wrong = {part: secured.of(part, password="of-somebody-else") for part in ("ingestion", "gateway")}
    own = wrong["ingestion"].model_copy(update={"data_dir": tmp_path})
    with (
        running(own, tmp_path / "door.log", *DOOR) as door,
        running(wrong["gateway"], tmp_path / "gateway.log", *GATEWAY) as gateway,
    ):
        door.wait_until(lambda: door.logged("does not let user tidemark-ingestion in"))
        gateway.wait_until(lambda: gateway.logged("does not let user tidemark-gateway in"))
        # What the door takes is on disk until it is let in.
        assert accepted(own)
        for part in (door, gateway):
            assert part.log.count("does not let user") <= 2
            assert "Traceback" not in part.log


@pytest.fixture
def taken(secured: Secured) -> Iterator[Secured]:
    """Servers whose rights a test may take away."""
    yield secured
    create_access(secured.admin, secured.secrets)


def test_another_prefix_needs_a_folder_of_its_own(secured: Secured) -> None:
    another = secured.admin.model_copy(update={"topic_prefix": "g2."})
    with pytest.raises(StackError, match=r"is for user tidemark-\w+, expected g2\.tidemark-"):
        create_access(another, secured.secrets)


def take_away(secured: Secured, part: str, kind: str, name: str, operation: str) -> None:
    wanted = AclBindingFilter(
        ResourceType[kind],
        name,
        ResourcePatternType.ANY,
        f"User:{user_of(part)}",
        "*",
        AclOperation[operation],
        AclPermissionType.ANY,
    )
    admin = AdminClient(client_config(secured.admin))
    [gone] = admin.delete_acls([wanted]).values()
    assert len(gone.result()) == 1


@pytest.mark.parametrize(
    ("part", "kind", "name", "operation"),
    [
        ("streams", "TOPIC", "website-analytics-events", "READ"),
        ("streams", "GROUP", "tidemark-streams", "READ"),
        ("sink", "TOPIC", "dead-letter-events", "WRITE"),
        ("gateway", "TOPIC", "cep-alerts", "READ"),
        ("ingestion", "TOPIC", "bot-events", "WRITE"),
    ],
)
def test_a_missing_right_is_named(part: str, kind: str, name: str, operation: str, taken: Secured) -> None:
    check_access(taken.of(part), part)
    take_away(taken, part, kind, name, operation)

    def said() -> str:
        with pytest.raises(AccessRefused) as refused:
            check_access(taken.of(part), part)
        return str(refused.value)

    right = f"Kafka refuses user tidemark-{part}: it may not {operation} {kind.lower()} {name};"
    wait.until(lambda: said().startswith(right), 10.0)


def test_a_worker_without_its_transactions_ends_with_one_line(taken: Secured, tmp_path: Path) -> None:
    take_away(taken, "streams", "TRANSACTIONAL_ID", f"{STREAMS_GROUP}.", "WRITE")
    with running(taken.of("streams"), tmp_path / "streams.log", *STREAMS) as streams:
        assert streams.process.wait(60) == 1, streams.log
        assert "user tidemark-streams: it may not WRITE transactional ids" in streams.log.splitlines()[-1]
        assert "Traceback" not in streams.log


def test_a_sink_whose_right_is_taken_away_ends_and_one_that_is_started_again_goes_on(
    taken: Secured, tmp_path: Path
) -> None:
    with running(taken.of("sink"), tmp_path / "sink.log", *SINK) as sink:
        sink.wait_until(lambda: sink.logged("partitions assigned"))
        take_away(taken, "sink", "TOPIC", "processed-metrics", "READ")
        assert sink.process.wait(60) == 1, sink.log
        assert "user tidemark-sink: it may not READ topic processed-metrics" in sink.log.splitlines()[-1]
        assert "Traceback" not in sink.log
    create_access(taken.admin, taken.secrets)
    with running(taken.of("sink"), tmp_path / "again.log", *SINK) as again:
        again.wait_until(lambda: again.logged("partitions assigned"))


# ---- The doctor


def found(settings: Settings) -> dict[str, Finding]:
    return {each.check: each for each in examine(settings, lambda _: None).findings}


def test_the_doctor_sees_everything_as_the_operator(secured: Secured) -> None:
    told = found(secured.of("operator"))
    assert told["kafka rights"].found == "user tidemark-operator has those of the operator"
    assert told["kafka version, broker 1"].found == "4.1 or newer"
    topics = [f"topic {secured.admin.topic(topic.name)}" for topic in ALL]
    seen = ("kafka", "kafka rights", *topics, "influxdb token", f"bucket {secured.admin.influxdb_bucket}")
    assert {check: told[check] for check in seen if told[check].level != "ok"} == {}
    # That it is known who reads takes a right of each group; one that was killed a moment ago still counts.
    groups = [told[f"group {group}"].found for group in (STREAMS_GROUP, SINK_GROUP)]
    assert all(each.startswith(("nobody reads;", "read by ")) for each in groups), groups
    assert not [each for each in told.values() if "looked at" in each.found and each.check != "checkpoints"]
    assert not [secret for secret in secured.all_secrets() if secret in str(told)]


def test_the_doctor_says_what_to_do_when_kafka_does_not_let_it_in(secured: Secured, tmp_path: Path) -> None:
    another, _ = make_certificates(tmp_path)
    wrong = secured.of("operator", password="of-somebody-else")
    untrusted = secured.of("operator").model_copy(update={"kafka_ca_certificate": another})
    with ThreadPoolExecutor() as both:
        password, certificate = (told["kafka"] for told in both.map(found, (wrong, untrusted)))
    assert (password.level, certificate.level) == ("problem", "problem")
    assert (
        "does not let user tidemark-operator in: check TIDEMARK_KAFKA_USERNAME, TIDEMARK_KAFKA_PASS" in password.found
    )
    assert "no TLS with Kafka at " in certificate.found
    assert "check TIDEMARK_KAFKA_CA_CERTIFICATE" in certificate.found
    assert "docs/security.md" in password.todo


def test_the_doctor_names_a_right_that_is_missing_and_looks_at_the_rest(taken: Secured) -> None:
    settings = taken.of("operator")
    take_away(taken, "operator", "TOPIC", BOTS.name, "DESCRIBE_CONFIGS")
    take_away(taken, "operator", "GROUP", SINK_GROUP, "DESCRIBE")
    missing = f"it may not DESCRIBE_CONFIGS topic {BOTS.name}, DESCRIBE group {SINK_GROUP};"
    wait.until(lambda: missing in next(doctor_access.rights(settings)).found, 10.0)
    told = found(settings)
    assert (told["kafka rights"].level, "tidemark access create" in told["kafka rights"].todo) == ("problem", True)
    unseen = {"topic bot-events", "group influxdb-sink"}
    assert {check for check, each in told.items() if each.found == "not looked at: a right is missing"} == unseen
    assert told[f"group {STREAMS_GROUP}"].found.startswith("nobody reads")


def test_the_doctor_says_that_a_token_may_not_read(secured: Secured) -> None:
    [token] = [each for each in store(secured.of("sink")) if each.check == "influxdb token"]
    assert (token.level, token.found[:12]) == ("problem", "refused: 403")
    assert "TIDEMARK_INFLUXDB_TOKEN" in token.todo


def test_a_stack_uses_secured_servers_and_starts_none_where_it_is_not_let_in(secured: Secured) -> None:
    stack = LocalStack(secured.of("streams"))
    stack.start()
    assert stack.started == []
    with pytest.raises(StackError, match=r"no Kafka at .* lets user tidemark-streams in"):
        LocalStack(secured.of("streams", password="of-somebody-else")).start()


def test_who_may_create_and_see_topics_can_make_them(secured: Secured) -> None:
    """As the chart's user of Strimzi for `tidemark init` may."""
    beside = secured.of("simulator").model_copy(update={"topic_prefix": "eu."})
    with pytest.raises(StackError, match=r"topic eu\..* cannot be created"):
        create_topics(beside)
    may = [
        AclBinding(
            ResourceType.TOPIC,
            beside.topic_prefix,
            ResourcePatternType.PREFIXED,
            f"User:{beside.kafka_username}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in (AclOperation.CREATE, AclOperation.DESCRIBE)
    ]
    admin = AdminClient(client_config(secured.admin))
    for given in admin.create_acls(may).values():
        given.result()
    assert len(create_topics(beside)) == len(ALL)
    assert create_topics(beside) == []


# ---- InfluxDB


def write(settings: Settings) -> None:
    with InfluxDBClient(**influxdb_config(settings)) as client:
        client.write_api(SYNCHRONOUS).write(settings.influxdb_bucket, record="tried value=1")


def read(settings: Settings) -> None:
    with InfluxDBClient(**influxdb_config(settings)) as client:
        client.query_api().query(f'from(bucket: "{settings.influxdb_bucket}") |> range(start: -1h)')


def test_the_sinks_token_writes_and_the_gateways_reads_and_neither_does_more(secured: Secured) -> None:
    write(secured.of("sink"))
    for part in ("gateway", "ingestion", "operator"):
        read(secured.of(part))
        with pytest.raises(ApiException) as refused:
            write(secured.of(part))
        assert refused.value.status == 403
    with pytest.raises(ApiException) as refused:
        read(secured.of("sink"))
    assert b"requires READ" in refused.value.body


# ---- The secrets


def test_they_are_for_their_owner_only_and_stay_the_same(secured: Secured) -> None:
    files = [path for path in secured.secrets.rglob("*") if path.is_file()]
    before = {path: path.read_text() for path in files}
    assert {path.parent.name for path in files} == set(RIGHTS)
    assert {path.stat().st_mode & 0o077 for path in [*files, *secured.secrets.iterdir()]} == {0}
    create_access(secured.admin, secured.secrets)
    assert {path: path.read_text() for path in files} == before


def test_a_part_reads_them_from_its_folder(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_SECRETS_DIR", str(secured.secrets / "sink"))
    settings = Settings(kafka_security_protocol="SASL_SSL")
    wanted = secured.of("sink")
    assert settings.kafka_username == "tidemark-sink"
    assert settings.kafka_password == wanted.kafka_password
    assert settings.influxdb_token == wanted.influxdb_token
    assert not [secret for secret in secured.all_secrets() if secret in repr(settings)]
