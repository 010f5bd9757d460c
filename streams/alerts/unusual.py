"""Rules without a fixed limit: a window that is far from what the windows before it were. Pure.

Far is measured by the robust z-score: how many spreads a value is from the median of the windows before, the spread
being their median distance from that median × 1.4826, which is the standard deviation of normally spread values. A few
wild windows among them move neither.
"""

from collections.abc import Sequence
from statistics import median
from typing import Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta

from streams.alerts.rule import Metric, Reading, Rule, Verdict, number
from streams.windows import PANE_MS, SLIDE_MS
from tidemark.results import METRICS, TUMBLING_5S, MetricUpdate

_NORMAL = 1.4826
#: The spread is never taken to be less than this share of the median: what hardly moves may move a little.
LEAST_SPREAD = 0.05
_TINY = 1e-6
#: Windows are judged from this share of the history on.
_ENOUGH = 4
#: All is well again at this share of ``z`` and of ``change``.
CLEAR = 0.5

Windows = Annotated[int, Meta(ge=8, le=1_000)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
TrafficMetric = Literal["page_views_per_second", "active_users"]

#: How often each metric has a window that ends, in ms.
STEP_MS = {metric: PANE_MS if window == TUMBLING_5S else SLIDE_MS for metric, window in METRICS.items()}


class Usual(NamedTuple):
    """What the windows before were like."""

    median: float
    spread: float


def usual(history: Sequence[float]) -> Usual:
    """Return the median and the spread of at least one value."""
    middle = median(history)
    spread = _NORMAL * median([abs(value - middle) for value in history])
    return Usual(middle, max(spread, LEAST_SPREAD * abs(middle), _TINY))


class _Unusual(Rule, frozen=True, kw_only=True):
    """A breach is ``z`` spreads or more from the median of the last ``windows``, and ``change`` of the median or more.

    Not judged: with less than a quarter of ``windows`` before it, or with a median below ``at_least``. Every window
    becomes history, so what lasts for half of it is usual then.
    """

    z: Positive = 4.0
    windows: Windows = 120
    change: Positive = 0.5
    at_least: Annotated[float, Meta(ge=0)] = 5.0

    def __post_init__(self) -> None:
        longest = self.windows * STEP_MS[self.judged] // 2
        if self.hold > longest:
            raise ValueError(f"for: expected at most {longest // 1_000}s with {self.windows} windows")

    @property
    def remembered(self) -> int:
        """How many windows before the present one are compared."""
        return self.windows

    @property
    def sign(self) -> int:
        """1: it is about what rises; -1: about what falls."""
        raise NotImplementedError

    def judge(self, reading: Reading, history: Sequence[float]) -> Verdict:
        """Judge a window, see the class."""
        if len(history) * _ENOUGH < self.windows:
            return Verdict.NEITHER
        middle, spread = usual(history)
        if middle < self.at_least:
            return Verdict.NEITHER
        distance = self.sign * (reading.value - middle)
        if distance >= self.z * spread and distance >= self.change * middle:
            return Verdict.BREACH
        is_near = distance <= CLEAR * self.z * spread or distance <= CLEAR * self.change * middle
        return Verdict.CLEAR if is_near else Verdict.NEITHER

    def says(self, reading: Reading, history: Sequence[float]) -> str:
        """Say what is wrong with a window in breach."""
        middle, spread = usual(history)
        value, before = number(self.judged, reading.value), number(self.judged, middle)
        return f"{self.judged} is {value}, usually {before} (z {(reading.value - middle) / spread:+.1f})"


class TrafficDrop(_Unusual, frozen=True, kw_only=True, tag="traffic_drop"):
    """Far fewer views or visitors than before; ``change`` 0.5: half."""

    title: ClassVar[str] = "Traffic drop"
    metric: TrafficMetric = "page_views_per_second"
    change: Share = 0.5

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return self.metric

    @property
    def sign(self) -> int:
        """The direction of a breach."""
        return -1


class TrafficSpike(_Unusual, frozen=True, kw_only=True, tag="traffic_spike"):
    """Far more views or visitors than before; ``change`` 1: twice as many."""

    title: ClassVar[str] = "Traffic spike"
    metric: TrafficMetric = "page_views_per_second"
    change: Positive = 1.0

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return self.metric

    @property
    def sign(self) -> int:
        """The direction of a breach."""
        return 1


class Anomaly(_Unusual, frozen=True, kw_only=True, tag="anomaly"):
    """Any metric far above or below what it was before; a window with less than ``min_count`` is passed over."""

    title: ClassVar[str] = "Anomaly"
    metric: Metric
    direction: Literal["above", "below"]
    at_least: Annotated[float, Meta(ge=0)] = 0.0
    min_count: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.direction == "below" and self.change > 1:
            raise ValueError(f"change: expected at most 1 of what falls, got {self.change}")
        super().__post_init__()

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return self.metric

    def read(self, update: MetricUpdate) -> Reading | None:
        """Return the metric's value, None with less than ``min_count``."""
        return super().read(update) if update.count >= self.min_count else None

    @property
    def sign(self) -> int:
        """The direction of a breach."""
        return 1 if self.direction == "above" else -1
