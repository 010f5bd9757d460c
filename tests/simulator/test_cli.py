"""Wrong options are refused with exit code 2 and a text that names the option."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from simulator import cli
from simulator.scenarios import STEADY
from simulator.visitors import Load


def refused(*options: str) -> str:
    app = typer.Typer()
    cli.mount(app)
    result = CliRunner().invoke(app, list(options), env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 2, result.output
    return click.unstyle(result.output)


@pytest.mark.parametrize(
    ("options", "option", "text"),
    [
        (["--late", "2"], "--late", "expected a share of the events such as"),
        (["--bad", "many"], "--bad", "got 'many'"),
        (["--duplicates", "120%"], "--duplicates", "got '120%'"),
        (["--rate", "0"], "--rate", "greater than or equal to 0.001"),
        (["--rate", "inf"], "--rate", "less than or equal to"),
        (["--users", "0"], "--users", "greater than or equal to 1"),
        (["--sites", "0"], "--sites", "greater than or equal to 1"),
        (["--disorder-ms", "-1"], "--disorder-ms", "greater than or equal to 0"),
        (["--scenario", "storm"], "--scenario", "expected steady, surge, bounce-spike, got 'storm'"),
        (["--start-time", "yesterday"], "--start-time", "got 'yesterday'"),
        (["--start-time", "2999-01-01"], "--start-time", "expected a run that ends by now"),
        (["--max-speed"], "--max-speed", "expected --duration or --count with it"),
        (["--manifest", "no-such-folder/m.json"], "--manifest", "expected a file in a folder that exists"),
    ],
)
def test_wrong_option_is_named_with_what_was_expected(options: list[str], option: str, text: str) -> None:
    output = refused(*options)
    assert option in output
    assert text in output


@pytest.mark.parametrize(
    "text", ["1700000000000", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T23:13:20+01:00"]
)
def test_start_time_is_ms_or_iso_and_utc_without_an_offset(text: str) -> None:
    assert cli._start_time(text) == 1_700_000_000_000


def test_run_at_full_speed_ends_by_now() -> None:
    load = Load(1, 200, 10_000, 1, STEADY)
    assert cli._expected_length_ms(load, 60_000, None) == 60_000
    assert cli._expected_length_ms(load, 60_000, 1_000_000) == 60_000
    assert 100_000 < cli._expected_length_ms(load, None, 20_000) < 105_000


def test_importing_the_command_loads_no_client(tmp_path: Path) -> None:
    program = "import simulator.cli, sys; print([m for m in ('confluent_kafka', 'rich.live') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
