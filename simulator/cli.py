"""``tidemark simulate``: from the command line to one run of the simulator."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulator.faults import Faults, parse_share
from simulator.scenarios import SCENARIOS, Scenario
from simulator.visitors import Load
from tidemark.times import parse_time


def _share(text: str) -> float:
    try:
        return parse_share(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _start_time(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _scenario(text: str) -> Scenario:
    if text not in SCENARIOS:
        raise typer.BadParameter(f"expected {', '.join(SCENARIOS)}, got {text!r}")
    return SCENARIOS[text]


Rate = Annotated[float, typer.Option(min=0.001, max=1e6, help="Events a second, before the scenario's factor.")]
Duration = Annotated[
    float | None, typer.Option(min=0.001, max=1e9, help="Seconds of event time. Default: until Ctrl-C.")
]
Count = Annotated[int | None, typer.Option(min=1, help="End after so many events, if not earlier by the duration.")]
Users = Annotated[int, typer.Option(min=1, max=10_000_000, help="The population that the visitors come from.")]
Seed = Annotated[int, typer.Option(help="Equal seed, options and start time give equal records.")]
Sites = Annotated[int, typer.Option(min=1, help="How many sites: default, site-2, site-3 …")]
ScenarioName = Annotated[Scenario, typer.Option(parser=_scenario, metavar="|".join(SCENARIOS), help="How load goes.")]
Late = Annotated[
    float,
    typer.Option(parser=_share, metavar="SHARE", help='Share of events held back for 10 to 60 s: "2%" or "0.02".'),
]
Duplicates = Annotated[
    float,
    typer.Option(
        parser=_share, metavar="SHARE", help="Share of events sent twice, up to 30 s apart; on top of the rate."
    ),
]
Bad = Annotated[
    float, typer.Option(parser=_share, metavar="SHARE", help="Bad records for each event, on top of the rate.")
]
Disorder = Annotated[int, typer.Option(min=0, help="Each event is sent 0 to so many ms after its event time.")]
MaxSpeed = Annotated[bool, typer.Option("--max-speed", help="No pacing. Needs --duration or --count.")]
StartTime = Annotated[
    int | None,
    typer.Option(
        parser=_start_time, metavar="ISO|MS", help="Event time of the start. Default: so that now is reached."
    ),
]
Manifest = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Write here what was put into the log, every second and at the end.")
]


def mount(app: typer.Typer) -> None:
    """Add ``simulate`` to the ``tidemark`` command."""
    app.command()(simulate)


def simulate(
    rate: Rate = 200,
    duration: Duration = None,
    count: Count = None,
    users: Users = 10_000,
    seed: Seed = 1,
    sites: Sites = 1,
    scenario: ScenarioName = "steady",  # type: ignore[assignment]  # typer parses the default too
    late: Late = "0%",  # type: ignore[assignment]
    duplicates: Duplicates = "0%",  # type: ignore[assignment]
    bad: Bad = "0%",  # type: ignore[assignment]
    disorder_ms: Disorder = 1_500,
    max_speed: MaxSpeed = False,
    start_time: StartTime = None,
    manifest: Manifest = None,
) -> None:
    """Send the events of simulated visitors to Kafka. Exit code 1: a record was not acknowledged."""
    load = Load(seed, rate, users, sites, scenario)
    duration_ms = None if duration is None else round(duration * 1_000)
    start_ms = _settled_start(load, duration_ms, count, max_speed, start_time)
    if manifest is not None and not manifest.parent.is_dir():
        raise typer.BadParameter(f"expected a file in a folder that exists, got {manifest}", param_hint="--manifest")
    from rich.console import Console

    from monitoring.metrics import SIMULATOR
    from monitoring.serving import serve_metrics
    from simulator.app import Options, Run, Stop
    from simulator.producer import SendError
    from tidemark.access import check_access, named_refusals
    from tidemark.rights import AccessRefused
    from tidemark.settings import load_settings

    settings = load_settings()
    serve_metrics(SIMULATOR, settings.metrics_host, settings.metrics_port)
    options = Options(
        load, Faults(late, duplicates, bad, disorder_ms), start_ms, duration_ms, count, max_speed, manifest
    )
    check_access(settings, "simulator")
    run = Run(settings, options, Stop(), Console(stderr=True))
    try:
        with named_refusals(settings, "simulator"):
            complete = run.execute()
    except (SendError, AccessRefused) as error:
        typer.echo(f"tidemark simulate: {error}", err=True)
        complete = False
    typer.echo(run.summary())
    if not complete:
        sys.exit(1)


def _settled_start(
    load: Load, duration_ms: int | None, count: int | None, max_speed: bool, start_ms: int | None
) -> int | None:
    """Return the start in event time (ms), None for now; at full speed such that the run ends about now.

    Raises typer.BadParameter where the run would lie in the future.
    """
    now_ms = time.time_ns() // 1_000_000
    length_ms = 0
    if max_speed:
        if duration_ms is None and count is None:
            raise typer.BadParameter("expected --duration or --count with it, got neither", param_hint="--max-speed")
        length_ms = _expected_length_ms(load, duration_ms, count)
        if start_ms is None:
            return now_ms - length_ms
    if start_ms is not None and start_ms + length_ms > now_ms:
        ahead = start_ms + length_ms - now_ms
        raise typer.BadParameter(
            f"expected a run that ends by now, got one {ahead} ms ahead", param_hint="--start-time"
        )
    return start_ms


def _expected_length_ms(load: Load, duration_ms: int | None, count: int | None) -> int:
    lengths = [] if duration_ms is None else [duration_ms]
    if count is not None:
        # How long the visits are is drawn, so the last event may come a little later than the rate says.
        lengths.append(round(load.scenario.seconds(count / load.rate) * 1_010) + 1_000)
    return min(lengths)
