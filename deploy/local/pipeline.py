"""``tidemark up``: servers, topics, bucket, all parts and the live view, in one process's care until the end."""

import sys
import time

from deploy.local.claim import Claim, owner
from deploy.local.errors import StackError
from deploy.local.fetch import Report
from deploy.local.offsets import end_offsets
from deploy.local.parts import (
    FIRST_KAFKA_METRICS_PORT,
    Options,
    door_url,
    manifests,
    page_url,
    part_problems,
    pipeline,
    state_path,
    up_folder,
    watch_service,
)
from deploy.local.prometheus import prometheus_url
from deploy.local.provision import create_bucket, create_topics
from deploy.local.restarts import PartState
from deploy.local.signals import until_stopped
from deploy.local.stack import LocalStack
from deploy.local.summary import RESULTS, summarize
from deploy.local.supervisor import Supervisor
from tidemark.settings import Settings

#: A part that is not up after so long does not keep a timed run from ending.
START_SECONDS = 60.0


def run_pipeline(settings: Settings, options: Options, report: Report) -> bool:
    """Run everything until Ctrl-C, SIGTERM or the end of the duration, then stop it in order.

    Returns False when a timed run ended with a part that was not up, or without a final result. Raises StackError,
    with nothing left running, when something cannot start.
    """
    claim = Claim(up_folder(settings))
    if not claim.take():
        holder = owner(claim.folder)
        raise StackError(f"`tidemark up` already runs in {settings.data_dir} (process {holder.pid if holder else '?'})")
    try:
        problems = part_problems(settings, options)
        if problems:
            raise StackError("\n".join(problems))
        return _Run(settings, options, report).execute()
    finally:
        claim.release()


class _Run:
    """One run: the servers first, then the parts, then the live view."""

    def __init__(self, settings: Settings, options: Options, report: Report) -> None:
        self._options = options
        self._kafka_metrics_port = settings.kafka_metrics_port
        self._report = report
        self._quiet = False
        served = {"kafka_metrics_port": settings.kafka_metrics_port or FIRST_KAFKA_METRICS_PORT}
        self._stack = LocalStack(settings.model_copy(update=served), options.brokers, report=self._say)
        self._supervisor = Supervisor(state_path(settings), self._changed)
        self._watch = watch_service(settings, options)
        self._good = True

    def execute(self) -> bool:
        with until_stopped():
            try:
                self._start()
                self._run()
            finally:
                self._stop()
        return self._good

    def _start(self) -> None:
        self._stack.start()
        self._settings = self._stack.settings
        if self._stack.kafka[0] not in self._stack.started:  # brokers that ran already serve metrics only if so set
            self._settings = self._settings.model_copy(update={"kafka_metrics_port": self._kafka_metrics_port})
        create_topics(self._settings)
        create_bucket(self._settings)
        for old in manifests(self._settings):
            old.unlink()
        self._since = end_offsets(self._settings, RESULTS)

    def _run(self) -> None:
        self._supervisor.start(self._stack.started)
        self._supervisor.start(pipeline(self._settings, self._options))
        self._say(f"dashboard: {page_url(self._settings)}")
        self._say(f"events: POST {door_url(self._settings)}event")
        if self._settings.ingestion_pages is None:
            self._say(f"shop: {door_url(self._settings)}, on the dashboard: {page_url(self._settings)}?site=shop")
        if self._options.prometheus:
            self._say(f"prometheus: {prometheus_url(self._settings)}")
        # From here on the live view alone writes to the terminal.
        self._quiet = sys.stdout.isatty()
        self._supervisor.start([self._watch])
        if self._options.duration is None:
            self._supervisor.run(until=self._quit)
            return
        self._run_for(self._options.duration)

    def _run_for(self, duration: float) -> None:
        latest = time.monotonic() + START_SECONDS
        self._supervisor.run(until=lambda: self._quit() or not self._supervisor.not_up() or time.monotonic() > latest)
        end = time.monotonic() + duration
        self._supervisor.run(until=lambda: self._quit() or time.monotonic() > end)
        if not self._quit():
            self._conclude()

    def _quit(self) -> bool:
        """Say whether the person at the terminal has left the live view; one that fails is started again."""
        return self._watch.exit_code == 0

    def _conclude(self) -> None:
        """Stop the parts and sum up what came of them."""
        states, not_up = self._supervisor.states(), self._supervisor.not_up()
        self._stop_parts()
        summary = summarize(self._settings, self._since, manifests(self._settings))
        for line in summary.lines(states):
            self._report(line)
        for name in not_up:
            self._report(f"{name} was not up at the end")
        if not summary.finals:
            self._report("no final result came")
        self._good = not not_up and summary.finals > 0

    def _stop_parts(self) -> None:
        servers = {service.name for service in self._stack.started}
        self._supervisor.stop(except_for=servers)

    def _stop(self) -> None:
        self._stop_parts()
        self._stack.stop()
        self._supervisor.stop()

    def _changed(self, state: PartState) -> None:
        process = "" if state.pid is None else f" (process {state.pid})"
        self._say(f"{state.name}: {state.state}{process}")
        if state.name == self._watch.name and state.state == "stopped":
            self._quiet = False

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._report(text)
