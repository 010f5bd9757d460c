"""The last steps of the traces of sampled events: a result is taken, and live clients are written a message with it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from websocket_gateway.client import Client

if TYPE_CHECKING:
    from monitoring.spans import TraceContext, Traces


class Traced(NamedTuple):
    """A result's record that belongs to a trace, and when it was read (ns since the epoch)."""

    topic: str
    partition: int
    offset: int
    site: str
    parent: "TraceContext"
    read_ns: int


class LastSteps:
    """The traces whose results are taken and not flushed yet."""

    def __init__(self, traces: "Traces") -> None:
        self._traces = traces
        self._taken: list[tuple[str, TraceContext]] = []

    def taken(self, records: Iterable[Traced]) -> None:
        """Tell that results were taken; the next flush shows them."""
        for topic, partition, offset, site, parent, read_ns in records:
            self._taken.append((site, self._traces.process(topic, partition, offset, site, parent, read_ns)))

    def flushed(self, clients: Iterable[Client], since_ns: int) -> None:
        """Tell, for each trace, how many of the clients that were written to follow its site; nothing if none does."""
        if not self._taken:
            return
        taken, self._taken = self._taken, []
        following = dict.fromkeys((site for site, _ in taken), 0)
        for client in clients:
            for site in following.keys() & client.subscriptions.keys():
                following[site] += 1
        for site, parent in taken:
            if following[site]:
                self._traces.show(site, following[site], parent, since_ns)
