"""What all rules have: a name, the sites, how long it must hold, and what a rule says of a window. Pure."""

from collections.abc import Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta, Struct, field

from tidemark.results import RATES, MetricUpdate


class Duration(int):
    """A time span in ms, in the file as 90s, 15m or 1h."""


class Verdict(Enum):
    """What a rule says of a window: NEITHER is between the two, or cannot be judged."""

    BREACH = "breach"
    CLEAR = "clear"
    NEITHER = "neither"


class Reading(NamedTuple):
    """The number that a rule judges, and how much it rests on: a metric's ``value`` and ``count``."""

    value: float
    basis: int


#: The metrics that are one number.
Metric = Literal[
    "page_views_per_second",
    "active_users",
    "bounce_rate",
    "average_session_duration",
    "conversion_rate",
    "revenue_per_user",
]
Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """A rule for each site whose name matches one of ``sites``.

    It fires at the first window whose end is ``hold`` (ms) or more after the end of the first of an unbroken run of
    windows in breach; it fires again only after windows have been clear, unbroken, for ``rearm`` (ms).
    """

    name: Name
    sites: tuple[str, ...] = ("*",)
    severity: Literal["LOW", "MEDIUM", "HIGH"] = "MEDIUM"
    hold: Duration = field(name="for", default=Duration(0))
    rearm: Duration = Duration(60_000)

    #: The alert's.
    title: ClassVar[str]

    @property
    def remembered(self) -> int:
        """How many windows before the present one ``judge`` needs."""
        return 0

    @property
    def judged(self) -> str:
        """The metric whose finals this rule reads."""
        raise NotImplementedError

    def is_for(self, site: str) -> bool:
        """Say whether the rule holds for a site."""
        return any(fnmatchcase(site, pattern) for pattern in self.sites)

    def read(self, update: MetricUpdate) -> Reading | None:
        """Return what is judged of a final; None if nothing can be."""
        return Reading(update.value, update.count)

    def judge(self, reading: Reading, history: Sequence[float]) -> Verdict:
        """Judge a window; ``history``: the values of the windows before it, oldest first."""
        raise NotImplementedError

    def says(self, reading: Reading, history: Sequence[float]) -> str:
        """Say what is wrong with a window in breach."""
        raise NotImplementedError


def number(metric: str, value: float) -> str:
    """Write a metric's value for people: rates in percent."""
    return f"{value:.1%}" if metric in RATES else f"{value:,.1f}"
