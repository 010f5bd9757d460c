"""The drills: a fault, how it is removed, and the alerts that must come of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.faults.drills import causes
from tests.faults.drills.platform import Platform
from tests.faults.drills.watch import Alert


@dataclass(frozen=True)
class Drill:
    """``cause`` is the fault as a block; ``alerts`` are those it must fire, each of which is a line of the table."""

    fault: str
    remedy: str
    cause: Callable[[Platform], AbstractContextManager[None]]
    alerts: tuple[Alert, ...]


DISK = Drill(
    "the disk with all data has 6 % left",
    "what filled it is deleted",
    causes.disk_filled,
    (Alert("DiskFilling"),),
)

#: The drills of a round are under way together; a round begins when all is well again.
ROUNDS: tuple[tuple[Drill, ...], ...] = (
    (
        Drill(
            "`alerts` hangs (SIGSTOP)",
            "`kill -9`: it is started again",
            causes.alerts_hung,
            (Alert("PartDown", {"job": "alerts"}),),
        ),
        Drill(
            "18 live clients, where 20 may be",
            "they go",
            causes.crowd,
            (Alert("GatewayNearLimit"),),
        ),
        Drill(
            "a sender of 100 events/s adds as many bad records",
            "it stops",
            causes.bad_records,
            (Alert("DeadLetterRateHigh", {"stage": "streams"}),),
        ),
        Drill(
            "InfluxDB hangs (SIGSTOP)",
            "`kill -9`: it is started again",
            causes.influxdb_hung,
            (Alert("ErrorRateHigh", {"stage": "sink"}), Alert("LagGrowing", {"stage": "sink"})),
        ),
        Drill(
            "the only worker has 5 % of a core",
            "it has all it wants",
            causes.worker_slowed,
            (Alert("LatencyHigh"),),
        ),
        DISK,
    ),
    (
        Drill(
            "the only broker hangs (SIGSTOP), 50 events/s come to the door",
            "`kill -9`: it is started again",
            causes.broker_hung,
            (Alert("SpoolFilling"), Alert("WatermarkStuck"), Alert("CheckpointTooOld")),
        ),
    ),
    (
        Drill(
            "the broker refuses results (`max.message.bytes`): the worker dies as often as it is started",
            "the topic's limit is as before",
            causes.results_refused,
            (Alert("PartDown", {"job": "streams"}),),
        ),
    ),
)
DRILLS = tuple(drill for drills in ROUNDS for drill in drills)
