"""PromQL for the panels: each selector takes the dashboard's jobs and instances, each rate Grafana's interval."""

from prometheus_client import Counter, Gauge, Histogram

from monitoring.metrics import DEFINED

CHOSEN = 'job=~"$job", instance=~"$instance"'
Metric = Counter | Gauge | Histogram | str
_NAMES = {metric.collector: metric.name for metric in DEFINED}


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Return the selector of one of our metrics, or of another's by its name, with these matchers besides."""
    name = metric if isinstance(metric, str) else _NAMES[metric]
    return f"{name}{suffix}{{{', '.join((CHOSEN, *matchers))}}}"


def rate(metric: Metric, *matchers: str, by: str = "", suffix: str = "") -> str:
    """Return how much a counter grows a second, summed, by these labels."""
    return f"{_sum(by)}(rate({series(metric, *matchers, suffix=suffix)}[$__rate_interval]))"


def quantile(share: float, histogram: Histogram, *matchers: str, by: str = "") -> str:
    """Return the value which that share of the observations did not exceed, by these labels."""
    buckets = rate(histogram, *matchers, by=f"{by}, le" if by else "le", suffix="_bucket")
    return f"histogram_quantile({share:g}, {buckets})"


def mean(histogram: Histogram, *matchers: str, by: str = "") -> str:
    """Return the mean of the observations, by these labels."""
    return f"{rate(histogram, *matchers, by=by, suffix='_sum')} / {rate(histogram, *matchers, by=by, suffix='_count')}"


def total(metric: Metric, *matchers: str, by: str = "") -> str:
    """Return the sum of a gauge, by these labels."""
    return f"{_sum(by)}({series(metric, *matchers)})"


def or_zero(query: str) -> str:
    """Return the query, or 0 while there is nothing that it could tell of."""
    return f"{query} or on() vector(0)"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
