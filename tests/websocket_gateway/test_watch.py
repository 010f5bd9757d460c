"""`tidemark watch` as people start it, without a terminal, against a real gateway on a real broker."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from tests.websocket_gateway.made import Results, alert, update
from tests.websocket_gateway.talking import DEADLINE_S, eventually, gateway_of, now_window, unfed_gateway
from tidemark.results import ACTIVE_USERS, PAGE_VIEWS_PER_SECOND
from tidemark.settings import Settings


@contextmanager
def watching(settings: Settings, folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """Start the command; give its process and the lines it has printed, which grow."""
    command = [sys.executable, "-m", "tidemark", "watch", *options]
    environment = os.environ | settings.environment()
    lines: list[str] = []
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        reading = threading.Thread(target=lines.extend, args=(process.stdout,))
        reading.start()
        try:
            yield process, lines
        finally:
            process.kill()
            reading.join()


def test_it_waits_for_the_gateway_shows_numbers_and_alerts_and_ctrl_c_ends_it_with_0(
    settings: Settings, tmp_path: Path
) -> None:
    async def scenario(process: "subprocess.Popen[str]", lines: list[str]) -> None:
        def told(*texts: str) -> bool:
            return any(all(text in line for text in texts) for line in lines)

        await eventually(lambda: told("no connection to ws://127.0.0.1", "Connection refused", "no data yet"))
        async with gateway_of(settings):
            results, end = Results(settings), now_window()
            results.send(update(ACTIVE_USERS, end - 5_000, 41, final=True), update(PAGE_VIEWS_PER_SECOND, end, 7.25))
            await eventually(lambda: told("live", "41 users"))
            results.send(alert("visitor-9"))
            await eventually(lambda: told("ALERT", "visitor-9"))
        await eventually(lambda: told("closed the connection", "41 users") or told("no connection", "41 users"))
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
        assert not told("Traceback")

    with watching(settings, tmp_path) as (process, lines):
        asyncio.run(scenario(process, lines))


def test_it_lets_itself_into_a_gateway_that_wants_tokens(unfed: Settings, tmp_path: Path) -> None:
    guarded = unfed.model_copy(update={"gateway_token_secret": SecretStr("s" * 32)})

    async def scenario(lines: list[str]) -> None:
        async with unfed_gateway(guarded) as gateway:
            await gateway.take([update(ACTIVE_USERS, now_window() - 5_000, 41, final=True)])
            await eventually(lambda: any("41 users" in line for line in lines))

    with watching(guarded, tmp_path) as (_, lines):
        asyncio.run(scenario(lines))


def test_the_duration_ends_it_with_0(settings: Settings, tmp_path: Path) -> None:
    with watching(settings, tmp_path, "--duration", "1.5") as (process, lines):
        assert process.wait(DEADLINE_S) == 0
    assert len(lines) == 1


def test_a_reader_that_has_had_enough_is_no_failure(settings: Settings, tmp_path: Path) -> None:
    command = f"{sys.executable} -m tidemark watch --duration 20 | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | settings.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_url_that_is_none_is_wrong_usage(settings: Settings, tmp_path: Path) -> None:
    with watching(settings, tmp_path, "--url", "http://127.0.0.1") as (process, lines):
        assert process.wait(DEADLINE_S) == 2
    assert "isn't a valid URI" in "".join(lines)
