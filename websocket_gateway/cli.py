"""``tidemark gateway`` serves the results to live clients; ``tidemark watch`` is such a client, in the terminal."""

import typer

from tidemark.settings import load_settings


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.command("gateway")(gateway)


def gateway() -> None:
    """Push metrics and alerts to WebSocket clients until SIGTERM or Ctrl-C."""
    settings = load_settings()
    import uvloop  # noqa: PLC0415 - heavy: only when it is needed

    from websocket_gateway.app import run_gateway  # noqa: PLC0415

    try:
        uvloop.run(run_gateway(settings))
    except OSError as error:
        typer.echo(f"tidemark gateway: {error}", err=True)
        raise typer.Exit(1) from None
