"""The metrics as a page: ``python -m monitoring.page > docs/metrics.md``."""

import sys

from monitoring.metrics import BUCKETS, DEFINED, LABELS, Defined

_PAGE = """\
# Metrics

Each part serves its own at `/metrics`, on loopback, at the port `TIDEMARK_METRICS_PORT`; none without it. Under
`tidemark up` the ports begin there (default 9101), one a part in this order: the workers of the streams, sink, gateway,
ingestion, simulator. The gateway and the HTTP door serve theirs on their own ports too, the door's workers as one.

| metric | type | unit | labels | served by | what |
|---|---|---|---|---|---|
{metrics}

Histograms have the buckets {buckets} s. Each part serves `process_*` and
`python_*` of prometheus-client besides; CPU, memory and open files of the HTTP door are those of all its processes.

| label | what |
|---|---|
{labels}
"""


def page() -> str:
    """Return the page; the same for the same metrics."""
    return _PAGE.format(
        metrics="\n".join(_row(metric) for metric in DEFINED),
        buckets=", ".join(f"{bucket:g}" for bucket in BUCKETS),
        labels="\n".join(f"| `{name}` | {meaning} |" for name, meaning in LABELS.items()),
    )


def _row(metric: Defined) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    cells = (f"`{metric.name}`", metric.kind, metric.unit, labels, ", ".join(metric.parts), metric.meaning)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
