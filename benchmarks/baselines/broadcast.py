"""What one writes first: every batch of results from Kafka, as one JSON object, to every client.

``once`` encodes an object once and uses ``websockets.broadcast()``, ``each`` encodes it for each client. The event
loop, compression and pings are the gateway's, so that it is the fan-out that differs.
"""

import asyncio
import json
import sys
import uuid
from typing import Any

import uvloop
from confluent_kafka import Consumer
from websockets.asyncio.server import ServerConnection, broadcast, serve

NAMES = {
    "page_views_per_second": "pageViewsPerSecond",
    "active_users": "activeUsers",
    "bounce_rate": "bounceRate",
    "average_session_duration": "averageSessionDuration",
    "conversion_rate": "conversionRate",
    "revenue_per_user": "revenuePerUser",
    "popular_content": "popularContent",
    "geographic_distribution": "geographicDistribution",
}
clients: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    """Have a client in the set until it goes."""
    clients.add(connection)
    try:
        async for _ in connection:
            pass
    finally:
        clients.discard(connection)


def send(values: dict[str, Any], each: bool) -> None:
    """Send an object to all clients."""
    if each:
        for client in list(clients):
            broadcast((client,), json.dumps(values, separators=(",", ":")))
    else:
        broadcast(clients, json.dumps(values, separators=(",", ":")))


async def main(way: str, servers: str, topic: str, port: int) -> None:
    """Serve until the process is ended."""
    group = {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "latest"}
    consumer = Consumer(group)
    consumer.subscribe([topic])
    async with serve(handle, "127.0.0.1", port, compression=None, ping_interval=10, ping_timeout=10, backlog=1024):
        while True:
            messages = await asyncio.to_thread(consumer.consume, 500, 0.02)
            updates = [json.loads(message.value() or b"{}") for message in messages if message.error() is None]
            values = {NAMES[each["metric"]]: each.get("dimensions", each["value"]) for each in updates}
            if values:
                send({"type": "metrics", "site": "default", **values}, way == "each")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
