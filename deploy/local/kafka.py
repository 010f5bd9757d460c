"""Apache Kafka in KRaft mode on this machine: its configuration, its data folder, its health."""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.addresses import Address, free_ports
from deploy.local.errors import StackError
from deploy.local.fetch import ARCHIVE, Report, classes_path, fetch_kafka, made_once
from deploy.local.service import Service
from tidemark.kafka import ClientConfig

#: Measured here: a start takes 8.4 s of CPU time with both compilers, 4.7 s with the first alone, 2.4 s with the class
#: archive too; the first 300,000 events 20 s or 9 s. The second compiler wins (3 s for 6 s) only after a million.
JVM_OPTIONS: tuple[str, ...] = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)

#: What of a broker's metrics is told, and under which names.
EXPORTED = Path(__file__).parents[2] / "monitoring" / "kafka" / "exporter.yaml"

_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c{1})%n%ex
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server
logger.server.level = info
"""


def controller_address(broker: Address) -> Address:
    """Return where a broker's controller listens: the port beside."""
    return Address(broker.host, broker.port + 1)


def java_command(jars: Path, *options: str) -> list[str]:
    """Return what every Java command of the broker starts with."""
    return ["java", *JVM_OPTIONS, *options, "-cp", f"{jars}/*"]


def fetch_kafka_command(cache: Path, report: Report) -> list[str]:
    """Return the Java command with all it needs in the cache: the jars and an archive of the classes a broker loads."""
    jars = fetch_kafka(cache, report)
    archive = made_once(
        classes_path(cache), partial(_archive_classes, jars), "preparing Kafka for quick starts (once)", report
    )
    # An archive of another Java version is passed over: the start is slower, nothing else.
    return java_command(jars, f"-XX:SharedArchiveFile={archive / ARCHIVE}", "-Xlog:disable", "-Xlog:all=error:stderr")


def _archive_classes(jars: Path, folder: Path) -> None:
    """Run a broker for a moment; when it ends, Java archives the classes it has loaded."""
    java = java_command(jars, f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}", "-Xlog:disable")
    with TemporaryDirectory() as scratch:
        where = Path(scratch)
        [broker] = kafka_services([Address("127.0.0.1", free_ports(2))], lambda: java, where, where, where)
        broker.start()
        broker.stop()


def exporter_option(agent: Path, port: int) -> str:
    """Return the Java option that makes a broker serve its metrics at this port, on loopback."""
    return f"-javaagent:{agent}=127.0.0.1:{port}:{EXPORTED}"


def kafka_services(
    brokers: Sequence[Address],
    java: Callable[[], list[str]],
    data: Path,
    run: Path,
    logs: Path,
    options: Callable[[int], Sequence[str]] = lambda _: (),
) -> list[Service]:
    """Return one service a broker. The data folder keeps its cluster; another number of brokers is another cluster.

    ``options`` gives what else Java is to be told when it starts a broker, by the broker's number from 1 on.
    """
    cluster = data / f"kafka-{len(brokers)}"
    return [
        Service(
            f"kafka-{node}" if len(brokers) > 1 else "kafka",
            partial(_prepare, node, brokers, java, cluster, run / f"kafka-{len(brokers)}-{node}", options),
            partial(answers_as_kafka, address),
            run=run,
            log=logs / f"kafka-{node}.log",
        )
        for node, address in enumerate(brokers, start=1)
    ]


def answers_as_kafka(address: Address, config: ClientConfig | None = None, within: float = 2) -> bool:
    """Say whether a Kafka broker answers there that its cluster knows as a living one, and lets this client in."""
    if not address.answers():
        return False
    try:
        client = AdminClient((config or {}) | {"bootstrap.servers": str(address), "log_level": 0})
        found = client.list_topics(timeout=within)
    except KafkaException:
        return False
    return bool(found.brokers)


def _prepare(
    node: int,
    brokers: Sequence[Address],
    java: Callable[[], list[str]],
    cluster: Path,
    run: Path,
    options: Callable[[int], Sequence[str]],
) -> list[str]:
    """Write the configuration, format the data folder the first time, return the broker's command."""
    run.mkdir(parents=True, exist_ok=True)
    data = cluster / f"broker-{node}"
    command = java()
    properties = run / "server.properties"
    if not data.exists():
        _format(command, _cluster_id(cluster), properties, node, brokers, data)
    properties.write_text(_properties(node, brokers, data))
    logging = run / "log4j2.properties"
    logging.write_text(_LOGGING)
    return [*command, *options(node), f"-Dlog4j2.configurationFile={logging}", "kafka.Kafka", str(properties)]


def _cluster_id(cluster: Path) -> str:
    """Return the cluster's id: all brokers of one data folder must be formatted with the same one."""
    path = cluster / "cluster.id"
    if not path.exists():
        cluster.mkdir(parents=True, exist_ok=True)
        path.write_text(new_cluster_id())
    return path.read_text()


def new_cluster_id() -> str:
    """Return a random cluster id such as Kafka makes them: 22 characters of URL-safe base64, the first no dash."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def _format(
    java: list[str], cluster_id: str, properties: Path, node: int, brokers: Sequence[Address], data: Path
) -> None:
    """Format beside and rename, so that a format cut short is never taken for a whole one."""
    part = data.with_name(f"{data.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    properties.write_text(_properties(node, brokers, part))
    # With "-t" before it, an id that begins with a dash would be read as another option.
    tool = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(properties)]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"Kafka's data folder {data} cannot be formatted:\n{done.stdout}{done.stderr}")
    part.rename(data)


def _properties(node: int, brokers: Sequence[Address], data: Path) -> str:
    """Return server.properties: one broker alone, or three of which two must have a record to acknowledge it."""
    address, copies = brokers[node - 1], len(brokers)
    voters = ",".join(f"{number}@{controller_address(each)}" for number, each in enumerate(brokers, start=1))
    listeners = f"PLAINTEXT://{address},CONTROLLER://{controller_address(address)}"
    in_sync = 2 if copies >= 3 else 1
    properties = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": listeners,
        "advertised.listeners": f"PLAINTEXT://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data.absolute(),
        "auto.create.topics.enable": "false",
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 3,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 3,
        # A broker that comes back after a crash is let in once its former self has missed its heartbeats for so long:
        # 9 s by default.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3_000,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1_000,
        # The default of 128 MB is a quarter of the heap, for far more keys than a laptop's topics have.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())
