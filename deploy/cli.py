"""``tidemark stack``: local servers; ``up``: all parts on this machine; ``init``: topics and bucket on any servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tidemark.settings import load_settings

Brokers = Annotated[int, typer.Option(help="Kafka brokers to start: 1, or 3 with three copies of everything.")]

stack = typer.Typer(help="Real Kafka and InfluxDB on this machine, without Docker.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.add_typer(stack, name="stack")
    app.command("up")(up)
    app.command("init")(init)


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
