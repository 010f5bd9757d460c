"""deploy/kubernetes: what each part's pod is given, as Tidemark reads it and as it is tried with compose.yaml."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from deploy.access import PASSWORD, TOKEN, USERNAME
from streams.alerts.app import load_rules
from tests.conftest import ROOT
from tests.deploy.chart import COMBINATIONS, PARTS, RULES, Object, environment, pods, rendered, sources
from tests.deploy.compose import compose
from tests.deploy.dockerfile import read_steps
from tidemark.cli import app
from tidemark.rights import RIGHTS
from tidemark.settings import Settings, load_settings

#: The first time helm is built.
pytestmark = pytest.mark.timeout(900)

AUTHORITY = "PEM"


def files_of(pod: Object, of: dict[str, Object], part: str) -> dict[str, str]:
    """Return the files that Kubernetes would project into the pod; a key that the Secret has not is an error."""
    found: dict[str, str] = {}
    for source in sources(pod):
        if "configMap" in source:
            found |= of[f"ConfigMap/{source['configMap']['name']}"]["data"]
        else:
            kept = secret(source["secret"]["name"], part)
            found |= {item["path"]: kept[item["key"]] for item in source["secret"]["items"]}
    return found


def secret(name: str, part: str) -> dict[str, str]:
    """Return what is in a Secret: of who installs, of Strimzi, or the part's own by `tidemark access create`."""
    if name in ("authority", "tidemark-cluster-ca-cert"):
        return {"ca.crt": AUTHORITY}
    if name == f"tidemark-kafka-{part}":
        return {"password": "of-strimzi"}
    token = {TOKEN: "of-the-bucket", "tidemark_gateway_token_secret": "x" * 40}
    if name == "tidemark":
        return token
    assert name == f"tidemark-{PARTS[part]}"
    # The administrator's has a token too; the gateway's secret is put to what was made for it.
    reads = part == "init" or RIGHTS[PARTS[part]].influxdb is not None
    return {USERNAME: name, PASSWORD: "of-its-own"} | (token if reads else {})


def mount(folder: Path, files: dict[str, str]) -> None:
    """Lay files out as the kubelet does: links to links into a folder with a date for a name."""
    (folder / "..2026_11_27").mkdir()
    (folder / "..data").symlink_to("..2026_11_27")
    for name, text in files.items():
        (folder / "..2026_11_27" / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")


def settings_of(name: str, part: str, patch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """Return the settings that a part reads in its pod, whose files are in ``folder``."""
    pod = pods(rendered(name))[part]
    mount(folder, files_of(pod, rendered(name), part))
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    for variable, value in environment(pod).items():
        patch.setenv(variable, value.replace(mounts.get("files", "/etc"), str(folder)))
    return load_settings()


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("part", PARTS)
def test_settings_are_known_and_valid_and_secrets_are_read_as_kubernetes_mounts_them(
    name: str, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(name, part, monkeypatch, tmp_path)
    variables = environment(pods(rendered(name))[part])
    assert set(variables) <= {f"TIDEMARK_{field.upper()}" for field in Settings.model_fields}
    assert settings.kafka_replication_factor == 3
    assert bool(settings.influxdb_token.get_secret_value()) == (part not in ("streams", "alerts"))
    tokens = part == "gateway" and name != "open"
    assert bool(settings.gateway_token_secret.get_secret_value()) == tokens


@pytest.mark.parametrize(
    ("name", "user", "password"),
    [("strimzi", "tidemark-kafka-{}", "of-strimzi"), ("secured", "tidemark-{}", "of-its-own")],
)
@pytest.mark.parametrize("part", PARTS)
def test_each_part_comes_to_kafka_as_a_user_of_its_own_over_tls(
    name: str, user: str, password: str, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(name, part, monkeypatch, tmp_path)
    assert (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert settings.kafka_username == user.format(part if name == "strimzi" else PARTS[part])
    assert settings.kafka_password == SecretStr(password)
    assert settings.kafka_ca_certificate is not None
    assert settings.kafka_ca_certificate.read_text() == AUTHORITY


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rules_of_alerts_are_those_that_are_given_or_the_images(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(name, "alerts", monkeypatch, tmp_path)
    given = name in ("full", "strimzi")
    assert settings.alert_rules.is_relative_to(tmp_path) == given
    assert load_rules(settings.alert_rules)
    assert settings.alert_rules.read_text() == RULES
    annotations = rendered(name)["Deployment/tidemark-alerts"]["spec"]["template"]["metadata"].get("annotations", {})
    assert ("checksum/rules" in annotations) == given


def test_given_settings_keep_their_digits_and_go_to_the_parts_they_are_of() -> None:
    of = {part: environment(pod) for part, pod in pods(rendered("full")).items()}
    assert of["ingestion"]["TIDEMARK_INGESTION_SPOOL_BYTES"] == "4294967296"
    assert of["ingestion"]["TIDEMARK_INGESTION_TRUSTED_PROXIES"] == '["10.0.0.0/8"]'
    assert of["ingestion"]["TIDEMARK_INGESTION_WORKERS"] == "4"
    assert of["gateway"]["TIDEMARK_GATEWAY_COMPRESSION"] == "true"
    assert all(variables["TIDEMARK_LATENESS_MS"] == "5000" for variables in of.values())
    assert not any(name.startswith(("TIDEMARK_GATEWAY", "TIDEMARK_INGESTION")) for name in of["streams"])


def test_all_parts_that_run_with_docker_run_but_the_simulator() -> None:
    ours = {name for name, service in compose()["services"].items() if service["image"].startswith("tidemark:")}
    assert {PARTS[part] for part in pods(rendered("least"))} == ours - {"simulator"}


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
    written = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert written == {"/tmp", "/var/lib/tidemark"}
    spread = {each["topologyKey"] for each in pod.get("topologySpreadConstraints", [])}
    assert len(spread) == (0 if part == "init" else 2)
