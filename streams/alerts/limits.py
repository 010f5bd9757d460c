"""Rules with a fixed limit: any metric's, the bounce rate's, and how many go from one page to the next. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar

from msgspec import Meta, field

from streams.alerts.rule import Fraction, Metric, Reading, Rule, Verdict, number
from streams.windows.funnel import path_of
from streams.windows.measures import TOP_URLS
from tidemark.results import BOUNCE_RATE, POPULAR_CONTENT, Dimension, MetricUpdate

Count = Annotated[int, Meta(ge=0)]


class Threshold(Rule, frozen=True, kw_only=True, tag="threshold"):
    """``metric`` above or below a limit, rates as fractions; clear from ``clear`` on, without it from the limit on.

    A window that rests on less than ``min_count`` (the metric's ``count``) is not judged.
    """

    title: ClassVar[str] = "Threshold"
    metric: Metric
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    min_count: Count = 0

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected one of above and below")
        _check_clear(self.clear, self.above, self.below)

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return self.metric

    def judge(self, reading: Reading, history: Sequence[float]) -> Verdict:
        """Judge a window, see the class."""
        return against(reading, self.min_count, self.clear, above=self.above, below=self.below)

    def says(self, reading: Reading, history: Sequence[float]) -> str:
        """Say what is wrong with a window in breach."""
        limit = f"above {number(self.metric, self.above)}" if self.above is not None else ""
        limit += f"below {number(self.metric, self.below)}" if self.below is not None else ""
        return f"{self.metric} is {number(self.metric, reading.value)}, {limit}"


class BounceRate(Rule, frozen=True, kw_only=True, tag="bounce_rate"):
    """The share of visits with one page view is above a limit; as a threshold of that metric."""

    title: ClassVar[str] = "Bounce rate"
    above: Fraction
    clear: Fraction | None = None
    min_count: Count = 20

    def __post_init__(self) -> None:
        _check_clear(self.clear, self.above, None)

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return BOUNCE_RATE

    def judge(self, reading: Reading, history: Sequence[float]) -> Verdict:
        """Judge a window, see the class."""
        return against(reading, self.min_count, self.clear, above=self.above)

    def says(self, reading: Reading, history: Sequence[float]) -> str:
        """Say what is wrong with a window in breach."""
        return f"{reading.value:.1%} of {reading.basis:,} visits saw one page only, above {self.above:.1%}"


class FunnelStep(Rule, frozen=True, kw_only=True, tag="funnel_step"):
    """For each view of ``from`` there are fewer than ``below`` views of ``to``; both are patterns of a url's path.

    Counted in ``popular_content``, so in the ten most viewed urls of a minute: a ``to`` that a full list does not show
    is taken to have as many views as the last it shows, which is too many, never too few. A window with less than
    ``min_count`` views of ``from`` is not judged.
    """

    title: ClassVar[str] = "Funnel step"
    source: str = field(name="from")
    to: str
    below: Annotated[float, Meta(gt=0)]
    clear: float | None = None
    min_count: Annotated[int, Meta(ge=1)] = 50

    def __post_init__(self) -> None:
        _check_clear(self.clear, None, self.below)

    @property
    def judged(self) -> str:
        """The metric it reads."""
        return POPULAR_CONTENT

    def read(self, update: MetricUpdate) -> Reading | None:
        """Return the views of ``to`` for each view of ``from``, and the views of ``from``."""
        urls = update.dimensions or []
        begun, went_on = _views(urls, self.source), _views(urls, self.to)
        if not went_on and len(urls) >= TOP_URLS:
            went_on = urls[-1].value
        return Reading(went_on / begun, begun) if begun else None

    def judge(self, reading: Reading, history: Sequence[float]) -> Verdict:
        """Judge a window, see the class."""
        return against(reading, self.min_count, self.clear, below=self.below)

    def says(self, reading: Reading, history: Sequence[float]) -> str:
        """Say what is wrong with a window in breach."""
        return (
            f"{reading.value:.1%} as many views of {self.to} as of {self.source} ({reading.basis:,}), "
            f"below {self.below:.1%}"
        )


def against(
    reading: Reading, min_count: int, clear: float | None, *, above: float | None = None, below: float | None = None
) -> Verdict:
    """Hold a reading against a limit: above or below it is a breach, at ``clear`` or beyond all is well again."""
    if reading.basis < min_count:
        return Verdict.NEITHER
    sign, limit = (1, above) if above is not None else (-1, below)
    assert limit is not None
    value = sign * reading.value
    if value > sign * limit:
        return Verdict.BREACH
    return Verdict.CLEAR if value <= sign * (limit if clear is None else clear) else Verdict.NEITHER


def _check_clear(clear: float | None, above: float | None, below: float | None) -> None:
    if clear is not None and ((above is not None and clear > above) or (below is not None and clear < below)):
        raise ValueError(f"clear: expected the good side of the limit, got {clear}")


def _views(urls: Sequence[Dimension], pattern: str) -> int:
    return sum(url.value for url in urls if fnmatchcase(path_of(url.key), pattern))
