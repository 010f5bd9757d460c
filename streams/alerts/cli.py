"""``tidemark alerts run``: alerts about sites by rules in a file; ``test`` tries rules on what is past."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemark.settings import Settings
from tidemark.times import iso, parse_time

if TYPE_CHECKING:
    from streams.alerts.past import Found

#: Tables that go into a file are not folded.
PLAIN_WIDTH = 200


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Start = Annotated[
    int | None, typer.Option("--from", parser=_time, metavar="ISO|MS", help="Alerts from then on; default: all.")
]
End = Annotated[int | None, typer.Option("--to", parser=_time, metavar="ISO|MS", help="The range's end, exclusive.")]
Json = Annotated[bool, typer.Option("--json", help="One alert a line, as on its topic, instead of a table.")]


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    alerts = typer.Typer(help="Alerts about sites, by rules in a file.", no_args_is_help=True)
    alerts.command("run")(run)
    alerts.command("test")(try_rules)
    app.add_typer(alerts, name="alerts")


def run() -> None:
    """Judge finals by the rules in TIDEMARK_ALERT_RULES until SIGTERM or Ctrl-C. A second one takes over."""
    from streams.alerts.app import run_alerts
    from tidemark.settings import load_settings

    settings = load_settings()
    with _told("run", settings):
        run_alerts(settings)


def try_rules(
    rules: Annotated[Path, typer.Argument(help="A file of rules; nothing needs to run with it.")],
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Say which alerts rules would have made of the finals that Kafka still has, of a day at most. Only reads."""
    import msgspec
    from rich.console import Console

    from streams.alerts.app import load_rules, past_alerts
    from tidemark.settings import load_settings

    settings = load_settings()
    with _told("test", settings):
        found = past_alerts(settings, load_rules(rules), start, end)
    if as_json:
        for alert in found.alerts:
            typer.echo(msgspec.json.encode(alert))
    elif found.alerts:
        console = Console()
        if not console.is_terminal:
            console.width = PLAIN_WIDTH
        console.print(_table(found), markup=False)
    read = f"{found.finals:,} finals"
    if found.first is not None and found.last is not None:
        read += f" from {iso(found.first)} to {iso(found.last)}"
    typer.echo(f"{len(found.alerts):,} alerts; judged {read}", err=True)


def _table(found: "Found") -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table("Time", "Severity", "Alert", "What", box=None)
    for alert in found.alerts:
        # A site's name may look like markup.
        table.add_row(*(Text(cell) for cell in (iso(alert.timestamp), alert.severity, alert.title, alert.description)))
    return table


@contextmanager
def _told(command: str, settings: Settings) -> Iterator[None]:
    """Say in a line why the command cannot go on, and exit: 2 for wrong rules, else 1."""
    from confluent_kafka import KafkaError, KafkaException

    from streams.alerts.rules import RulesError
    from streams.log_reader import why
    from streams.windows.checkpoint import StateError

    try:
        yield
    except RulesError as error:
        typer.echo(f"tidemark alerts {command}: wrong rules\n{error}", err=True)
        raise typer.Exit(2) from None
    except (KafkaException, TimeoutError, StateError) as error:
        cause = error.args[0] if isinstance(error, KafkaException) else None
        fenced = isinstance(cause, KafkaError) and cause.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED)
        text = "another one has taken over" if fenced else why(error, settings.kafka_bootstrap_servers)
        typer.echo(f"tidemark alerts {command}: {text}", err=True)
        raise typer.Exit(1) from None
