"""``tidemark gateway`` serves the results to live clients; ``tidemark watch`` is such a client, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.events import DEFAULT_SITE
from tidemark.settings import load_settings


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.command("gateway")(gateway)
    app.command("watch")(watch)


def gateway() -> None:
    """Push metrics and alerts to WebSocket clients until SIGTERM or Ctrl-C."""
    settings = load_settings()
    import uvloop

    from websocket_gateway.app import run_gateway

    try:
        uvloop.run(run_gateway(settings))
    except OSError as error:
        typer.echo(f"tidemark gateway: {error}", err=True)
        raise typer.Exit(1) from None


def watch(
    url: Annotated[str | None, typer.Option(help="The gateway's ws:// address; default: from the settings.")] = None,
    site: Annotated[str, typer.Option(help="The site to watch, 1 to 64 characters.")] = DEFAULT_SITE,
    state: Annotated[
        Path | None, typer.Option(help="The file `tidemark up` keeps its parts' states in, for the last line.")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.", min=0)] = None,
) -> None:
    """Show a site's metrics and alerts live in the terminal (without one: a line a second) until Ctrl-C."""
    import asyncio

    from rich.console import Console
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    from websocket_gateway.watch import watch as run_watch

    if url is None:
        settings = load_settings()
        url = f"ws://{settings.gateway_host}:{settings.gateway_port}"
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    asyncio.run(run_watch(url, site, Console(), state_file=state, duration_s=duration))
