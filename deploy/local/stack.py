"""The real Kafka and InfluxDB the settings name: those that answer are used, the others are started here."""

from pathlib import Path

from deploy.local.addresses import (
    INFLUXDB_SETTING,
    KAFKA_SETTING,
    Address,
    influxdb_address,
    kafka_addresses,
)
from deploy.local.claim import Claim, owner
from deploy.local.errors import StackError
from deploy.local.fetch import Report, fetch_exporter, fetch_influxdb
from deploy.local.influxdb import answers_as_influxdb, influxdb_service
from deploy.local.kafka import answers_as_kafka, exporter_option, fetch_kafka_command, kafka_services
from deploy.local.preflight import folder_problems, influxdb_problems, kafka_problems, platform_problems
from deploy.local.service import Service
from tidemark.kafka import client_config
from tidemark.settings import Settings, SettingsError


def _say_nothing(_: str) -> None:
    pass


class LocalStack:
    """Kafka and InfluxDB on this machine.

    A server that already answers at its address is used, and never stopped. A loopback address where nothing listens
    gets a server of our own. An address elsewhere is never started: it must answer. All data, logs and programs live
    in ``settings.data_dir``; ``cache`` may put the programs elsewhere. ``settings`` are those the parts must use.
    """

    def __init__(
        self,
        settings: Settings,
        brokers: int = 1,
        *,
        cache: Path | None = None,
        report: Report = _say_nothing,
    ) -> None:
        if brokers not in (1, 3):
            raise SettingsError(f"brokers: expected 1 or 3, got {brokers}")
        self._given = settings
        self._report = report
        self._cache = (cache or settings.data_dir / "cache").absolute()
        self._kafka_at = _broker_addresses(settings, brokers)
        self._influxdb_at = influxdb_address(settings.influxdb_url)
        data, logs = settings.data_dir.absolute() / "data", settings.data_dir.absolute() / "logs"
        self._claim = Claim(stack_folder(settings))
        run = self._claim.folder
        self.kafka = kafka_services(self._kafka_at, self._kafka_command, data, run, logs, self._exporter)
        self.influxdb = influxdb_service(self._influxdb_at, self._influxdb_program, data, run, logs)
        self.started: list[Service] = []

    @property
    def settings(self) -> Settings:
        """The given settings; where Kafka was started here, with all its brokers and their replication factor."""
        if self.kafka[0] not in self.started:
            return self._given
        servers = ",".join(str(address) for address in self._kafka_at)
        return self._given.model_copy(
            update={"kafka_bootstrap_servers": servers, "kafka_replication_factor": len(self.kafka)}
        )

    def start(self) -> None:
        """Start what does not answer yet; return when all is healthy. Raises StackError with every problem found.

        Nothing is started when there is a problem; what was started is stopped when another server fails.
        """
        self.prepare()
        try:
            for service in self.started:
                service.spawn()
            for service in self.started:
                service.await_healthy()
                self._report(f"{service.name} is up")
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Find out what must be started (``started``), check that it can be, fetch the programs. Raises StackError."""
        ours = self._claim.take()
        try:
            self.started = self._needed()
            if self.started and not ours:
                holder = owner(self._claim.folder)
                raise StackError(
                    f"another process ({holder.pid if holder else 'just ended'}) runs the stack in "
                    f"{self._given.data_dir}: wait for it or run `tidemark stack down`"
                )
            if self.started:
                self._preflight()
                self._fetch()
            else:
                self._claim.release()
        except BaseException:
            self.started = []
            self._claim.release()
            raise

    def stop(self) -> None:
        """Stop in order what was started here, InfluxDB first; what was found running stays.

        The brokers end together: the last one alone would wait for a quorum that is gone.
        """
        for group in ([self.influxdb], self.kafka):
            ours = [service for service in group if service in self.started and service.running()]
            for service in ours:
                self._report(f"stopping {service.name}")
                service.begin_stop()
            for service in ours:
                service.stop()
        self._claim.release()

    def _needed(self) -> list[Service]:
        needed: list[Service] = []
        if answers_as_kafka(self._kafka_at[0], client_config(self._given)):
            self._report(f"Kafka at {self._kafka_at[0]} already runs: used as it is")
        elif self._given.kafka_security_protocol != "PLAINTEXT":
            raise StackError(
                f"no Kafka at {self._kafka_at[0]} lets user {self._given.kafka_username} in, and one that is started "
                "here would be open to everyone: TIDEMARK_KAFKA_SECURITY_PROTOCOL=PLAINTEXT"
            )
        else:
            _refuse_elsewhere(self._kafka_at, "Kafka", KAFKA_SETTING)
            needed += self.kafka
        if answers_as_influxdb(self._given.influxdb_url):
            self._report(f"InfluxDB at {self._given.influxdb_url} already runs: used as it is")
        else:
            _refuse_elsewhere([self._influxdb_at], "InfluxDB", INFLUXDB_SETTING)
            needed.append(self.influxdb)
        return needed

    def _preflight(self) -> None:
        problems = platform_problems()
        problems += folder_problems(self._cache, "cache folder")
        if self.kafka[0] in self.started:
            problems += kafka_problems(self._kafka_at, self._cache, self._exporter_ports())
        if self.influxdb in self.started:
            problems += influxdb_problems(self._influxdb_at, self._cache)
        if problems:
            raise StackError("\n".join(problems))

    def _fetch(self) -> None:
        if self.kafka[0] in self.started:
            self._kafka_command()
            self._exporter(1)
        if self.influxdb in self.started:
            self._influxdb_program()

    def _kafka_command(self) -> list[str]:
        return fetch_kafka_command(self._cache, self._report)

    def _exporter_ports(self) -> list[int]:
        """Return where the brokers serve their metrics; none if they do not."""
        first = self._given.kafka_metrics_port
        return [] if first is None else list(range(first, first + len(self._kafka_at)))

    def _exporter(self, node: int) -> list[str]:
        ports = self._exporter_ports()
        return [exporter_option(fetch_exporter(self._cache, self._report), ports[node - 1])] if ports else []

    def _influxdb_program(self) -> Path:
        return fetch_influxdb(self._cache, self._report)


def stack_folder(settings: Settings) -> Path:
    """Return where the servers' process ids are written down."""
    return settings.data_dir.absolute() / "run" / "stack"


def _broker_addresses(settings: Settings, brokers: int) -> list[Address]:
    """Return a client address for each broker: those listed, or from the one listed every second port."""
    listed = kafka_addresses(settings.kafka_bootstrap_servers)
    if len(listed) in (1, brokers) or not listed[0].is_loopback():
        return (
            listed
            if len(listed) == brokers
            else [Address(listed[0].host, listed[0].port + 2 * n) for n in range(brokers)]
        )
    raise SettingsError(f"{KAFKA_SETTING}: expected 1 or {brokers} addresses for {brokers} brokers, got {len(listed)}")


def _refuse_elsewhere(addresses: list[Address], what: str, setting: str) -> None:
    for address in addresses:
        if not address.is_loopback():
            raise StackError(
                f"no {what} answers at {address}, which is not on this machine's loopback, so none is started there: "
                f"start it or change {setting}"
            )
