"""``tidemark stack``: local servers; ``up``: all parts on this machine; ``init``, ``access``: on any servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tidemark.settings import Settings, load_settings

Brokers = Annotated[int, typer.Option(help="Kafka brokers to start: 1, or 3 with three copies of everything.")]

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]
Folder = Annotated[Path, typer.Argument(file_okay=False, help="Each part's secrets go into a folder of its own here.")]

#: Tables that go into a file are not folded.
PLAIN_WIDTH = 160

access = typer.Typer(help="Users and least rights on a Kafka and an InfluxDB that are not open.", no_args_is_help=True)
stack = typer.Typer(help="Real Kafka and InfluxDB on this machine, without Docker.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.add_typer(stack, name="stack")
    app.command("up")(up)
    app.command("init")(init)
    app.add_typer(access, name="access")


def up(
    rate: Annotated[float, typer.Option(min=0.001, help="Simulated events a second.")] = 200,
    sites: Annotated[int, typer.Option(min=1, help="How many sites: default, site-2, site-3 …")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Stream processors that share the partitions.")] = 1,
    brokers: Brokers = 1,
    duration: Annotated[
        float | None, typer.Option(min=1, help="End after so many seconds, with a summary. Default: until Ctrl-C.")
    ] = None,
    simulator: Annotated[bool, typer.Option("--simulator/--no-simulator", help="Simulate visitors.")] = True,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Prometheus too, with our rules and alerts.")
    ] = False,
) -> None:
    """Run the whole platform on this machine: servers, all parts, simulated visitors and the live view."""
    from deploy.local.parts import Options
    from deploy.local.pipeline import run_pipeline

    options = Options(
        rate=rate,
        sites=sites,
        workers=workers,
        brokers=brokers,
        duration=duration,
        simulator=simulator,
        prometheus=prometheus,
    )
    with _plain_errors():
        if not run_pipeline(load_settings(), options, _say):
            raise typer.Exit(1)


def init() -> None:
    """Make the topics and the bucket that are missing on the settings' servers; what is there stays as it is."""
    from deploy.local.commands import provision

    with _plain_errors():
        provision(load_settings(), _say)


@stack.command("up")
def stack_up(
    brokers: Brokers = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; `stack down` stops it.")] = False,
) -> None:
    """Start the servers that do not run yet, with topics and bucket; until Ctrl-C."""
    from deploy.local.commands import detach_stack, run_stack

    with _plain_errors():
        (detach_stack if detach else run_stack)(load_settings(), brokers, _say)


@stack.command("status")
def stack_status() -> None:
    """Show whether the servers answer; exit code 0 when all do, 1 if not."""
    from deploy.local.commands import show_status

    if not show_status(load_settings()):
        raise typer.Exit(1)


@stack.command("down")
def stack_down() -> None:
    """Stop in order what runs in the data folder, also what a crash has left over."""
    from deploy.local.commands import stop_stack

    stop_stack(load_settings(), _say)


@access.command("list")
def access_list(json: Json = False) -> None:
    """Show the least rights of each part's user; asks nobody."""
    import msgspec
    from rich.console import Console

    from deploy.rights_table import rights_rows, rights_table

    rows = rights_rows(load_settings())
    if json:
        for row in rows:
            typer.echo(msgspec.json.encode(row))
        return
    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    console.print(rights_table(rows))


@access.command("create")
def access_create(folder: Folder) -> None:
    """Make each part's Kafka user, its rights and its InfluxDB token. Needs an administrator's settings.

    A part reads its secrets with TIDEMARK_SECRETS_DIR=FOLDER/part. Files that are there are kept and used again.
    """
    from deploy.access import create_access

    with _plain_errors():
        create_access(load_settings(), folder)
    typer.echo(f"each part has its user, rights and secrets: TIDEMARK_SECRETS_DIR={folder}/PART")


def missing_tools(settings: Settings) -> list[str] | None:
    """Return which tools are missing to start the settings' servers here; None if none of them is started here."""
    from deploy.local.preflight import missing_tools

    return missing_tools(settings)


def _say(text: str) -> None:
    typer.echo(text)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what is wrong as plain lines, exit code 1."""
    from deploy.local.errors import StackError

    try:
        yield
    except StackError as error:
        typer.echo(f"tidemark: {error}", err=True)
        raise typer.Exit(1) from None
