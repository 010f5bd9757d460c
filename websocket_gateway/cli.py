"""``tidemark gateway`` serves the results to live clients; ``tidemark watch`` is such a client, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from tidemark.events import DEFAULT_SITE
from tidemark.settings import SettingsError, load_settings


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    commands = typer.Typer()
    commands.callback(invoke_without_command=True)(gateway)
    commands.command("token")(token)
    app.add_typer(commands, name="gateway")
    app.command("watch")(watch)


def gateway(context: typer.Context) -> None:
    """Push metrics and alerts to WebSocket clients until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    import uvloop

    from websocket_gateway.app import run_gateway

    try:
        uvloop.run(run_gateway(settings))
    except OSError as error:
        typer.echo(f"tidemark gateway: {error}", err=True)
        raise typer.Exit(1) from None


def token(
    sites: Annotated[list[str], typer.Option(help="A site the token is for; once a site, or '*' for all.")],
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0)] = 24,
) -> None:
    """Print a token for clients of a gateway that has TIDEMARK_GATEWAY_TOKEN_SECRET."""
    import time

    from websocket_gateway.tokens import ALL_SITES, make_token

    secret = load_settings().gateway_token_secret.get_secret_value()
    if not secret:
        raise SettingsError("TIDEMARK_GATEWAY_TOKEN_SECRET: expected at least 32 characters, got none")
    expires_at = int(time.time() + hours * 3_600)
    typer.echo(make_token(secret, ALL_SITES if ALL_SITES in sites else sites, expires_at))


def watch(
    url: Annotated[str | None, typer.Option(help="The gateway's ws:// address; default: from the settings.")] = None,
    site: Annotated[str, typer.Option(help="The site to watch, 1 to 64 characters.")] = DEFAULT_SITE,
    state: Annotated[
        Path | None, typer.Option(help="The file `tidemark up` keeps its parts' states in, for the last line.")
    ] = None,
    shop: Annotated[
        str | None, typer.Option(help="The address of the demo's shop, shown beside the dashboard's.")
    ] = None,
    prometheus: Annotated[str | None, typer.Option(help="Prometheus' address, shown there too.")] = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds.", min=0)] = None,
) -> None:
    """Show a site's metrics and alerts live in the terminal (without one: a line a second) until Ctrl-C."""
    import asyncio

    from rich.console import Console
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    from websocket_gateway.watch import NO_KEYS, Keys
    from websocket_gateway.watch import watch as run_watch

    keys = NO_KEYS
    if url is None:
        settings = load_settings()
        keys = Keys(settings.gateway_token_secret.get_secret_value(), settings.gateway_tls_certificate)
        scheme = "wss" if settings.gateway_tls_certificate else "ws"
        url = f"{scheme}://{settings.gateway_host}:{settings.gateway_port}"
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    others = [(name, address) for name, address in (("shop", shop), ("prometheus", prometheus)) if address is not None]
    asyncio.run(run_watch(url, site, Console(), keys=keys, state_file=state, others=others, duration_s=duration))
