"""Finals of one site and metric, one window after the other, and what detectors make of them."""

from collections.abc import Iterable, Sequence

from streams.alerts.detector import Detector
from streams.alerts.rules import SiteRule, read_rules
from streams.windows import PANE_MS, SLIDE_MS, SLIDING_MS
from tidemark.results import METRICS, PAGE_VIEWS_PER_SECOND, SLIDING_60S, Alert, Dimension, MetricUpdate

#: The end of the window before the first, ms.
T = 1_767_225_600_000


def rules(*tables: str) -> list[SiteRule]:
    """Read rules, each a table without its ``[[rules]]``; they get names in turn."""
    return read_rules("\n".join(f'[[rules]]\nname = "rule-{n}"\n{table}' for n, table in enumerate(tables)))


def final(
    number: int,
    value: float,
    metric: str = PAGE_VIEWS_PER_SECOND,
    *,
    site: str = "shop",
    count: int = 1_000,
    urls: dict[str, int] | None = None,
    final: bool = True,
) -> MetricUpdate:
    """Return the window with this number, from 1 on."""
    sliding = METRICS[metric] == SLIDING_60S
    end = T + number * (SLIDE_MS if sliding else PANE_MS)
    return MetricUpdate(
        site_id=site,
        metric=metric,
        window_type=METRICS[metric],
        window_start=end - (SLIDING_MS if sliding else PANE_MS),
        window_end=end,
        value=value,
        count=count,
        final=final,
        revision=number,
        emitted_at=0,
        dimensions=None if urls is None else [Dimension(url, views) for url, views in urls.items()],
    )


def finals(values: Iterable[float], metric: str = PAGE_VIEWS_PER_SECOND, site: str = "shop") -> list[MetricUpdate]:
    """Return windows in their order with these values."""
    return [final(number, value, metric, site=site) for number, value in enumerate(values, 1)]


def alerts(of: Sequence[SiteRule], updates: Iterable[MetricUpdate]) -> list[Alert]:
    """Return what an uninterrupted detector makes of them."""
    detector = Detector(of)
    return [alert for update in updates for alert in detector.take(update)]


def times(found: Iterable[Alert], step_ms: int = PANE_MS) -> list[int]:
    """Return the numbers of the windows that set them off."""
    return [(alert.timestamp - T) // step_ms for alert in found]
