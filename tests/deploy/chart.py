"""The Helm chart as helm renders it, and its objects as Kubernetes' own schemas see them."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

from tests.conftest import ROOT
from tests.deploy.programs import helm

CHART = ROOT / "deploy" / "kubernetes"
#: What has no default; with it alone the chart can be installed.
LEAST = {"kafka": {"bootstrapServers": "kafka-1:9092,kafka-2:9092"}, "influxdb": {"url": "http://influxdb:8086"}}
#: The oldest and the newest Kubernetes that the objects are checked against.
VERSIONS = ("1.30", "1.37")
CUSTOM = ROOT / "tests" / "deploy" / "crds"

Object = dict[str, Any]


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


def read(rendered: str) -> dict[str, Object]:
    """Return rendered objects by ``Kind/name``."""
    found = list(yaml.safe_load_all(rendered))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found if each}


def pods(of: Mapping[str, Object]) -> dict[str, Object]:
    """Return the specifications of the pods that Tidemark's parts run in, by part."""
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in pod_templates(of)}


def pod_templates(of: Mapping[str, Object]) -> list[Object]:
    """Return the templates that Kubernetes makes pods of."""
    return [each["spec"]["template"] for each in of.values() if each["kind"] in ("Deployment", "StatefulSet", "Job")]


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
