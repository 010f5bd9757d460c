"""What ``tidemark stack`` does: the servers in the foreground, or detached, their state, their end."""

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.addresses import kafka_addresses
from deploy.local.claim import end_owner, owner, running
from deploy.local.errors import StackError
from deploy.local.fetch import Report
from deploy.local.influxdb import influxdb_version
from deploy.local.kafka import answers_as_kafka
from deploy.local.parts import up_folder
from deploy.local.provision import create_bucket, create_topics
from deploy.local.signals import until_stopped
from deploy.local.stack import LocalStack, stack_folder
from tidemark.kafka import client_config
from tidemark.settings import Settings

DETACHED_SECONDS = 180.0


def provision(settings: Settings, report: Report) -> None:
    """Create the topics and the bucket, and say what was created."""
    created = create_topics(settings)
    report(f"{len(created)} topics created" if created else "all topics are there")
    bucket = settings.influxdb_bucket
    report(f"bucket {bucket} created" if create_bucket(settings) else f"bucket {bucket} is there")


def run_stack(settings: Settings, brokers: int, report: Report) -> None:
    """Run the servers, topics and bucket until Ctrl-C or SIGTERM, then stop in order.

    Returns at once when all servers ran already. Raises StackError.
    """
    stack = LocalStack(settings, brokers, report=report)
    with until_stopped():
        try:
            stack.start()
            provision(stack.settings, report)
            report(f"ready: Kafka at {stack.settings.kafka_bootstrap_servers}, InfluxDB at {settings.influxdb_url}")
            _keep(stack)
        finally:
            stack.stop()


def _keep(stack: LocalStack) -> None:
    """Return when there is nothing to keep; raise StackError when a server dies."""
    while stack.started:
        for service in stack.started:
            if not service.running():
                raise StackError(f"{service.name} ended with exit code {service.exit_code}; see {service.log}")
        time.sleep(0.2)


def detach_stack(settings: Settings, brokers: int, report: Report) -> None:
    """Run the servers in a process of their own; return when all is ready. Raises StackError with its last words."""
    probe = LocalStack(settings, brokers, report=report)
    probe.prepare()
    probe.stop()
    if not probe.started:
        return provision(settings, report)
    log = settings.data_dir.absolute() / "logs" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tidemark", "stack", "up", "--brokers", str(brokers)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _await_ready(keeper, log)
    return report(log.read_text().rstrip() + "\nstop it with: tidemark stack down")


def _await_ready(keeper: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + DETACHED_SECONDS
    while not any(line.startswith("ready: ") for line in log.read_text().splitlines()):
        if keeper.poll() is not None:
            raise StackError(log.read_text().rstrip())
        if time.monotonic() > deadline:
            keeper.terminate()
            raise StackError(f"the stack is not ready after {DETACHED_SECONDS:.0f} s; see {log}")
        time.sleep(0.05)


def show_status(settings: Settings) -> bool:
    """Show the servers' states and processes; return whether all answer."""
    processes = running(stack_folder(settings))
    brokers = kafka_addresses(settings.kafka_bootstrap_servers)
    version = influxdb_version(settings.influxdb_url)
    states = {f"Kafka {address}": answers_as_kafka(address, client_config(settings)) for address in brokers}
    states[f"InfluxDB {version or ''} {settings.influxdb_url}"] = version is not None
    table = Table("server", "state")
    for name, up in states.items():
        table.add_row(name, "up" if up else "[red]down[/red]")
    console = Console()
    console.print(table)
    keeper = owner(stack_folder(settings))
    for name, identity in processes.items():
        console.print(
            f"{name}: process {identity.pid}" + ("" if keeper else ", left over: tidemark stack down ends it")
        )
    return all(states.values())


def stop_stack(settings: Settings, report: Report) -> None:
    """Stop in order what runs in the data folder, `tidemark up` first, and what crashed owners left over."""
    stopped = [name for folder in (up_folder(settings), stack_folder(settings)) for name in end_owner(folder)]
    report("stopped " + ", ".join(stopped) if stopped else "nothing runs here")
