"""deploy/kubernetes: by helm, by the schemas of Kubernetes, and what it promises."""

import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.deploy.chart import (
    CHART,
    LEAST,
    VERSIONS,
    ChartRefused,
    Object,
    conformity,
    objects,
    pod_templates,
    pods,
    read,
    run_helm,
)
from tests.deploy.compose import compose
from tests.deploy.dockerfile import read_steps
from tidemark.cli import app
from tidemark.settings import Settings, load_settings
from tidemark.topics import EVENTS

STRIMZI: Object = {"kafka": {"strimzi": {"enabled": True}}, "influxdb": LEAST["influxdb"]}
OPEN: Object = {"gateway": {"tokens": False}, "networkPolicy": {"enabled": False}}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
FULL: Object = {
    "image": {"tag": "1.2.3", "pullSecrets": ["registry"]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"clients": PEERS, "monitoring": PEERS},
    "ingestion": {"workers": 4, "storage": {"size": "10Gi", "className": "fast"}},
    "settings": {
        "TIDEMARK_LATENESS_MS": 5000,
        "TIDEMARK_INGESTION_SPOOL_BYTES": 4_294_967_296,
        "TIDEMARK_INGESTION_TRUSTED_PROXIES": ["10.0.0.0/8"],
        "TIDEMARK_GATEWAY_COMPRESSION": True,
    },
}
COMBINATIONS: dict[str, Object] = {
    "least": LEAST,
    "open": LEAST | OPEN,
    "full": LEAST | FULL | {"streams": {"autoscaling": {"by": "cpu"}}},
    "strimzi": STRIMZI | FULL | {"streams": {"autoscaling": {"by": "lag"}}},
}
PARTS = {"init": "init", "streams": "streams", "sinks": "sink", "gateway": "gateway", "ingestion": "ingestion"}
#: Settings that the chart or the image makes; secrets come from the Secret.
MADE = re.compile(
    "TIDEMARK_(DATA_DIR|SECRETS_DIR|TOPIC_PREFIX|(KAFKA|METRICS)_.*|INFLUXDB_(URL|ORG|BUCKET|TOKEN)"
    "|GATEWAY_(HOST|PORT|TOKEN_SECRET|TLS_.*|DASHBOARD)"
    "|INGESTION_(HOST|PORT|WORKERS|DIR|COUNTRY_DATABASE|TRACKER|PAGES|TLS_.*))"
)


@cache
def rendered(name: str) -> dict[str, Object]:
    return objects(COMBINATIONS[name])


def environment(pod: Object) -> dict[str, str]:
    given = [(each["name"], each["value"]) for each in pod["containers"][0]["env"]]
    assert len(given) == len(dict(given))
    return dict(given)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_helm_and_the_schemas_of_kubernetes_find_nothing(name: str) -> None:
    run_helm("lint", COMBINATIONS[name])
    assert [conformity(rendered(name), each) for each in VERSIONS] == [[], []]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("maxUnavailable: 1", "maxUnavailable: [1]"),
        ("kraftMetadata", "kraftMetaData"),
        ("lagThreshold", "lagTreshold"),
        ("jobLabel", "jobLabels"),
        ("networkPolicyPeers", "networkPolicies"),
    ],
)
def test_a_wrong_field_does_not_conform(right: str, wrong: str) -> None:
    text = run_helm("template", COMBINATIONS["strimzi"])
    assert right in text
    assert conformity(read(text.replace(right, wrong)), VERSIONS[-1])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "/influxdb/url"),
        ({}, "/kafka/bootstrapServers"),
        (LEAST | {"existingSecret": ""}, "/existingSecret"),
        (LEAST | {"streams": {"replicas": 13}}, "/streams/replicas"),
        (LEAST | {"streams": {"autoscaling": {"by": "hope"}}}, "/streams/autoscaling/by"),
        (LEAST | {"ingestion": {"replicas": 2}}, "replicas"),
        (LEAST | {"ingestion": {"storage": {"size": "much"}}}, "/ingestion/storage/size"),
        (LEAST | {"settings": {"TIDEMARK_LATENES_MS": 1}}, "TIDEMARK_LATENES_MS"),
        (LEAST | {"settings": {"TIDEMARK_INFLUXDB_TOKEN": "secret"}}, "TIDEMARK_INFLUXDB_TOKEN"),
        (LEAST | {"kafka": {"bootstrapServers": "kafka"}}, "/kafka/bootstrapServers"),
        (STRIMZI | {"kafka": {"strimzi": {"enabled": True}, "replicationFactor": 1}}, "/kafka/replicationFactor"),
        (LEAST | {"gatway": {}}, "gatway"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(values: Object, named: str) -> None:
    with pytest.raises(ChartRefused) as refused:
        run_helm("template", values)
    assert named in str(refused.value)


def test_the_settings_that_may_be_given_are_all_that_the_chart_does_not_make() -> None:
    schema: Object = yaml.safe_load((CHART / "values.schema.json").read_text())
    known = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}
    offered = schema["properties"]["settings"]["propertyNames"]["enum"]
    assert set(offered) == {name for name in known if not MADE.fullmatch(name)}


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("part", PARTS)
def test_settings_are_known_and_valid_and_secrets_are_read_as_kubernetes_mounts_them(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pod = pods(rendered(name))[part]
    variables = environment(pod)
    assert set(variables) <= {f"TIDEMARK_{field.upper()}" for field in Settings.model_fields}
    secrets = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    keys = [item["key"] for secret in secrets for item in secret["items"]]
    mount_secret(tmp_path, keys)
    if "TIDEMARK_SECRETS_DIR" in variables:
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert variables["TIDEMARK_SECRETS_DIR"] == mounts["secrets"]
        variables["TIDEMARK_SECRETS_DIR"] = str(tmp_path)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.kafka_replication_factor == 3
    assert bool(settings.influxdb_token.get_secret_value()) == (part != "streams")
    tokens = part == "gateway" and name != "open"
    assert bool(settings.gateway_token_secret.get_secret_value()) == tokens


def mount_secret(folder: Path, keys: list[str]) -> None:
    """Lay files out as the kubelet does: links to links into a folder with a date for a name."""
    (folder / "..2026_11_27").mkdir()
    (folder / "..data").symlink_to("..2026_11_27")
    for key in keys:
        (folder / "..2026_11_27" / key).write_text("x" * 40)
        (folder / key).symlink_to(f"..data/{key}")


def test_given_settings_keep_their_digits_and_go_to_the_parts_they_are_of() -> None:
    of = {part: environment(pod) for part, pod in pods(rendered("full")).items()}
    assert of["ingestion"]["TIDEMARK_INGESTION_SPOOL_BYTES"] == "4294967296"
    assert of["ingestion"]["TIDEMARK_INGESTION_TRUSTED_PROXIES"] == '["10.0.0.0/8"]'
    assert of["ingestion"]["TIDEMARK_INGESTION_WORKERS"] == "4"
    assert of["gateway"]["TIDEMARK_GATEWAY_COMPRESSION"] == "true"
    assert all(variables["TIDEMARK_LATENESS_MS"] == "5000" for variables in of.values())
    assert not any(name.startswith(("TIDEMARK_GATEWAY", "TIDEMARK_INGESTION")) for name in of["streams"])


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_the_command_and_answers_the_probes_that_it_does_with_docker(part: str) -> None:
    [container] = pods(rendered("least"))[part]["containers"]
    docker = compose()["services"][PARTS[part]]
    assert container["args"] == docker["command"]
    assert CliRunner().invoke(app, [*container["args"], "--help"]).exit_code == 0
    if part == "init":
        return
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = container["readinessProbe"]["httpGet"]
    assert f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}'" in docker["healthcheck"]["test"][3]
    assert container["livenessProbe"]["httpGet"]["path"] in ("/health", "/metrics")
    assert container["startupProbe"]["httpGet"] == container["livenessProbe"]["httpGet"]
    assert ports["metrics"] == 9101


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("part", PARTS)
def test_a_pod_is_unprivileged_read_only_bounded_and_knows_no_token_and_no_service(name: str, part: str) -> None:
    pod = pods(rendered(name))[part]
    user = next(step.text for step in read_steps(ROOT / "Dockerfile") if step.verb == "USER")
    security = pod["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == user
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert rendered(name)["ServiceAccount/tidemark"]["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/tmp", "/var/lib/tidemark"}
    spread = {each["topologyKey"] for each in pod.get("topologySpreadConstraints", [])}
    assert len(spread) == (0 if part == "init" else 2)


def test_only_the_door_has_a_disk_and_there_is_one_of_it() -> None:
    door = rendered("full")["StatefulSet/tidemark-ingestion"]["spec"]
    [claim] = door["volumeClaimTemplates"]
    assert door["replicas"] == 1
    assert claim["metadata"]["name"] in {
        mount["name"] for mount in door["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    assert (claim["spec"]["storageClassName"], claim["spec"]["resources"]["requests"]["storage"]) == ("fast", "10Gi")
    assert [name for name in rendered("full") if name.startswith("StatefulSet")] == ["StatefulSet/tidemark-ingestion"]


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
    assert all("podSelector" in peer for peer in kafka["listeners"][0]["networkPolicyPeers"])
    assert environment(pods(of)["streams"])["TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"] == "tidemark-kafka-bootstrap:9092"


@pytest.mark.parametrize(("name", "scaler"), [("full", "HorizontalPodAutoscaler"), ("strimzi", "ScaledObject")])
def test_workers_are_counted_by_one_of_the_chart_and_the_scaler(name: str, scaler: str) -> None:
    assert rendered("least")["Deployment/tidemark-streams"]["spec"]["replicas"] == 2
    assert "replicas" not in rendered(name)["Deployment/tidemark-streams"]["spec"]
    spec = rendered(name)[f"{scaler}/tidemark-streams"]["spec"]
    assert spec["scaleTargetRef"]["name"] == "tidemark-streams"
    if scaler == "ScaledObject":
        asked = spec["triggers"][0]["metadata"]
        assert (asked["consumerGroup"], asked["topic"]) == ("tidemark-streams", EVENTS.name)


def test_no_more_workers_than_partitions() -> None:
    schema: Object = yaml.safe_load((CHART / "values.schema.json").read_text())
    streams = schema["properties"]["streams"]["properties"]
    assert streams["replicas"]["maximum"] == EVENTS.partitions
    assert streams["autoscaling"]["properties"]["maxReplicas"]["maximum"] == EVENTS.partitions


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


def test_a_pod_reaches_and_is_reached_by_what_it_needs() -> None:
    policies: Any = {key: each["spec"] for key, each in rendered("full").items() if key.startswith("NetworkPolicy")}
    ports = [port["port"] for rule in policies["NetworkPolicy/tidemark"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 8086, 9092]
    assert policies["NetworkPolicy/tidemark"]["ingress"] == [{"ports": [{"port": 9101}], "from": PEERS}]
    assert policies["NetworkPolicy/tidemark-gateway"]["ingress"] == [{"ports": [{"port": 8082}], "from": PEERS}]
    assert policies["NetworkPolicy/tidemark-ingestion"]["ingress"] == [{"ports": [{"port": 8000}], "from": PEERS}]
    assert not [key for key in rendered("open") if key.startswith("NetworkPolicy")]


def test_parts_of_several_pods_lose_one_at_a_time() -> None:
    budgets = {key: each["spec"] for key, each in rendered("least").items() if key.startswith("PodDisruptionBudget")}
    assert {key.rpartition("-")[2] for key in budgets} == {"streams", "gateway"}
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())


def test_prometheus_gets_its_jobs_from_the_services() -> None:
    of = rendered("full")
    monitor = of["ServiceMonitor/tidemark"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    services = [each["metadata"]["labels"] for key, each in of.items() if key.startswith("Service/")]
    assert {labels[monitor["spec"]["jobLabel"]] for labels in services} == set(PARTS) - {"init"}


def test_the_readmes_command_and_the_values_of_the_operations_page_install_it() -> None:
    command = (ROOT / "README.md").read_text().partition("helm install ")[2].partition("```")[0]
    given = dict(pair.split("=") for pair in re.findall(r"--set (\S+)", command))
    assert "deploy/kubernetes" in command
    page = (ROOT / "docs" / "operations.md").read_text()
    [values] = re.findall(r"```yaml\n# values.yaml\n(.*?)```", page, re.DOTALL)
    assert objects(yaml.safe_load(values)).keys() == rendered("least").keys() == objects(nested(given)).keys()


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
