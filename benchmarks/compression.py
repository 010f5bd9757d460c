"""What permessage-deflate costs the gateway: memory a connection, with it and without.

Run ``python -m benchmarks.compression``: each gateway is a process of its own on a free loopback port and reads no
topics; its resident size is looked at before and after so many clients have subscribed.
"""

import asyncio
import os
import sys
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from deploy.local.addresses import free_ports
from tidemark.settings import Settings

CLIENTS = 800
RUNS = 3
RETRY_S = 0.1


async def measure(compression: bool) -> float:
    """Return the KiB that a connection takes in a new gateway."""
    settings = Settings(
        gateway_port=free_ports(),
        gateway_compression=compression,
        kafka_bootstrap_servers=f"127.0.0.1:{free_ports()}",
    )
    command = [sys.executable, "-m", "tidemark", "gateway"]
    environment = os.environ | settings.environment()
    gateway = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    clients: list[ClientConnection] = []
    try:
        await subscribed(settings)  # what the first client brings about is no connection's
        before = resident_kib(gateway.pid)
        clients += [await subscribed(settings) for _ in range(CLIENTS)]
        return (resident_kib(gateway.pid) - before) / CLIENTS
    finally:
        for client in clients:
            client.transport.abort()
        gateway.kill()
        await gateway.wait()


async def subscribed(settings: Settings) -> ClientConnection:
    """Return a client that has its first snapshot; wait for the gateway to listen."""
    while True:
        try:
            client = await connect(f"ws://127.0.0.1:{settings.gateway_port}", proxy=None, ping_interval=None)
        except ConnectionRefusedError:
            await asyncio.sleep(RETRY_S)
        else:
            await client.recv()
            await client.send('{"action":"subscribe"}')
            await client.recv()
            return client


def resident_kib(pid: int) -> int:
    """Return a process's resident size."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def main() -> None:
    """Print the KiB a connection of each run."""
    for compression in (False, True):
        runs = [f"{asyncio.run(measure(compression)):.1f}" for _ in range(RUNS)]
        sys.stdout.write(f"compression {'on ' if compression else 'off'}: {', '.join(runs)} KiB a connection\n")


if __name__ == "__main__":
    main()
