"""deploy/kubernetes: the Kafka that Strimzi makes, its users and their rights, and workers counted by lag."""

import pytest
from typer.testing import CliRunner

from tests.deploy.chart import (
    BY_LAG,
    CHART,
    COMBINATIONS,
    LEAST,
    PARTS,
    Object,
    environment,
    objects,
    pods,
    rendered,
    sources,
)
from tidemark.cli import app
from tidemark.rights import RIGHTS
from tidemark.topics import EVENTS

#: The first time helm is built.
pytestmark = pytest.mark.timeout(900)

KINDS = {"topic": "topic", "group": "group", "transactional id": "transactionalId"}
PREFIX = "eu."


def test_topics_are_made_before_the_parts_or_beside_a_kafka_that_is_made_too() -> None:
    hook = rendered("least")["Job/tidemark-init"]
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # The chart's ServiceAccount is not there yet.
    assert "serviceAccountName" not in hook["spec"]["template"]["spec"]
    assert "annotations" not in rendered("strimzi")["Job/tidemark-init-1"]["metadata"]


def test_strimzi_keeps_three_copies_of_which_two_are_in_sync_for_who_belongs_to_it() -> None:
    of = rendered("strimzi")
    pool, kafka = of["KafkaNodePool/tidemark-brokers"], of["Kafka/tidemark"]["spec"]["kafka"]
    assert pool["metadata"]["labels"]["strimzi.io/cluster"] == of["Kafka/tidemark"]["metadata"]["name"]
    assert pool["spec"]["replicas"] == 3
    config = kafka["config"]
    assert (config["default.replication.factor"], config["min.insync.replicas"]) == (3, 2)
    assert config["transaction.state.log.min.isr"] == 2
    assert config["auto.create.topics.enable"] is False


def test_strimzi_lets_in_only_users_over_tls_who_may_do_what_they_are_allowed() -> None:
    kafka = rendered("strimzi")["Kafka/tidemark"]["spec"]
    [listener] = kafka["kafka"]["listeners"]
    assert (listener["tls"], listener["authentication"]) == (True, {"type": "scram-sha-512"})
    assert all("podSelector" in peer for peer in listener["networkPolicyPeers"])
    assert kafka["kafka"]["authorization"] == {"type": "simple"}
    assert "userOperator" in kafka["entityOperator"]
    address = environment(pods(rendered("strimzi"))["streams"])["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"]
    assert address == f"tidemark-kafka-bootstrap.default.svc:{listener['port']}"


@pytest.fixture(scope="module")
def prefixed() -> dict[str, Object]:
    """Return the objects of a platform beside another one on the same Kafka."""
    values = COMBINATIONS["strimzi"]
    return objects(values | {"kafka": values["kafka"] | {"topicPrefix": PREFIX}})


@pytest.mark.parametrize("part", [part for part in PARTS if part != "init"])
@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_a_user_of_strimzi_has_the_rights_of_the_table(part: str, prefix: str, prefixed: dict[str, Object]) -> None:
    of = prefixed if prefix else rendered("strimzi")
    user = of[f"KafkaUser/tidemark-kafka-{part}"]
    assert user["metadata"]["labels"]["strimzi.io/cluster"] == "tidemark"
    given = [(*rule["operations"], *rule["resource"].values()) for rule in user["spec"]["authorization"]["acls"]]
    assert given == [
        (
            right.operation.title().replace("_", ""),
            KINDS[right.kind],
            prefix + right.name,
            "prefix" if right.begins else "literal",
        )
        for right in RIGHTS[PARTS[part]].kafka
    ]


@pytest.mark.parametrize(("prefix", "names"), [("", ("*", "literal")), (PREFIX, (PREFIX, "prefix"))])
def test_who_makes_topics_may_do_only_that(prefix: str, names: tuple[str, str], prefixed: dict[str, Object]) -> None:
    user = (prefixed if prefix else rendered("strimzi"))["KafkaUser/tidemark-kafka-init"]
    [rule] = user["spec"]["authorization"]["acls"]
    assert rule["operations"] == ["Create", "Describe"]
    assert tuple(rule["resource"].values()) == ("topic", *names)


def test_the_charts_copy_of_the_rights_is_what_the_command_lists() -> None:
    listed = CliRunner().invoke(app, ["access", "list", "--json"], env={"TIDEMARK_TOPIC_PREFIX": ""})
    assert (CHART / "files" / "rights.jsonl").read_text() == listed.stdout


@pytest.mark.parametrize(("name", "scaler"), [("full", "HorizontalPodAutoscaler"), ("strimzi", "ScaledObject")])
def test_workers_are_counted_by_one_of_the_chart_and_the_scaler(name: str, scaler: str) -> None:
    assert rendered("least")["Deployment/tidemark-streams"]["spec"]["replicas"] == 2
    assert "replicas" not in rendered(name)["Deployment/tidemark-streams"]["spec"]
    spec = rendered(name)[f"{scaler}/tidemark-streams"]["spec"]
    assert spec["scaleTargetRef"]["name"] == "tidemark-streams"
    if scaler == "ScaledObject":
        asked = spec["triggers"][0]["metadata"]
        assert (asked["consumerGroup"], asked["topic"]) == ("tidemark-streams", EVENTS.name)


@pytest.mark.parametrize("name", ["strimzi", "secured"])
def test_lag_is_asked_for_as_the_workers_do_it(name: str) -> None:
    of = rendered(name)
    [trigger] = of["ScaledObject/tidemark-streams"]["spec"]["triggers"]
    known = of[f"TriggerAuthentication/{trigger['authenticationRef']['name']}"]["spec"]
    assert (trigger["metadata"]["tls"], trigger["metadata"]["sasl"]) == ("enable", "scram_sha512")
    pod = pods(of)["streams"]
    assert all(each["name"] in environment(pod) for each in known.get("env", []))
    mounted = {
        (source["secret"]["name"], item["key"])
        for source in sources(pod)
        for item in source.get("secret", {"items": []})["items"]
    }
    assert {(each["name"], each["key"]) for each in known["secretTargetRef"]} == mounted
    told = {each["parameter"] for each in [*known.get("env", []), *known["secretTargetRef"]]}
    assert told == {"username", "password", "ca"}


def test_lag_is_asked_for_in_plain_text_where_kafka_is_open() -> None:
    of = objects(LEAST | {"streams": BY_LAG})
    [trigger] = of["ScaledObject/tidemark-streams"]["spec"]["triggers"]
    assert trigger["metadata"]["tls"] == "disable"
    assert "authenticationRef" not in trigger
    assert "sasl" not in trigger["metadata"]
    assert "TriggerAuthentication/tidemark-streams" not in of
