"""The programs that are measured, each with its command; what they need besides Tidemark is fetched into the cache."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.own_stack import CACHE
from deploy.local.fetch import made_once
from tidemark.settings import Settings
from tidemark.topics import EVENTS, METRICS

FOLDER = Path(__file__).with_name("baselines")
OURS, FAUST, QUIX, KAFKA_STREAMS = "ours", "faust", "quix", "kafka-streams"
#: Python that handles one event at a time reads this many of the events.
FEW = 100_000
GROUP = "baseline"
#: The heap is all of the machine's quarter otherwise.
JAVA = ("java", "-Xmx1g")


@dataclass(frozen=True)
class Contender:
    """One program.

    ``most`` is how many events it reads at most, ``windows`` which totals can be checked, ``own`` the topics it needs
    besides, as many partitions as the events have. One that ``waits`` sends a window only when later events come.
    """

    name: str
    command: Callable[[], list[str]]
    windows: frozenset[str]
    most: int | None = None
    own: tuple[str, ...] = ()
    waits: bool = False

    def events(self, asked: int) -> int:
        """Return how many events it reads."""
        return min(asked, self.most or asked)


def contenders() -> dict[str, Contender]:
    """Return all by name; Tidemark first."""
    return {
        each.name: each
        for each in (
            Contender(OURS, lambda: [sys.executable, "-m", "tidemark", "--json", "streams", "run"], frozenset()),
            Contender(
                FAUST,
                lambda: [sys.executable, str(FOLDER / "plain_faust.py")],
                frozenset({"tumbling"}),
                most=FEW,
                own=(f"{GROUP}-views-changelog", f"{GROUP}-visitors-changelog"),  # its agent fails until it sees them
            ),
            Contender(QUIX, _quix, frozenset({"tumbling", "sliding", "session"}), most=FEW, waits=True),
            Contender(KAFKA_STREAMS, _kafka_streams, frozenset({"tumbling", "sliding", "session", "visits"})),
        )
    }


def group(contender: Contender, settings: Settings) -> str:
    """Return its consumer group."""
    return settings.topic("tidemark-streams" if contender.name == OURS else GROUP)


def environment(settings: Settings, state: Path, metrics_port: int) -> dict[str, str]:
    """Return what the contender is told: Tidemark's settings, and the baselines' few names."""
    return settings.environment() | {
        "TIDEMARK_METRICS_PORT": str(metrics_port),
        "KAFKA": settings.kafka_bootstrap_servers,
        "EVENTS": settings.topic(EVENTS.name),
        "RESULTS": settings.topic(METRICS.name),
        "GROUP": settings.topic(GROUP),
        "STATE": str(state),
    }


def python_with(requirements: Path, doing: str) -> str:
    """Return a Python that has these requirements, in a folder of the cache; installed if it is not there."""
    target = CACHE.absolute() / f"baselines-python-{_digest(requirements)}"
    made_once(target, partial(_install, requirements), f"{doing} (once)", print)
    return str(target / "bin" / "python")


def _quix() -> list[str]:
    return [python_with(FOLDER / "requirements.txt", "installing Quix Streams"), str(FOLDER / "quix.py")]


def _install(requirements: Path, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)


def _kafka_streams() -> list[str]:
    source = FOLDER / "kafka_streams"
    digest = _digest(*sorted(path for path in source.rglob("*") if path.is_file()))
    target = CACHE.absolute() / f"baselines-java-{digest}"
    made_once(target, partial(_compile, source), "compiling the Kafka Streams baseline (once)", print)
    built = target / "kafka_streams" / "target"
    return [*JAVA, "-cp", f"{built / 'classes'}:{built / 'dependency'}/*", "Baseline"]


def _compile(source: Path, folder: Path) -> None:
    copy = shutil.copytree(source, folder / source.name)
    goals = ["compile", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    subprocess.run(["mvn", "-q", "-B", "-f", str(copy / "pom.xml"), *goals], check=True)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]
