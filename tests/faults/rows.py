"""The rows of the fault table: what is done to which part, at moments that the run's seed draws."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from sinks.app import GROUP as SINK_GROUP
from tests.faults.page import Page
from tests.faults.scene import GATEWAY, SINK, Scene
from tests.support import wait
from tests.support.exactness import Observed
from tests.support.kafka_log import ends, leader, read_log
from tidemark.results import decode_metric
from tidemark.topics import ALERTS, CHECKPOINTS, EVENTS, METRICS, SESSIONS

#: A stopped process is thought dead after the session timeout, 6 s.
LONGER_THAN_THE_SESSION = (6.5, 9.0)
#: So fast must partitions move from a worker that is stopped, and from one that is killed (s).
CLEAN_MOVE_SECONDS = 5.0
KILLED_MOVE_SECONDS = 15.0
DEFECT_EVENTS = 3_000
HALF_AN_HOUR_MS = 1_800_000
#: A zombie owns nine states; so many of their checkpoints are enough to show a defect.
ZOMBIES_CHECKPOINTS = 5
CLOCK = "tests.faults.stepped_clock"
DEFECTIVE = "tests.faults.defective"


@dataclass(frozen=True)
class Row:
    """``faults`` does them, while the load comes; ``check`` looks at more than the topics when all is through.

    ``in_order``: no worker reads anything again, so early results must not go back. ``stored``: InfluxDB is compared
    too. ``defect``: the run must have violations.
    """

    name: str
    runs: int
    faults: Callable[[Scene], None]
    seconds: float = 20.0
    brokers: int = 1
    in_order: bool = False
    stored: bool = False
    check: Callable[[Scene, Observed], list[str]] | None = None
    defect: str = ""


def kill_workers(scene: Scene, times: int = 5) -> None:
    """Kill a worker at random moments; its successor starts at once or a moment later."""
    names = scene.start_workers(2)
    with scene.load():
        for _ in scene.moments(times):
            name = scene.chance.choice(names)
            scene.fault()
            scene.kill(name)
            scene.pause(scene.chance.choice([0.0, scene.chance.uniform(0.0, 3.0)]))
            scene.start(name)
        scene.recovered()


def stop_and_continue(scene: Scene) -> None:
    """Stop a worker until it is thought dead, then let it go on."""
    names = scene.start_workers(2)
    with scene.load():
        for _ in scene.moments(1):
            name = scene.chance.choice(names)
            scene.fault()
            scene.send(name, signal.SIGSTOP)
            scene.pause(scene.chance.uniform(*LONGER_THAN_THE_SESSION))
            scene.disturbed()
            scene.send(name, signal.SIGCONT)
        scene.recovered()


def rebalance(scene: Scene) -> None:
    """One worker, two, three; one is stopped, one is killed: one."""
    names = scene.start_workers(1)
    with scene.load():
        for number in (2, 3):
            scene.pause(scene.chance.uniform(0.5, 2.0))
            names.append(f"worker-{number}")
            scene.fault()
            scene.start(names[-1], "streams", "run")
            since = time.time()
            scene.wait_until_assigned(names, since)
        for how, gone, within_s in (
            ("stop", scene.stop, CLEAN_MOVE_SECONDS),
            ("kill", scene.kill, KILLED_MOVE_SECONDS),
        ):
            scene.pause(scene.chance.uniform(0.5, 2.0))
            name = names.pop(scene.chance.randrange(len(names)))
            scene.fault()
            since = time.time()
            gone(name)
            scene.moved(how, names, since, within_s)
        scene.recovered()


def kill_broker(scene: Scene) -> None:
    """Kill the only broker, and start it again after a moment."""
    _break_broker(scene, 0)


def kill_leader(scene: Scene) -> None:
    """Kill the broker that leads a partition of the events."""
    _break_broker(scene, leader(scene.settings, EVENTS, scene.chance.randrange(EVENTS.partitions)) - 1)


def _break_broker(scene: Scene, number: int) -> None:
    scene.start_workers(2)
    broker = scene.servers.kafka[number]
    with scene.load():
        for _ in scene.moments(1):
            scene.fault()
            broker.kill()
            scene.pause(scene.chance.uniform(0.0, 5.0))
            scene.disturbed_again()
            broker.start()
        scene.recovered()


def roll_brokers(scene: Scene, brokers: int = 3) -> None:
    """Stop one broker after the other in order and start it again, the next when all copies are in sync again."""
    _follow_sink(scene)
    scene.start_workers(2)
    scene.start("sink", *SINK)
    with scene.load():
        for broker in scene.servers.kafka[:brokers]:
            scene.pause(scene.chance.uniform(0.5, 2.0))
            scene.fault()
            broker.stop()
            assert broker.exit_code != -signal.SIGKILL, "it did not end in order"
            scene.pause(scene.chance.uniform(0.0, 3.0))
            scene.disturbed_again()
            broker.start()
            scene.wait_until_in_sync()
        scene.recovered()


def kill_sink(scene: Scene, times: int = 3) -> None:
    """Kill the sink each time it has written points and would commit."""
    _follow_sink(scene)
    scene.start_workers(1)
    with scene.load():
        for _ in scene.moments(times):
            scene.start("sink", "died", module="tests.sinks.dies_at_commit")
            scene.fault()
            assert scene.parts.pop("sink").process.wait(30) == -signal.SIGKILL
        scene.disturbed()
        scene.start("sink", *SINK)
        scene.recovered()


def stop_influxdb(scene: Scene, seconds: float = 30.0) -> None:
    """Have no InfluxDB for half a minute."""
    _follow_sink(scene)
    scene.start_workers(1)
    scene.start("sink", *SINK)
    with scene.load():
        for _ in scene.moments(1):
            scene.fault()
            scene.servers.influxdb.kill()
            scene.pause(seconds)
            scene.servers.influxdb.start()
            scene.disturbed()
        scene.recovered()


def _follow_sink(scene: Scene) -> None:
    scene.followed = (SINK_GROUP, (METRICS, SESSIONS, ALERTS))


def kill_gateway(scene: Scene, times: int = 3) -> None:
    """Kill the gateway under a page that comes back."""
    scene.start_workers(1)
    scene.start("gateway", *GATEWAY)
    scene.page = page = Page(scene.settings)
    with scene.load():
        for number in scene.moments(times):
            page.wait_for_connection(number + 1)
            scene.fault()
            killed = time.monotonic()
            scene.kill("gateway")
            scene.start("gateway")
            page.wait_for_connection(number + 2)
            scene.measured.recovery_s = max(scene.measured.recovery_s, time.monotonic() - killed)


def shown_is_final(scene: Scene, seen: Observed) -> list[str]:
    """Compare what the page was shown with the topics."""
    return scene.page.violations(seen) if scene.page else ["no page was watching"]


def step_clock(scene: Scene) -> None:
    """Step the clock of a worker by an hour, both ways."""
    names = scene.start_workers(2, module=CLOCK)
    with scene.load():
        for _ in scene.moments(4):
            scene.fault()
            scene.send(scene.chance.choice(names), scene.chance.choice([signal.SIGUSR1, signal.SIGUSR2]))
        scene.recovered()


def clock_was_stepped(scene: Scene, _: Observed) -> list[str]:
    """Say so if no result bears the time of a stepped clock: the row would have tried nothing."""
    for record in read_log(scene.settings, METRICS):
        if abs(decode_metric(record.value or b"").emitted_at - record.append_time) > HALF_AN_HOUR_MS:
            return []
    return ["no clock was stepped"]


def wipe_state(scene: Scene) -> None:
    """Stop or kill a worker and delete all it has on disk before it starts again."""
    names = scene.start_workers(2)
    with scene.load():
        for _ in scene.moments(3):
            name = scene.chance.choice(names)
            scene.fault()
            scene.chance.choice([scene.stop, scene.kill])(name)
            scene.wipe(name)
            scene.start(name)
        scene.recovered()


def defective(defect: str) -> Callable[[Scene], None]:
    """Return a run without any fault but the worker's own defect."""

    def run(scene: Scene) -> None:
        scene.fill(DEFECT_EVENTS)
        scene.fault()
        scene.start_workers(1, DEFECTIVE, (defect,))

    return run


def zombie_without_fence(scene: Scene) -> None:
    """Have a worker that was thought dead write its checkpoints over its successor's; others go on from these.

    Neither is there any more then: each would go on with its own state, which is right.
    """
    # So rarely that it has something to write when it is stopped.
    scene.settings = scene.settings.model_copy(update={"checkpoint_interval_ms": 3_000})
    names = scene.start_workers(2, DEFECTIVE, ("no-fence",))
    with scene.load():
        scene.pause(scene.chance.uniform(4.0, 6.0))
        scene.fault()
        scene.send(names[0], signal.SIGSTOP)
        scene.pause(LONGER_THAN_THE_SESSION[1] + 3.0)  # the successor has written it all down once by then
        scene.fault()
        scene.kill(names[1])
        # The zombie reads on at once and would be as right as the other: panes must close that only that one knew.
        scene.pause(8.0)
        before = ends(scene.settings, [CHECKPOINTS])
        scene.send(names[0], signal.SIGCONT)
        # Nobody else is there to write; it joins again only when the other's session is over.
        wait.until(lambda: _written(scene, before) >= ZOMBIES_CHECKPOINTS, 10.0)
        scene.kill(names[0])
        for name in names:
            scene.start(name)
        scene.recovered()


def _written(scene: Scene, before: dict[tuple[str, int], int]) -> int:
    """Count the checkpoints that somebody has written to since they ended there."""
    return sum(end > before[place] for place, end in ends(scene.settings, [CHECKPOINTS]).items())


ROWS = (
    Row("kill -9 of a worker, 5 times a run", 20, kill_workers, seconds=25.0),
    Row("worker stopped past its session, then continued", 10, stop_and_continue),
    Row("workers 1 → 2 → 3 → 1", 10, rebalance, seconds=30.0),
    Row("kill -9 of the sink between write and commit", 10, kill_sink, stored=True, in_order=True),
    Row("InfluxDB away for 30 s", 5, stop_influxdb, stored=True, in_order=True),
    Row("kill -9 of the only broker", 5, kill_broker),
    Row("kill -9 of a leader of three brokers", 5, kill_leader, brokers=3),
    Row("rolling restart of three brokers", 3, roll_brokers, seconds=60.0, brokers=3, stored=True),
    Row("kill -9 of the gateway", 5, kill_gateway, check=shown_is_final, in_order=True),
    Row("a worker's clock stepped by ±1 h", 4, step_clock, check=clock_was_stepped, in_order=True),
    Row("a worker's local state wiped", 5, wipe_state),
    Row("defect: an event dropped", 1, defective("drop"), defect="drop"),
    Row("defect: an event doubled", 1, defective("double"), defect="double"),
    Row("defect: a window shifted", 1, defective("shift"), defect="shift"),
    Row("defect: a zombie's checkpoint gets through", 3, zombie_without_fence, seconds=30.0, defect="no-fence"),
)
