"""What the Dockerfile's steps leave, run as compose.yaml runs it, against the real servers."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from deploy.local.addresses import Address, free_ports
from deploy.local.fetch import EXPORTER_VERSION, kafka_path
from deploy.local.kafka import java_command, kafka_services
from tests.conftest import CACHE, ROOT
from tests.deploy.compose import compose
from tests.deploy.dockerfile import context, read_steps
from tests.deploy.image import SET_ASIDE, Image, follow
from tests.support import wait
from tidemark.settings import Settings
from tidemark.topics import ALL

#: Following the steps takes a minute of CPU time, and the first time it fetches the libraries.
pytestmark = pytest.mark.timeout(900)

STOP_S = 20.0
PARTS = ("streams", "sink", "gateway", "ingestion", "simulator")


class Service:
    """A service of compose.yaml as a process with the image's files and environment."""

    def __init__(self, image: Image, name: str, env: dict[str, str]) -> None:
        self.name = name
        self._image = image
        self._service = compose()["services"][name]
        inside = image.env | self._service["environment"]
        self.env = {key: "127.0.0.1" if value == "0.0.0.0" else value for key, value in inside.items()} | env
        self._log = image.root / f"{name}.log"
        self.process = self._spawn([*image.entrypoint, *self._service["command"]], self._log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def healthy(self) -> bool:
        """Say what the service's own health check says, with its port where it is here."""
        assert self.process.poll() is None, f"{self.name} ended: {self.log}"
        command = " ".join(self._service["healthcheck"]["test"][1:3]), self._service["healthcheck"]["test"][3]
        ports = {"8082": "TIDEMARK_GATEWAY_PORT", "8000": "TIDEMARK_INGESTION_PORT", "9101": "TIDEMARK_METRICS_PORT"}
        code = re.sub(r"(?<=127.0.0.1:)\d+", lambda port: self.env[ports[port[0]]], command[1])
        return self._spawn([*command[0].split(), code], self._image.root / "health.log").wait(20) == 0

    def _spawn(self, command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        program = shutil.which(command[0], path=self.env["PATH"])
        assert program is not None
        with log.open("ab") as out:
            return subprocess.Popen(
                [program, *command[1:]], cwd=self._image.workdir, env=self.env, stdout=out, stderr=out
            )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return follow(tmp_path_factory.mktemp("image"))


@pytest.fixture
def env(stack: Settings, settings: Settings, image: Image) -> dict[str, str]:
    """What differs here from compose.yaml: addresses, ports, and one broker instead of three."""
    secrets = image.root / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "TIDEMARK_INFLUXDB_TOKEN").write_text("a:token\n")
    names = ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_REPLICATION_FACTOR", "TOPIC_PREFIX", "INFLUXDB_URL", "INFLUXDB_BUCKET")
    mine = settings.environment()
    return {f"TIDEMARK_{name}": mine[f"TIDEMARK_{name}"] for name in names} | {"TIDEMARK_SECRETS_DIR": str(secrets)}


def with_ports(env: Mapping[str, str]) -> dict[str, str]:
    return {**env} | {f"TIDEMARK_{part}_PORT": str(free_ports()) for part in ("GATEWAY", "INGESTION", "METRICS")}


def files(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_init_makes_topics_and_bucket_and_is_done(image: Image, env: dict[str, str]) -> None:
    env["TIDEMARK_TOPIC_PREFIX"] = env["TIDEMARK_INFLUXDB_BUCKET"] = f"new-{free_ports()}"
    for told in (f"{len(ALL)} topics created\nbucket new-", "all topics are there\nbucket new-"):
        init = Service(image, "init", env)
        assert init.process.wait(60) == 0, init.log
        assert told in init.log
    assert init.log.endswith("is there\n")


def test_each_part_becomes_healthy_and_ends_in_order_when_told(image: Image, env: dict[str, str]) -> None:
    installed = files(image.root / "opt/tidemark")
    parts = [Service(image, name, with_ports(env)) for name in PARTS]
    try:
        for part in parts:
            wait.until(part.healthy, 60.0, partial(getattr, part, "log"))
        for part in parts:
            part.process.terminate()
        assert {part.name: part.process.wait(STOP_S) for part in parts} == dict.fromkeys(PARTS, 0)
    finally:
        for part in parts:
            part.process.kill()
    # The image is read-only, and its user's is the data folder alone.
    assert files(image.root / "opt/tidemark") == installed
    assert image.workdir == image.root / "var/lib/tidemark"


def test_a_broker_serves_its_metrics_with_the_agent_and_the_rules_of_its_image(image: Image, tmp_path: Path) -> None:
    _, option = compose()["services"]["kafka-1"]["command"]
    port = free_ports()
    agent = image.at(option.removeprefix("KAFKA_OPTS="), "kafka").replace("=9101:", f"=127.0.0.1:{port}:")
    assert EXPORTER_VERSION in agent
    java = partial(java_command, kafka_path(CACHE))
    broker = Address("127.0.0.1", free_ports(2))
    [kafka] = kafka_services([broker], java, tmp_path, tmp_path, tmp_path, lambda _: [agent])
    kafka.start()
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
            assert "kafka_controller_kafkacontroller_activecontrollercount 1.0" in page.read().decode()
    finally:
        kafka.stop()


def test_secrets_are_read_from_files(image: Image, env: dict[str, str]) -> None:
    secret = Path(env["TIDEMARK_SECRETS_DIR"]) / "TIDEMARK_GATEWAY_TOKEN_SECRET"
    secret.write_text("short")
    try:
        gateway = Service(image, "gateway", with_ports(env))
        assert gateway.process.wait(20) == 2
        assert "TIDEMARK_GATEWAY_TOKEN_SECRET: Value error, expected at least 32 characters" in gateway.log
    finally:
        secret.unlink()


def test_only_known_steps_were_set_aside(image: Image) -> None:
    assert [text.startswith(SET_ASIDE) for text in image.aside] == [True] * len(SET_ASIDE)
    assert any("pip wheel --no-deps" in text for text in image.ran)


def test_the_compiler_is_installed() -> None:
    [install] = [step.text for step in read_steps(ROOT / "Dockerfile") if step.text.startswith("apt-get")]
    assert "--no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*" in install


def test_the_node_modules_of_set_up_are_those_of_the_image() -> None:
    assert "$(NPM) ci\n" in (ROOT / "Makefile").read_text()


def test_base_images_are_pinned_and_the_image_runs_as_a_user_with_a_number(image: Image) -> None:
    bases = [step.text.split(" AS ")[0] for step in read_steps(ROOT / "Dockerfile") if step.verb == "FROM"]
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[a-z0-9-]+)?", base) for base in bases)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image.user)


def test_what_is_sent_to_docker_has_no_secret_and_nothing_built_here() -> None:
    (ROOT / "deploy/secrets").mkdir(exist_ok=True)
    sent = [path.as_posix() for path in context(ROOT)]
    assert "tidemark/settings.py" in sent
    assert "dashboard/tracker/browser.ts" in sent
    unwanted = re.compile(r"secrets/|node_modules/|\.so$|__pycache__|^\.|^tests/|dist/|^build/|^docs/")
    assert not [path for path in sent if unwanted.search(path) and path != ".dockerignore"]
