"""``tidemark streams run``: one stream worker; several share the partitions."""

import typer


def mount(app: typer.Typer) -> None:
    """Add the subcommands to the ``tidemark`` command."""
    streams = typer.Typer(help="The stream processor: events in, window metrics, visits and alerts out.")
    streams.command("run")(run)
    app.add_typer(streams, name="streams", no_args_is_help=True)


def run() -> None:
    """Run a worker until SIGTERM or Ctrl-C. Start as many as you like: they share the partitions."""
    import gc
    import logging

    # Not on uvloop: its closed transports raise RuntimeError where asyncio's do not. aiokafka does not expect it when a
    # broker goes away: its metadata task ends silently, and every later commit and heartbeat waits for it for ever.
    from monitoring.metrics import serve_metrics
    from streams.app import build_app
    from streams.stopping import StreamsProcess
    from tidemark.settings import load_settings

    # Their start-up is sixty lines long; what matters of it the worker says itself.
    for library in ("faust", "mode", "aiokafka"):
        logging.getLogger(library).setLevel(logging.WARNING)
    settings = load_settings()
    serve_metrics(settings.metrics_port)
    (settings.data_dir / "faust").mkdir(parents=True, exist_ok=True)
    app, outbox = build_app(settings)
    # The windows' state forms no cycles, and looking through millions of visits for some takes a tenth of the time.
    # Those of the libraries are few: they are looked for rarely.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    StreamsProcess(app, outbox).run()
