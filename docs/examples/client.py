"""Prints a site's page views per second as windows end; after a lost connection it goes on where it was.

python client.py ws://127.0.0.1:8082 [site]
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

METRIC = "pageViewsPerSecond"


def points(message):
    """Yield the windows that a message tells: of a snapshot, then what was missed, then the newest."""
    yield from message.get("snapshot", {}).get("points", {}).get(METRIC, [])
    yield from message.get("earlier", {}).get(METRIC, [])
    if METRIC in message:
        window = message["windows"][METRIC]
        yield {"windowEnd": window["end"], "value": message[METRIC], "final": window["final"]}


async def listen(url, request, state):
    async with connect(url) as connection:
        epoch = json.loads(await connection.recv())["epoch"]
        await connection.send(json.dumps(request | state))
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "error":
                sys.exit(message["message"])
            for point in points(message):
                print(point["windowEnd"], point["value"], "final" if point["final"] else "early", flush=True)
            offset = message.get("snapshot", message).get("offset")
            if offset is not None and message["type"] != "alert":
                state["since"] = {"epoch": epoch, "offset": offset}


async def main(url, site="default"):
    request, state = {"action": "subscribe", "site": site, "metrics": [METRIC]}, {}
    while True:
        try:
            await listen(url, request, state)
        except (OSError, WebSocketException) as lost:
            print("lost:", lost, file=sys.stderr)
        await asyncio.sleep(1)


asyncio.run(main(*sys.argv[1:]))
