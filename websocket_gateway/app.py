"""Puts the gateway together: topics → feed → hub → sockets, until it is told to stop."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from influxdb_client.client.influxdb_client import InfluxDBClient

from monitoring.event_loop import watch_event_loop
from monitoring.metrics import GATEWAY
from monitoring.serving import serve_metrics
from monitoring.traces import open_traces
from tidemark.influxdb import influxdb_config
from tidemark.logs import get_logger
from tidemark.settings import Settings
from websocket_gateway.feed import Feed
from websocket_gateway.history import TIMEOUT_MS, Archive, influxdb_query
from websocket_gateway.hub import Hub
from websocket_gateway.listening import listen
from websocket_gateway.protocol import Limits
from websocket_gateway.server import Gateway

if TYPE_CHECKING:
    from monitoring.spans import Traces

log = get_logger("websocket_gateway.app")


@asynccontextmanager
async def running(settings: Settings, limits: Limits, traces: "Traces | None" = None) -> AsyncIterator[Gateway]:
    """Run a gateway while the context lasts; it listens when the context is entered. Raises OSError if it cannot."""
    client = InfluxDBClient(**influxdb_config(settings), timeout=TIMEOUT_MS, retries=False)
    archive = Archive(influxdb_query(client, settings.influxdb_bucket))
    gateway = Gateway(Hub(secrets.token_hex(8), limits, settings.funnel), archive, traces)
    feed = Feed(settings, gateway.take, traces)
    async with listen(gateway, settings, lambda: feed.trouble) as port, asyncio.TaskGroup() as tasks:
        log.info("listening", host=settings.gateway_host, port=port, epoch=gateway.hub.epoch)
        work = (gateway.run(), feed.run(), watch_event_loop(GATEWAY))
        parts = [tasks.create_task(each) for each in work]
        try:
            yield gateway
        finally:
            for task in parts:
                task.cancel()
            archive.close()


async def run_gateway(settings: Settings) -> None:
    """Run a gateway until SIGTERM or SIGINT. Raises OSError if its port is taken."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serve_metrics(GATEWAY, settings.metrics_host, settings.metrics_port)
    traces = open_traces(GATEWAY, settings)
    async with running(settings, Limits(max_message_bytes=settings.gateway_max_message_bytes), traces):
        await stop.wait()
    if traces is not None:
        traces.close()
    log.info("stopped")
