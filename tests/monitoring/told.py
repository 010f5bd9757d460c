"""What a part tells at /metrics, read as Prometheus reads it, beside what is registered for it."""

from collections.abc import Iterable
from math import isfinite
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from monitoring.metrics import DEFINED, Defined

Told = dict[str, Metric]

#: prometheus_client's own.
RUNTIME = ("process_", "python_")
#: They have no series while nothing goes wrong, or for some minutes.
SELDOM = {
    "analytics_pipeline_errors_total",
    "analytics_dead_letters_total",
    "analytics_alerts_total",
    "websocket_server_dropped_connections_total",
}
#: What the exposition's format itself adds.
BUCKET = "le"


def told(url: str) -> Told:
    """The metrics by their name without _total; none while nothing answers."""
    try:
        with urlopen(url, timeout=10) as page:
            text = page.read().decode()
    except URLError:
        return {}
    return {family.name.removesuffix("_total"): family for family in text_string_to_metric_families(text)}


def total(metrics: Told, name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    samples = metrics[name.removesuffix("_total").removesuffix("_count").removesuffix("_sum")].samples
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


def registered(part: str) -> list[Defined]:
    return [metric for metric in DEFINED if part in metric.parts]


def untold(part: str, metrics: Told) -> set[str]:
    """What the part has nothing to tell of yet, though it will."""
    with_samples = {name for name, family in metrics.items() if family.samples}
    return {
        metric.name for metric in registered(part) if metric.name.removesuffix("_total") not in with_samples
    } - SELDOM


def check(part: str, metrics: Told, *, seldom_shown: bool = True) -> None:
    """Names are exactly the registered ones, labels those of each, values are numbers that can be."""
    own = {metric.name.removesuffix("_total"): metric for metric in registered(part)}
    names = {name for name in metrics if not name.startswith(RUNTIME)}
    missing = own.keys() - names
    assert names <= own.keys()
    assert missing == (set() if seldom_shown else missing & {name.removesuffix("_total") for name in SELDOM})
    for name in names:
        assert metrics[name].type == own[name].kind, name
        for sample in metrics[name].samples:
            assert sample.labels.keys() - {BUCKET} == set(own[name].labels), sample
            assert isfinite(sample.value), sample
            assert sample.value >= 0, sample
    assert [sample.labels["part"] for sample in metrics["tidemark_build_info"].samples] == [part]
    assert total(metrics, "process_resident_memory_bytes") > 10_000_000
    assert "python_info" in metrics


def label_values(metrics: Told, name: str, label: str) -> set[str]:
    samples: Iterable[str] = (sample.labels[label] for sample in metrics[name].samples)
    return set(samples)
