"""deploy/kubernetes: by helm, by the schemas of Kubernetes, and what it promises."""

import json
import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.chart import (
    CHART,
    COMBINATIONS,
    LEAST,
    OWN,
    PARTS,
    PEERS,
    SASL,
    STRIMZI,
    VERSIONS,
    ChartRefused,
    Object,
    conformity,
    objects,
    pod_templates,
    read,
    rendered,
    run_helm,
)
from tidemark.settings import Settings
from tidemark.topics import MAX_EVENT_PARTITIONS

#: The first time helm is built.
pytestmark = pytest.mark.timeout(900)

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text())
#: Settings that the chart or the image makes, and those of what the chart does not run; secrets come from Secrets.
MADE = re.compile(
    "TIDEMARK_(DATA_DIR|SECRETS_DIR|TOPIC_PREFIX|(KAFKA|METRICS)_.*|INFLUXDB_(URL|ORG|BUCKET|TOKEN)"
    "|GATEWAY_(HOST|PORT|TOKEN_SECRET|TLS_.*|DASHBOARD)"
    "|INGESTION_(HOST|PORT|WORKERS|DIR|COUNTRY_DATABASE|TRACKER|PAGES|TLS_.*)"
    "|ALERT_RULES|PROMETHEUS_PORT|WEBHOOK_.*)"
)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_helm_and_the_schemas_of_kubernetes_find_nothing(name: str) -> None:
    run_helm("lint", COMBINATIONS[name])
    assert [conformity(rendered(name), each) for each in VERSIONS] == [[], []]


@pytest.mark.parametrize(
    ("one", "right", "wrong"),
    [
        ("Deployment/tidemark-streams", "readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("PodDisruptionBudget/tidemark-streams", '"maxUnavailable": 1', '"maxUnavailable": [1]'),
        ("Kafka/tidemark", "networkPolicyPeers", "networkPolicies"),
        ("KafkaNodePool/tidemark-brokers", "kraftMetadata", "kraftMetaData"),
        ("KafkaUser/tidemark-kafka-streams", "transactionalId", "transactionalID"),
        ("ScaledObject/tidemark-streams", "lagThreshold", "lagTreshold"),
        ("TriggerAuthentication/tidemark-streams", "secretTargetRef", "secretTargetRefs"),
        ("ServiceMonitor/tidemark", "jobLabel", "jobLabels"),
        ("PrometheusRule/tidemark", '"for"', '"four"'),
    ],
)
def test_a_wrong_field_does_not_conform(one: str, right: str, wrong: str) -> None:
    text = json.dumps(rendered("strimzi")[one])
    assert not conformity(read(text), VERSIONS[-1])
    assert conformity(read(text.replace(right, wrong)), VERSIONS[-1])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "/influxdb/url"),
        ({}, "/kafka/bootstrapServers"),
        (LEAST | {"existingSecret": ""}, "/existingSecret"),
        (LEAST | {"streams": {"replicas": 1001}}, "/streams/replicas"),
        (LEAST | {"streams": {"autoscaling": {"by": "hope"}}}, "/streams/autoscaling/by"),
        (LEAST | {"ingestion": {"replicas": 2}}, "replicas"),
        (LEAST | {"ingestion": {"storage": {"size": "much"}}}, "/ingestion/storage/size"),
        (LEAST | {"settings": {"TIDEMARK_LATENES_MS": 1}}, "TIDEMARK_LATENES_MS"),
        (LEAST | {"settings": {"TIDEMARK_INFLUXDB_TOKEN": "secret"}}, "TIDEMARK_INFLUXDB_TOKEN"),
        (LEAST | {"kafka": {"bootstrapServers": "kafka"}}, "/kafka/bootstrapServers"),
        (LEAST | {"kafka": SASL | {"security": {"protocol": "TLS"}}}, "/kafka/security/protocol"),
        (LEAST | OWN | {"kafka": SASL, "sinks": {}}, "/sinks/existingSecret"),
        (STRIMZI | {"kafka": {"strimzi": {"enabled": True}, "replicationFactor": 1}}, "/kafka/replicationFactor"),
        (
            STRIMZI | {"kafka": {"strimzi": {"enabled": True}, "security": {"protocol": "SSL"}}},
            "/kafka/security/protocol",
        ),
        (LEAST | {"gatway": {}}, "gatway"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(values: Object, named: str) -> None:
    with pytest.raises(ChartRefused) as refused:
        run_helm("template", values)
    assert named in str(refused.value)


def test_the_settings_that_may_be_given_are_all_that_the_chart_does_not_make() -> None:
    known = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}
    offered = SCHEMA["properties"]["settings"]["propertyNames"]["enum"]
    assert set(offered) == {name for name in known if not MADE.fullmatch(name)}


def test_no_more_workers_than_partitions() -> None:
    streams = SCHEMA["properties"]["streams"]["properties"]
    assert streams["replicas"]["maximum"] == MAX_EVENT_PARTITIONS
    assert streams["autoscaling"]["properties"]["maxReplicas"]["maximum"] == MAX_EVENT_PARTITIONS


def test_only_the_door_has_a_disk_and_there_is_one_of_it() -> None:
    door = rendered("full")["StatefulSet/tidemark-ingestion"]["spec"]
    [claim] = door["volumeClaimTemplates"]
    assert door["replicas"] == 1
    assert claim["metadata"]["name"] in {
        mount["name"] for mount in door["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    assert (claim["spec"]["storageClassName"], claim["spec"]["resources"]["requests"]["storage"]) == ("fast", "10Gi")
    assert [name for name in rendered("full") if name.startswith("StatefulSet")] == ["StatefulSet/tidemark-ingestion"]


@pytest.mark.parametrize("name", COMBINATIONS)
def test_what_selects_pods_selects_those_of_its_part(name: str) -> None:
    of = rendered(name)
    labels = [template["metadata"]["labels"] for template in pod_templates(of)]
    for key, each in of.items():
        if key.startswith(("Service/", "PodDisruptionBudget", "NetworkPolicy", "Deployment", "StatefulSet")):
            spec = each["spec"]
            selector = spec.get("selector") or spec["podSelector"]
            wanted = set(selector.get("matchLabels", selector).items())
            found = [it["app.kubernetes.io/component"] for it in labels if wanted <= set(it.items())]
            assert found == [key.rpartition("-")[2]] or (key == "NetworkPolicy/tidemark" and len(found) == len(PARTS))


@pytest.mark.parametrize(("name", "kafka"), [("full", 9092), ("secured", 9093), ("strimzi", 9093)])
def test_a_pod_reaches_and_is_reached_by_what_it_needs(name: str, kafka: int) -> None:
    policies: Any = {key: each["spec"] for key, each in rendered(name).items() if key.startswith("NetworkPolicy")}
    ports = [port["port"] for rule in policies["NetworkPolicy/tidemark"]["egress"] for port in rule["ports"]]
    given = name != "secured"
    assert ports == [53, 53, 8086, kafka, *([4318, 8181] if given else [])]
    anyone: list[Object] = [{"namespaceSelector": {}}]
    [metrics] = policies["NetworkPolicy/tidemark"]["ingress"]
    assert metrics == {"ports": [{"port": 9101}], "from": PEERS if given else anyone}
    for part, port in {"gateway": 8082, "ingestion": 8000}.items():
        rule = {"ports": [{"port": port}]} | ({"from": PEERS} if given else {})
        assert policies[f"NetworkPolicy/tidemark-{part}"]["ingress"] == [rule]
    assert not [key for key in rendered("open") if key.startswith("NetworkPolicy")]


def test_parts_of_several_pods_lose_one_at_a_time_and_of_the_alerts_there_are_never_two() -> None:
    of = rendered("least")
    budgets = {key: each["spec"] for key, each in of.items() if key.startswith("PodDisruptionBudget")}
    assert {key.rpartition("-")[2] for key in budgets} == {"streams", "gateway"}
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())
    alerts = of["Deployment/tidemark-alerts"]["spec"]
    assert (alerts["replicas"], alerts["strategy"]) == (1, {"type": "Recreate"})


def test_prometheus_gets_its_jobs_from_the_services_and_the_rules_that_it_has_elsewhere() -> None:
    of = rendered("full")
    monitor, rules = of["ServiceMonitor/tidemark"], of["PrometheusRule/tidemark"]
    assert monitor["metadata"]["labels"]["release"] == rules["metadata"]["labels"]["release"] == "prometheus"
    services = [each["metadata"]["labels"] for key, each in of.items() if key.startswith("Service/")]
    assert {labels[monitor["spec"]["jobLabel"]] for labels in services} == set(PARTS) - {"init"}
    files = sorted((ROOT / "monitoring" / "prometheus" / "rules").iterdir())
    assert len(files) == 2
    assert rules["spec"]["groups"] == [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]


def test_the_readmes_command_and_the_values_of_the_operations_page_install_it() -> None:
    command = (ROOT / "README.md").read_text().partition("helm install ")[2].partition("```")[0]
    given = dict(pair.split("=") for pair in re.findall(r"--set (\S+)", command))
    assert "deploy/kubernetes" in command
    page = (ROOT / "docs" / "operations.md").read_text()
    values = {name: yaml.safe_load(text) for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.DOTALL)}
    assert objects(values["values.yaml"]).keys() == rendered("least").keys() == objects(nested(given)).keys()
    secured = objects(values["values.yaml"] | values["secured.yaml"])
    assert secured.keys() == rendered("least").keys()
    assert "tidemark-sink" in json.dumps(secured["Deployment/tidemark-sinks"])


def nested(given: dict[str, str]) -> Object:
    """Return ``--set`` values of two levels as a file would have them."""
    values: Object = {}
    for path, value in given.items():
        first, second = path.split(".")
        values.setdefault(first, {})[second] = value
    return values


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version("tidemark")
