"""Records that begin a trace: the share of them that the settings name is sent with a span, the others as without."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidemark.decoding import site_of

if TYPE_CHECKING:
    from monitoring.spans import Report, Traces

Produce = Callable[..., Any]


def traced(produce: Produce, traces: "Traces") -> Produce:
    """Return the producer's ``produce`` with traces."""

    def produce_traced(topic: str, value: bytes, key: bytes, partition: int, report: "Report") -> None:
        if traces.chosen():
            sending = traces.send(topic, site_of(value))
            produce(topic, value, key, partition, sending.reporting(report), headers=[sending.header])
        else:
            produce(topic, value, key, partition, report)

    return produce_traced
