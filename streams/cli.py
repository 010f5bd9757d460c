"""``tidemark streams run``: a stream worker. ``inspect`` and ``replay`` tell what workers know, ``grow`` moves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from streams.alerts import cli as streams_alerts
from tidemark.settings import Settings
from tidemark.times import parse_time

#: Tables that go into a file are not folded.
PLAIN_WIDTH = 160


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Json = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of tables.")]
From = Annotated[int, typer.Option("--from", parser=_time, metavar="ISO|MS", help="The range's start, inclusive.")]
To = Annotated[int, typer.Option("--to", parser=_time, metavar="ISO|MS", help="The range's end, exclusive.")]
Site = Annotated[str | None, typer.Option(help="Only this site's results; all events are read all the same.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="Write the lines of JSON here; default: stdout.")]
Target = Annotated[
    str | None,
    typer.Option("--topic", help="Send the results to this topic instead. It must exist, and be none of Tidemark's."),
]
Prefix = Annotated[
    str, typer.Option("--to", metavar="PREFIX", help="TIDEMARK_TOPIC_PREFIX of the new topics, which must be there.")
]
Partitions = Annotated[int, typer.Option(help="TIDEMARK_EVENT_PARTITIONS of the new topics: more than now.")]
Prepare = Annotated[
    bool, typer.Option("--prepare", help="Only begin the new logs, while everything runs, so that events may go there.")
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Read what was live, as far as retention has it, and say what differs.")
]


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    streams = typer.Typer(help="The stream processor: events in, window metrics, visits and alerts out.")
    streams.command("run")(run)
    streams.command("inspect")(inspect)
    app.add_typer(streams, name="streams", no_args_is_help=True)
    app.command("replay")(replay)
    app.command("grow")(grow)
    streams_alerts.mount(app)


def run() -> None:
    """Run a worker until SIGTERM or Ctrl-C. Start as many as you like: they share the partitions."""
    import gc
    import logging
    import sys

    # Not on uvloop: its closed transports raise RuntimeError where asyncio's do not. aiokafka does not expect it when a
    # broker goes away: its metadata task ends silently, and every later commit and heartbeat waits for it for ever.
    from monitoring.metrics import STREAMS
    from monitoring.serving import serve_metrics
    from monitoring.traces import open_traces
    from streams.app import build_app
    from streams.stopping import StreamsProcess
    from tidemark.access import check_access
    from tidemark.settings import load_settings

    # Their start-up is sixty lines long; what matters of it the worker says itself.
    for library in ("faust", "mode"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # While the broker is away it complains hundreds of times a second; the worker says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = load_settings()
    serve_metrics(STREAMS, settings.metrics_host, settings.metrics_port)
    check_access(settings, "streams")
    (settings.data_dir / "faust").mkdir(parents=True, exist_ok=True)
    traces = open_traces(STREAMS, settings)
    app, outbox = build_app(settings, traces)
    # The windows' state forms no cycles, and looking through millions of visits for some takes a tenth of the time.
    # Those of the libraries are few: they are looked for rarely.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    # The thread that fetches wants the interpreter for a moment at each step: it is not to wait 5 ms for each of them.
    sys.setswitchinterval(0.001)
    StreamsProcess(app, outbox, traces).run()


def inspect(json: Json = False) -> None:
    """Show where each partition's state stands and what its checkpoint holds. Only reads; exit code 1: no broker."""
    import msgspec
    from rich.console import Console

    from streams import inspection
    from streams.inspection_table import tables
    from tidemark.settings import load_settings

    settings = load_settings()
    with _told("streams inspect", settings):
        reports = inspection.inspect(settings)
    if json:
        for report in reports:
            typer.echo(msgspec.json.encode(report))
        return
    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    for table in tables(reports, console.width):
        console.print(table)


def replay(
    start: From,
    end: To,
    site: Site = None,
    out: Out = None,
    topic: Target = None,
    compare: Compare = False,
) -> None:
    """Compute the finals, visits and alerts of a time range anew, beside the platform.

    In the range are windows and alerts by their end, visits by their last event. The events topic is read from its
    start, whatever the range is, because results depend on what was before; lateness and funnel must be what the
    workers have. No group, no commits, nothing is written to Tidemark's topics. A line is {"topic": …, "value": …};
    emittedAt is 0. With --compare, results are written only where --out or --topic says. Exit code 1: a difference.
    """
    if start >= end:
        raise typer.BadParameter(f"expected a time after --from, {start}, got {end}", param_hint="--to")
    if out is not None and topic is not None:
        raise typer.BadParameter("expected --out or --topic, got both", param_hint="--topic")
    if out is not None and not out.parent.is_dir():
        raise typer.BadParameter(f"expected a file in a folder that exists, got {out}", param_hint="--out")
    from streams.replay.app import Options
    from streams.replay.app import replay as run_replay
    from streams.replay.asked import Asked
    from tidemark.settings import load_settings

    settings = load_settings()
    with _told("replay", settings):
        if not run_replay(settings, Options(Asked(start, end, site), out, topic, compare)):
            raise typer.Exit(1)


def grow(prefix: Prefix, partitions: Partitions, prepare: Prepare = False) -> None:
    """Go on with more event partitions: carry all states over to the topics of a new prefix, with no result lost.

    docs/growing.md has the steps around it. Before, the workers are stopped, and then what sends events goes over to
    the new topics, which --prepare begins. The present topics get the last results and nothing else. Needs an
    administrator's settings. May be done again. Exit code 1: not done, and why.
    """
    import logging

    from streams.growing import CannotGrow
    from streams.growing import app as growing
    from streams.outbox import DeliveryFailed
    from streams.windows.checkpoint import StateError
    from tidemark.settings import load_settings

    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # it has a line to say for each producer
    settings = load_settings()
    if partitions <= settings.event_partitions:
        raise typer.BadParameter(f"expected more than now, {settings.event_partitions}", param_hint="--partitions")
    if prefix == settings.topic_prefix:
        raise typer.BadParameter("expected another prefix than the present one", param_hint="--to")
    new = load_settings(topic_prefix=prefix, event_partitions=partitions)
    with _told("grow", settings):
        try:
            if prepare:
                growing.prepare(settings, new)
                typer.echo("what sends events may go on with these, and no worker yet:")
            else:
                typer.echo(growing.grow(settings, new).told())
                typer.echo("go on with these, what sends events first, then the workers:")
        except (CannotGrow, StateError, DeliveryFailed) as error:
            typer.echo(f"tidemark grow: {error}", err=True)
            raise typer.Exit(1) from None
    typer.echo(f"TIDEMARK_TOPIC_PREFIX={prefix} TIDEMARK_EVENT_PARTITIONS={partitions}")


@contextmanager
def _told(command: str, settings: Settings) -> Iterator[None]:
    """Say in a line why a command that reads Kafka could not go on, and exit with 1. Raises AccessRefused."""
    from confluent_kafka import KafkaException

    from streams.log_reader import why
    from streams.replay.output import TopicRefused
    from tidemark.access import check_access

    try:
        yield
    except TopicRefused as error:
        raise typer.BadParameter(str(error), param_hint="--topic") from None
    except (KafkaException, TimeoutError) as error:
        check_access(settings, "operator")
        typer.echo(f"tidemark {command}: {why(error, settings.kafka_bootstrap_servers)}", err=True)
        raise typer.Exit(1) from None
