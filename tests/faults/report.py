"""docs/faults.md: the fault table as it was measured."""

from pathlib import Path

from tests.faults.rows import ROWS
from tests.faults.scene import RATE
from tests.faults.table import HEAD, Table

_TEXT = """\
# What was killed, and what it changed

`make test-faults` made this table on the real Kafka and InfluxDB: each run has its own topics and a live load of
{rate} events/s on three sites (2 % late, 1 % duplicate, 0.5 % bad), and its seed draws the load and the moments of the
faults. `make test` runs a short version.

After each run, when all windows are closed, the load's manifest must equal the log, and the finals, visits, alerts and
dead letters what [the reference](../tests/support/reference.py) makes of that log: none missing, none else, one value
each. No early result may have a revision above its final's, nor go back where no worker reads anything again. The lag
must be gone within 30 s. Where a sink or a gateway is broken, InfluxDB must hold what the topics hold, and a page must
have been shown nothing else.

*Recovery*: from the last fault of a run until everything that was in the log then is processed and checkpointed (a
sink: written; a page: connected again). *stop* and *kill*: from SIGTERM or SIGKILL until the other workers have all
partitions and read on. A stepped clock is Python's in the worker's process. The last rows are the test of the test:
workers with a deliberate defect.

{table}

{runs} runs, {faults} faults, {events:,} events in {hours:.1f} hours.
"""


def write_report(path: Path, table: Table) -> None:
    """Write the table, which must be complete."""
    runs = [run for row in ROWS for run in table.runs(row)]
    path.write_text(
        _TEXT.format(
            rate=RATE,
            table="\n".join([HEAD, *map(table.line, ROWS)]),
            runs=len(runs),
            faults=sum(run.faults for run in runs),
            events=sum(run.events for run in runs),
            hours=sum(run.took_s for run in runs) / 3_600,
        )
    )
