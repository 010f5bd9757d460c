"""A part's traces, if the settings name a collector: without one nothing of OpenTelemetry is imported."""

from typing import TYPE_CHECKING

from tidemark.settings import Settings

if TYPE_CHECKING:
    from monitoring.spans import Traces


def open_traces(part: str, settings: Settings) -> "Traces | None":
    """Return where a part tells its spans, to be closed at its end; None where traces are off."""
    if not settings.traces_endpoint:
        return None
    from monitoring.spans import Traces  # noqa: PLC0415  # half a second and 15 MB, only for those who want traces

    return Traces(part, settings.traces_endpoint, settings.traces_sampling)
