"""The subcommands of this part: ``tidemark sink influxdb``."""

import typer

from tidemark.settings import SettingsError, load_settings

sink_app = typer.Typer(help="Write results where they are kept.", no_args_is_help=True)


@sink_app.command()
def influxdb() -> None:
    """Write final metrics, visits, alerts and the door's counts from Kafka to InfluxDB, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    from sinks.app import run_influxdb_sink

    run_influxdb_sink(settings)


@sink_app.command()
def webhook() -> None:
    """Post alerts about sites to TIDEMARK_WEBHOOK_URL, signed, until SIGTERM or Ctrl-C; while it is down they wait."""
    settings = load_settings()
    if not settings.webhook_url:
        raise SettingsError("TIDEMARK_WEBHOOK_URL: expected an address to post to")
    from sinks.webhook_app import run_webhook_sink

    run_webhook_sink(settings)


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    app.add_typer(sink_app, name="sink")
