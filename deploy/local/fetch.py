"""The servers' programs: fetched once by Maven and Go into the cache, from which every later start takes them."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from deploy.local.errors import StackError

KAFKA_VERSION = "4.1.1"
#: The SLF4J binding Kafka's own distribution ships; without it the broker logs nothing.
LOG4J_VERSION = "2.24.3"
INFLUXDB_VERSION = "1.8.10"
EXPORTER_VERSION = "1.0.1"

ARCHIVE = "kafka.jsa"

#: Group, artifact, version.
Dependency = tuple[str, str, str]

_KAFKA = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J_VERSION),
)

_EXPORTER = ("io.prometheus.jmx", "jmx_prometheus_javaagent", EXPORTER_VERSION)

Report = Callable[[str], None]


def kafka_path(cache: Path) -> Path:
    """Return the folder that holds Kafka's jars once they are fetched."""
    return cache / f"kafka-{KAFKA_VERSION}"


def classes_path(cache: Path) -> Path:
    """Return the folder that holds the archive of Kafka's classes once it is made."""
    return cache / f"kafka-{KAFKA_VERSION}-classes"


def influxdb_path(cache: Path) -> Path:
    """Return the folder that holds influxd once it is fetched."""
    return cache / f"influxdb-{INFLUXDB_VERSION}"


def exporter_path(cache: Path) -> Path:
    """Return the folder that holds the exporter of Kafka's metrics once it is fetched."""
    return cache / f"jmx-exporter-{EXPORTER_VERSION}"


def fetch_kafka(cache: Path, report: Report) -> Path:
    """Return the folder of Kafka's jars; fetched if it is not there. Raises StackError with Maven's message."""
    fetch = partial(_fetch_jars, _KAFKA)
    return made_once(kafka_path(cache), fetch, f"fetching Kafka {KAFKA_VERSION} (54 MB, once)", report)


def fetch_exporter(cache: Path, report: Report) -> Path:
    """Return the Java agent that serves Kafka's metrics; fetched if it is not there. Raises StackError."""
    fetch = partial(_fetch_jars, [_EXPORTER])
    folder = made_once(exporter_path(cache), fetch, f"fetching the JMX exporter {EXPORTER_VERSION} (once)", report)
    return folder / f"{_EXPORTER[1]}-{EXPORTER_VERSION}.jar"


def fetch_influxdb(cache: Path, report: Report) -> Path:
    """Return the folder of influxd; built if it is not there. Raises StackError with Go's message."""
    return made_once(
        influxdb_path(cache), _build_influxdb, f"building InfluxDB {INFLUXDB_VERSION} (1 to 3 minutes, once)", report
    )


def go_install(package: str, folder: Path, *flags: str) -> None:
    """Build a Go program (``module/path@version``) into a folder. Raises StackError with Go's message."""
    _run(["go", "install", *flags, package], {"GOBIN": str(folder.absolute())})


def made_once(target: Path, make: Callable[[Path], None], doing: str, report: Report) -> Path:
    """Make the folder whole or not at all: in a folder beside it, which is then renamed, under a lock."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock")):
        if target.exists():  # another process made it while this one waited
            return target
        report(doing)
        for left_over in target.parent.glob(f"{target.name}.part-*"):
            shutil.rmtree(left_over)
        part = Path(mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
        try:
            make(part)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_jars(wanted: Iterable[Dependency], folder: Path) -> None:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in wanted
    )
    pom = folder / "pom.xml"
    pom.write_text(
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>tidemark</groupId><artifactId>local-stack</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    _run(["mvn", "-q", "-B", "-f", str(pom), *goal], {})


def _build_influxdb(folder: Path) -> None:
    # Without the flag the server would tell its clients "unknown" for a version.
    flags = f"-s -w -X main.version={INFLUXDB_VERSION}"
    go_install(f"github.com/influxdata/influxdb/cmd/influxd@v{INFLUXDB_VERSION}", folder, "-ldflags", flags)


def _run(command: Sequence[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise StackError(f"{command[0]} failed with exit code {done.returncode}; is the network there?\n{end}")
