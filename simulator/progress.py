"""Shows how a run gets on: a table on a terminal, a line every few seconds elsewhere; to stderr."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from simulator.manifest import Tally
from simulator.pacing import Clock, Punctuality

#: Without a terminal only every so many updates become a line.
_UPDATES_PER_LINE = 5


class Progress:
    """A context manager to be told once a second that there is news."""

    def __init__(self, console: Console, tally: Tally, punctuality: Punctuality, clock: Clock) -> None:
        self._console = console
        self._tally = tally
        self._punctuality = punctuality
        self._clock = clock
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._updates = 0
        self._before = (clock(), 0)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self) -> None:
        """Show the present figures; the rate is that since the last time they were shown."""
        self._updates += 1
        if self._live is not None:
            self._live.update(self._table(self._figures()), refresh=True)
        elif self._updates % _UPDATES_PER_LINE == 0:
            line = "  ".join(f"{name} {figure}" for name, figure in self._figures().items())
            self._console.print(line, highlight=False, soft_wrap=True)

    def _figures(self) -> dict[str, str]:
        tally = self._tally
        now, (then, acknowledged) = self._clock(), self._before
        self._before = (now, tally.acknowledged)
        return {
            "records/s": f"{(tally.acknowledged - acknowledged) / max(now - then, 1e-9):,.0f}",
            "acknowledged": f"{tally.acknowledged:,}",
            "under way": f"{tally.sent - tally.acknowledged - tally.failed.total():,}",
            "failed": f"{tally.failed.total():,}",
        } | schedule(self._punctuality)

    @staticmethod
    def _table(figures: dict[str, str]) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, figure in figures.items():
            table.add_row(name, figure)
        return table


def schedule(punctuality: Punctuality) -> dict[str, str]:
    """Return how the schedule was kept, for people."""
    latencies = "/".join(f"{punctuality.latency_ms(percent):,}" for percent in (50, 95, 99))
    behind = f"{punctuality.behind:,}"
    if punctuality.behind:
        behind += f" (worst {punctuality.worst_behind_ms:,.0f} ms)"
    return {"latency P50/95/99 ms": latencies, "behind schedule": behind}
