"""`tidemark watch`: a WebSocket client of the gateway that shows a site's metrics and alerts in the terminal."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.live import Live
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from websocket_gateway.parts import Part, read_parts
from websocket_gateway.plain import Lines
from websocket_gateway.protocol import Subscribe, decode_server_message, encode
from websocket_gateway.session import now_ms
from websocket_gateway.tokens import make_token
from websocket_gateway.view import render
from websocket_gateway.watched import Watched

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 5.0
#: A connection is made anew after a day.
TOKEN_S = 86_400
DRAW_S, PRINT_S = 0.25, 1.0
#: A snapshot with many countries is larger than the library's 1 MiB.
MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024


class Keys(Struct, frozen=True):
    """What is known of the own gateway: the secret of its tokens (each connection gets one), and its certificate."""

    secret: str = ""
    certificate: Path | None = None

    def headers(self, site: str) -> dict[str, str]:
        """Return the headers of a connection that shows a site."""
        if not self.secret:
            return {}
        return {"Authorization": f"Bearer {make_token(self.secret, [site], now_ms() // 1000 + TOKEN_S)}"}

    def trust(self) -> ssl.SSLContext | None:
        """Return how the gateway proves itself: by this certificate, whatever name is in it. None: as the url says."""
        if self.certificate is None:
            return None
        context = ssl.create_default_context(cafile=self.certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        return context


NO_KEYS = Keys()


async def watch(
    url: str,
    site: str,
    console: Console,
    *,
    keys: Keys = NO_KEYS,
    state_file: Path | None = None,
    others: Sequence[tuple[str, str]] = (),
    duration_s: float | None = None,
) -> None:
    """Show a site until SIGINT, SIGTERM or the end of the duration: drawn on a terminal, else a line a second.

    A gateway that is away is looked for again and again; what is known stays on the screen, with its age.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    watched = Watched(site, url, others)
    show = _draw(watched, state_file, console) if console.is_terminal else _print(watched, stop)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_follow(watched, keys)), tasks.create_task(show)]
        with suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await stop.wait()
        for task in running:
            task.cancel()


async def _follow(watched: Watched, keys: Keys) -> None:
    """Keep a subscription, for ever; wait longer after each attempt that got no answer."""
    delay = FIRST_RETRY_S
    while True:
        answered = watched.subscribed
        try:
            await _listen(watched, keys)
        except ConnectionClosed as error:
            watched.lost(f"the gateway has closed the connection ({error})")
        except (OSError, WebSocketException) as error:
            watched.lost(f"no connection to {watched.url} ({_reason(error)})")
        delay = FIRST_RETRY_S if watched.subscribed > answered else min(2 * delay, LAST_RETRY_S)
        await asyncio.sleep(delay)


def _reason(error: Exception) -> str:
    """asyncio words a refused connection with numbers only; the system has a word for it."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


async def _listen(watched: Watched, keys: Keys) -> None:
    """Subscribe and take messages until the connection ends. Raises what ended it."""
    async with connect(
        watched.url,
        additional_headers=keys.headers(watched.site),
        ssl=keys.trust(),
        proxy=None,
        compression=None,
        max_size=MAX_SNAPSHOT_BYTES,
        close_timeout=1,
    ) as connection:
        await connection.send(encode(Subscribe(site=watched.site, since=watched.since)), text=True)
        while True:
            message = await connection.recv(decode=False)
            with suppress(msgspec.DecodeError):  # a newer gateway may say more than this client knows
                watched.apply(decode_server_message(message), now_ms())


async def _draw(watched: Watched, state_file: Path | None, console: Console) -> None:
    parts: list[Part] | None = None if state_file is None else []
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            if state_file is not None:
                parts = read_parts(state_file) or parts
            picture = render(watched, parts, now_ms(), console.width, console.height)
            live.update(picture, refresh=True)
            await asyncio.sleep(DRAW_S)


async def _print(watched: Watched, stop: asyncio.Event) -> None:
    lines = Lines()
    while True:
        await asyncio.sleep(PRINT_S)
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines.next(watched, now_ms())))
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read the lines has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop.set()
            return
