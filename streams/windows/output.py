"""What a stretch of one source partition's log gave."""

from msgspec import Struct, field

from streams.windows.partials import SitePartial
from tidemark.results import Alert, DeadLetter, SessionSummary


class Output(Struct, gc=False):
    """All of it final, all of it a function of the log alone.

    ``progress`` holds a (watermark, offset) for each record that brought the watermark past a pane's end.
    """

    partials: list[SitePartial] = field(default_factory=list)
    sessions: list[SessionSummary] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
