"""What a stretch of one source partition's log gave."""

from streams.windows.partials import SitePartial
from tidemark.results import Alert, DeadLetter, SessionSummary


class Output:
    """All of it final, all of it a function of the log alone.

    ``progress`` holds a (watermark, offset) for each record that brought the watermark past a pane's end.
    """

    def __init__(self) -> None:
        self.partials: list[SitePartial] = []
        self.sessions: list[SessionSummary] = []
        self.alerts: list[Alert] = []
        self.dead: list[DeadLetter] = []
        self.progress: list[tuple[int, int]] = []
        self.accepted = 0
        self.duplicates = 0
