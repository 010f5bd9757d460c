"""The gateway's port: WebSocket and plain HTTP side by side, from the bound socket to the last goodbye."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import cast

from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from monitoring.metrics import CONNECTION_LIMIT
from tidemark.settings import Settings
from websocket_gateway.admission import Admission, Refused, own_origins
from websocket_gateway.door import Door
from websocket_gateway.formats import chosen
from websocket_gateway.server import Gateway
from websocket_gateway.session import CLOSE_TIMEOUT_S, WRITE_LIMIT_BYTES
from websocket_gateway.sse import Streams
from websocket_gateway.web import Web

#: When a gateway is started anew all its clients come back at once.
BACKLOG = 4_096


@asynccontextmanager
async def listen(gateway: Gateway, settings: Settings, trouble: Callable[[], str | None]) -> AsyncIterator[int]:
    """Accept connections on the settings' host and port while the context lasts; give the port.

    ``trouble`` says why the gateway is not ready, None when it is. Raises OSError if the port is taken or the
    certificate cannot be used. At the end every client gets close code 1001.
    """
    tls = _tls(settings)
    CONNECTION_LIMIT.set(settings.gateway_max_connections)
    admission = Admission(
        settings.gateway_origins,
        settings.gateway_token_secret.get_secret_value(),
        total=settings.gateway_max_connections,
        per_address=settings.gateway_max_connections_per_address,
    )
    app = Web(settings.gateway_dashboard, trouble, Streams(gateway, admission).answer, tls=tls is not None).app()
    pages = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=CLOSE_TIMEOUT_S)
    await pages.setup()
    assert pages.server is not None
    try:
        async with _sockets(gateway, settings, admission, pages.server, tls) as port:
            yield port
    finally:
        await pages.cleanup()


@asynccontextmanager
async def _sockets(
    gateway: Gateway, settings: Settings, admission: Admission, http: web.Server, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    logger = logging.getLogger("websocket_gateway.connections")
    logger.setLevel(logging.WARNING)
    door = partial(Door, http=http, admission=admission, handshake_s=settings.gateway_handshake_seconds)
    server = await serve(
        partial(_handle, gateway),
        settings.gateway_host,
        settings.gateway_port,
        create_connection=cast(type[ServerConnection], door),
        select_subprotocol=lambda _, offered: cast(Subprotocol | None, chosen(offered)),
        process_request=partial(_check, admission),
        process_response=_take_place,
        open_timeout=settings.gateway_handshake_seconds,
        compression="deflate" if settings.gateway_compression else None,
        max_size=settings.gateway_max_message_bytes,
        max_queue=4,
        ping_interval=None,  # the session pings
        write_limit=WRITE_LIMIT_BYTES,
        close_timeout=CLOSE_TIMEOUT_S,
        logger=logger,
        backlog=BACKLOG,
        ssl=tls,
    )
    port = server.sockets[0].getsockname()[1]
    admission.origins.update(own_origins("http" if tls is None else "https", settings.gateway_host, port))
    try:
        yield port
    finally:
        server.close(close_connections=False)
        await gateway.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await server.wait_closed()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """What proves who the gateway is; None without TLS. Raises OSError (ssl.SSLError too) if the files are no good."""
    if settings.gateway_tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.gateway_tls_certificate, settings.gateway_tls_key)
    return context


def _handle(gateway: Gateway, connection: ServerConnection) -> Coroutine[None, None, None]:
    assert isinstance(connection, Door)
    # websockets keeps these as long as the connection lasts, and nobody asks for them any more: 2 KiB.
    for head in (connection.request, connection.response):
        assert head is not None
        head.headers.clear()
    return gateway.handle(connection, connection.rights)


def _check(admission: Admission, connection: ServerConnection, request: Request) -> Response | None:
    """Look at who asks; a Response refuses."""
    assert isinstance(connection, Door)
    try:
        connection.rights = admission.check(
            request.path,
            origin=_one(request.headers, "Origin"),
            authorization=_one(request.headers, "Authorization"),
        )
    except Refused as refused:
        return _refusal(connection, refused)
    return None


def _one(headers: Headers, name: str) -> str | None:
    """A header's value; several are put together, which is then none that is expected."""
    return ", ".join(headers.get_all(name)) or None


def _take_place(connection: ServerConnection, _: Request, response: Response) -> Response | None:
    """Count a client whose handshake is right; a Response refuses."""
    assert isinstance(connection, Door)
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        try:
            connection.take_place()
        except Refused as refused:
            return _refusal(connection, refused)
    return None


def _refusal(connection: ServerConnection, refused: Refused) -> Response:
    response = connection.respond(refused.status, f"{refused.text}\n")
    response.headers.update(refused.headers)
    return response
