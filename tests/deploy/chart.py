"""The Helm chart as helm renders it, and its objects as Kubernetes' own schemas see them."""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

from tests.conftest import ROOT
from tests.deploy.programs import helm

CHART = ROOT / "deploy" / "kubernetes"
#: The oldest and the newest Kubernetes that the objects are checked against.
VERSIONS = ("1.30", "1.37")
CUSTOM = ROOT / "tests" / "deploy" / "crds"
#: The chart's parts, by the names they have in compose.yaml and in the table of rights.
PARTS = {
    "init": "init",
    "streams": "streams",
    "sinks": "sink",
    "gateway": "gateway",
    "ingestion": "ingestion",
    "alerts": "alerts",
}

Object = dict[str, Any]

#: What has no default; with it alone the chart can be installed.
LEAST: Object = {
    "kafka": {"bootstrapServers": "kafka-1:9092,kafka-2:9092"},
    "influxdb": {"url": "http://influxdb:8086"},
}
STRIMZI: Object = {"kafka": {"strimzi": {"enabled": True}}, "influxdb": LEAST["influxdb"]}
OPEN: Object = {"gateway": {"tokens": False}, "networkPolicy": {"enabled": False}}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
RULES = (ROOT / "streams/alerts/rules.toml").read_text()
FULL: Object = {
    "image": {"tag": "1.2.3", "pullSecrets": ["registry"]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"clients": PEERS, "monitoring": PEERS, "egress": [{"ports": [{"port": 8181}]}]},
    "ingestion": {"workers": 4, "storage": {"size": "10Gi", "className": "fast"}},
    "alerts": {"rules": RULES},
    "settings": {
        "TIDEMARK_LATENESS_MS": 5000,
        "TIDEMARK_TRACES_ENDPOINT": "http://collector:4318",
        "TIDEMARK_INGESTION_SPOOL_BYTES": 4_294_967_296,
        "TIDEMARK_INGESTION_TRUSTED_PROXIES": ["10.0.0.0/8"],
        "TIDEMARK_GATEWAY_COMPRESSION": True,
    },
}
#: A Kafka that lets in nobody but users.
SASL: Object = {"bootstrapServers": "kafka-1:9093", "security": {"protocol": "SASL_SSL", "ca": {"secret": "authority"}}}
OWN: Object = {part: {"existingSecret": f"tidemark-{name}"} for part, name in PARTS.items()}
BY_LAG: Object = {"autoscaling": {"by": "lag"}}
COMBINATIONS: dict[str, Object] = {
    "least": LEAST,
    "open": LEAST | OPEN,
    "full": LEAST | FULL | {"streams": {"autoscaling": {"by": "cpu"}}},
    "strimzi": STRIMZI | FULL | {"streams": BY_LAG},
    "secured": LEAST | OWN | {"kafka": SASL, "streams": OWN["streams"] | BY_LAG},
}

# The definitions of a Kubernetes are read and parsed for each object otherwise: three quarters of the time.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


class ChartRefused(Exception):
    """Helm does not take the chart or the values; the text is its own."""


def run_helm(command: str, values: Mapping[str, object]) -> str:
    """Return what ``helm lint`` says or ``helm template`` renders. Raises ChartRefused."""
    name = ["tidemark"] if command == "template" else []
    arguments = [command, *name, str(CHART), "--kube-version", f"{VERSIONS[-1]}.0", "--values", "-"]
    done = subprocess.run([helm(), *arguments], input=json.dumps(values), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChartRefused(done.stdout + done.stderr)
    return done.stdout


def objects(values: Mapping[str, object]) -> dict[str, Object]:
    """Return the rendered objects by ``Kind/name``. Raises ChartRefused."""
    return read(run_helm("template", values))


@cache
def rendered(name: str) -> dict[str, Object]:
    """Return the objects of one of the combinations of values."""
    return objects(COMBINATIONS[name])


def read(text: str) -> dict[str, Object]:
    """Return rendered objects by ``Kind/name``."""
    found = list(yaml.load_all(text, yaml.CSafeLoader))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found if each}


def pods(of: Mapping[str, Object]) -> dict[str, Object]:
    """Return the specifications of the pods that Tidemark's parts run in, by part."""
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in pod_templates(of)}


def pod_templates(of: Mapping[str, Object]) -> list[Object]:
    """Return the templates that Kubernetes makes pods of."""
    return [each["spec"]["template"] for each in of.values() if each["kind"] in ("Deployment", "StatefulSet", "Job")]


def environment(pod: Object) -> dict[str, str]:
    """Return the variables of a pod's container, none of which is there twice."""
    given = [(each["name"], each["value"]) for each in pod["containers"][0]["env"]]
    assert len(given) == len(dict(given))
    return dict(given)


def sources(pod: Object) -> list[Object]:
    """Return the Secrets and ConfigMaps that a pod gets files of, with their kind: ``{"secret": …}``."""
    found: list[Object] = [
        one for volume in pod["volumes"] for one in volume.get("projected", {"sources": []})["sources"]
    ]
    return found


def conformity(of: Mapping[str, Object], version: str) -> list[str]:
    """Return what a Kubernetes of that version would refuse, with its object; custom kinds by tests/deploy/crds."""
    return [f"{name}: {wrong}" for name, each in of.items() if (wrong := _wrong(each, version))]


def _wrong(one: Object, version: str) -> str:
    custom = CUSTOM / f"{one['kind'].lower()}.json"
    try:
        if custom.exists():
            jsonschema.validate(one, json.loads(custom.read_text()))
        else:
            kubernetes_validate.validate(one, version, strict=True)
    except jsonschema.ValidationError as error:
        return str(error.message)
    return ""
