"""The ``tidemark`` command: mounts each part's subcommand. Parts import their clients only when they are called."""

import sys
from typing import Annotated

import typer

import deploy.cli
import ingestion.cli
import operations.cli
import simulator.cli
import sinks.cli
import streams.cli
import websocket_gateway.cli
from tidemark.logs import configure_logging, get_logger
from tidemark.rights import AccessRefused
from tidemark.settings import SettingsError

app = typer.Typer(
    name="tidemark",
    help="Real-time website analytics on Apache Kafka. Exit codes: 0 done, 1 failed, 2 wrong usage or settings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _logging(
    json: Annotated[bool, typer.Option("--json", help="Log one JSON object a line to stderr.")] = False,
) -> None:
    configure_logging(json=json)


deploy.cli.mount(app)
simulator.cli.mount(app)
ingestion.cli.mount(app)
streams.cli.mount(app)
sinks.cli.mount(app)
websocket_gateway.cli.mount(app)
operations.cli.mount(app, deploy.cli.missing_tools)


def main() -> None:
    """Run the command; wrong settings are shown as plain lines with exit code 2."""
    try:
        app()
    except AccessRefused as error:
        get_logger("tidemark").critical(str(error))
        sys.exit(1)
    except SettingsError as error:
        print(f"tidemark: wrong settings\n{error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
