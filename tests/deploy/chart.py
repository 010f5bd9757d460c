"""The Helm chart as helm renders it, and its objects as Kubernetes' own schemas see them."""

import json
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.deploy.programs import helm, kubeconform

CHART = ROOT / "deploy" / "kubernetes"
#: What has no default; with it alone the chart can be installed.
LEAST = {"kafka": {"bootstrapServers": "kafka-1:9092,kafka-2:9092"}, "influxdb": {"url": "http://influxdb:8086"}}
#: The oldest and the newest Kubernetes that the objects are checked against.
VERSIONS = ("1.30.0", "1.37.0")

Object = dict[str, Any]


class ChartRefused(Exception):
    """Helm does not take the chart or the values; the text is its own."""


def run_helm(command: str, values: Mapping[str, object]) -> str:
    """Return what ``helm lint`` says or ``helm template`` renders. Raises ChartRefused."""
    name = ["tidemark"] if command == "template" else []
    arguments = [command, *name, str(CHART), "--kube-version", VERSIONS[-1], "--values", "-"]
    done = subprocess.run([helm(), *arguments], input=json.dumps(values), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChartRefused(done.stdout + done.stderr)
    return done.stdout


def objects(values: Mapping[str, object]) -> dict[str, Object]:
    """Return the rendered objects by ``Kind/name``. Raises ChartRefused."""
    found = list(yaml.safe_load_all(run_helm("template", values)))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found if each}


def pods(of: Mapping[str, Object]) -> dict[str, Object]:
    """Return the specifications of the pods that Tidemark's parts run in, by part."""
    templates = [each["spec"]["template"] for each in of.values() if "template" in each["spec"]] if of else []
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"] for each in templates}


def conformity(rendered: str, version: str) -> list[str]:
    """Return what a Kubernetes of that version would refuse, each with its object; custom kinds by tests/deploy/crds."""
    builtin = f"{files('kubernetes_validate')}/kubernetes-json-schema/{{{{.NormalizedKubernetesVersion}}}}-local-strict"
    places = (builtin, str(ROOT / "tests" / "deploy" / "crds"))
    locations = [f"--schema-location={place}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json" for place in places]
    command = [kubeconform(), "-strict", "-output=json", f"-kubernetes-version={version}", *locations]
    done = subprocess.run([*map(str, command)], input=rendered, capture_output=True, text=True, check=False)
    return [f"{each['kind']} {each['name']}: {each['msg']}" for each in json.loads(done.stdout)["resources"]]
