"""Every setting of Tidemark, read once from the environment (TIDEMARK_…), from secret files or from tidemark.toml."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import (
    DirectoryPath,
    Field,
    FilePath,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableError

from tidemark.topics import CHECKPOINTS, EVENTS, MAX_EVENT_PARTITIONS, Topic

#: Where `tidemark up` has the first part's /metrics; the others follow. TIDEMARK_METRICS_PORT moves them.
FIRST_METRICS_PORT = 9101


class SettingsError(Exception):
    """A setting is wrong; the text names each variable, what was expected and what came."""


class Settings(BaseSettings):
    """All settings with their defaults: a laptop's, on loopback.

    The environment wins over the files in TIDEMARK_SECRETS_DIR, one a setting named after its variable,
    and those over tidemark.toml.
    """

    model_config = SettingsConfigDict(
        env_prefix="TIDEMARK_", toml_file="tidemark.toml", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(Path(".tidemark"), description="Server data, logs and caches of the local stack.")
    secrets_dir: DirectoryPath | None = Field(
        None, description="A folder of files, each named after a setting and holding its value; not in the file."
    )

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, comma separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = "SCRAM-SHA-512"
    kafka_username: str = Field("", description="With SASL: each part has a user of its own (docs/security.md).")
    kafka_password: SecretStr = Field(SecretStr(""), validate_default=True)
    kafka_ca_certificate: FilePath | None = Field(
        None, description="PEM: who signs the brokers' certificates; default: whom this system trusts."
    )
    kafka_replication_factor: int = Field(1, ge=1, description="Copies of each partition; 3 in production.")
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", description="Put before each topic and group name.")
    event_partitions: int = Field(
        EVENTS.partitions, ge=1, le=MAX_EVENT_PARTITIONS, description="Of the events topic; more: `tidemark grow`."
    )

    influxdb_url: str = Field("http://127.0.0.1:8086", description="InfluxDB 1.8+ or 2.7.")
    influxdb_org: str = "analytics"
    influxdb_bucket: str = Field("metrics", description="The bucket; on InfluxDB 1.8 the database.")
    influxdb_token: SecretStr = Field(SecretStr(""), description="API token; on InfluxDB 1.8 user:password.")
    influxdb_session_id_tag: bool = Field(False, description="Tag visits with session_id (cardinality!).")

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(8082, ge=0, le=65535)
    gateway_origins: list[str] = Field(
        default_factory=lambda: ["http://127.0.0.1:8080", "http://localhost:8080"],
        description="Web pages that may connect besides the gateway's own; who sends no Origin (no browser) may.",
    )
    gateway_max_message_bytes: int = Field(16_384, ge=256, description="The largest message a client may send.")
    gateway_max_connections: int = Field(20_000, ge=1, description="So many live clients at a time, more are refused.")
    gateway_max_connections_per_address: int = Field(
        1_000, ge=1, description="The same for one address; raise it behind a proxy, which is the address of all."
    )
    gateway_compression: bool = Field(
        False, description="Offer permessage-deflate: fewer bytes, for memory a connection and CPU a message."
    )
    gateway_handshake_seconds: float = Field(5.0, gt=0, description="A client that asks for nothing in time is cut.")
    gateway_token_secret: SecretStr = Field(
        SecretStr(""),
        description="What clients' tokens are signed with, 32 characters or more; empty: everyone may see everything.",
    )
    gateway_tls_certificate: Path | None = Field(None, description="PEM, with its chain: TLS only, so https and wss.")
    gateway_tls_key: Path | None = Field(None, validate_default=True, description="The certificate's private key, PEM.")
    gateway_dashboard: Path = Field(
        Path(__file__).parents[1] / "dashboard" / "dist", description="The built dashboard, served at /."
    )

    ingestion_host: str = "127.0.0.1"
    ingestion_port: int = Field(8000, ge=1, le=65535)
    ingestion_workers: int = Field(1, ge=1, description="Processes that share the port, and its rates.")
    ingestion_dir: Path | None = Field(
        None, description="Write keys, salts and the spool; default: ingestion in data_dir. Not for several machines."
    )
    ingestion_keys_required: bool = Field(False, description="Also of sites that have no write key yet.")
    ingestion_origins: list[str] = Field(
        default_factory=lambda: ["*"], description="Web pages that may send; who sends no Origin (no browser) may."
    )
    ingestion_trusted_proxies: list[IPvAnyNetwork] = Field(
        default_factory=list, description="Networks whose X-Forwarded-For is believed."
    )
    ingestion_max_event_bytes: int = Field(65_536, ge=1_024, le=524_288)
    ingestion_max_body_bytes: int = Field(2_097_152, ge=1_024, description="Of a batch, also when it is unpacked.")
    ingestion_max_batch_events: int = Field(2_000, ge=1)
    ingestion_max_memory_bytes: int = Field(67_108_864, ge=1_024, description="Of all bodies that are in hand.")
    ingestion_rate_per_site: float = Field(20_000, ge=0, description="Events a second; 0: no limit.")
    ingestion_rate_per_address: float = Field(2_000, ge=0, description="The same; IPv6 by its first 64 bits.")
    ingestion_slow_client_seconds: float = Field(
        10.0, ge=1, description="A client has so long for the head of a request, and so long for its body."
    )
    ingestion_patience_seconds: float = Field(
        2.0, gt=0, description="Kafka is away when it has not acknowledged an event after so long."
    )
    ingestion_spool_bytes: int = Field(
        1_073_741_824, ge=0, description="So much is kept on disk while Kafka is away, of all workers together."
    )
    ingestion_honour_do_not_track: bool = Field(False, description="Refuse events sent with DNT: 1 or Sec-GPC: 1.")
    ingestion_country_database: Path | None = Field(
        None, description="A file in MaxMind's format (.mmdb); none: countries are known only where events tell them."
    )
    ingestion_tracker: Path = Field(
        Path(__file__).parents[1] / "dashboard" / "dist-tracker" / "tidemark.js", description="Served as /tidemark.js."
    )
    ingestion_pages: Path | None = Field(None, description="A folder of web pages that the door serves too.")
    ingestion_tls_certificate: Path | None = Field(None, description="PEM, with its chain: TLS only.")
    ingestion_tls_key: Path | None = Field(None, validate_default=True, description="Its private key, PEM.")

    prometheus_port: int = Field(
        9090, ge=1, le=65534, description="Of `tidemark up --prometheus`; its node exporter has the port beside."
    )
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(None, ge=0, le=65535, description="Serve Prometheus metrics here.")

    traces_endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="A collector's OTLP/HTTP address, as http://127.0.0.1:4318; none: off.",
    )
    traces_sampling: float = Field(
        0.01, ge=0, le=1, description="The share of events that begin a trace; those that belong to one go on with it."
    )

    kafka_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Brokers started here serve their metrics on loopback, from this port on."
    )

    lateness_ms: int = Field(2_000, ge=0, description="How long a window waits for events that are held up.")
    tick_pause_ms: int = Field(10_000, ge=0, description="No ticks for so long after the broker was lost.")
    early_interval_ms: int = Field(20, ge=1, description="The least time between early results of a stage.")
    checkpoint_interval_ms: int = Field(10_000, ge=1, description="Each state is written down so often.")
    watchdog_seconds: float = Field(30.0, gt=0, description="A worker that stands still for so long, with lag, ends.")
    session_timeout_ms: int = Field(6_000, ge=1_000, description="A dead worker's partitions move after this.")
    funnel: list[str] = Field(
        default_factory=lambda: ["/", "/products*", "/cart", "/checkout"],
        description="Url path patterns in order; the last step, CONVERSION, is added.",
    )

    alert_rules: Path = Field(
        Path(__file__).parents[1] / "streams" / "alerts" / "rules.toml", description="The rules of alerts about sites."
    )
    webhook_url: str = Field("", pattern=r"^(https?://\S+)?$", description="Where alerts about sites are posted.")
    webhook_secret: SecretStr = Field(
        SecretStr(""), validate_default=True, description="What posts to it are signed with, 32 characters or more."
    )

    @field_validator("webhook_secret")
    @classmethod
    def _goes_with_the_url(cls, secret: SecretStr, others: ValidationInfo) -> SecretStr:
        if bool(secret.get_secret_value()) != bool(others.data.get("webhook_url")):
            raise ValueError("expected one with a webhook_url, and none without")
        return secret

    @field_validator("gateway_token_secret", "webhook_secret")
    @classmethod
    def _is_hard_to_guess(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < 32:
            raise ValueError("expected at least 32 characters, or none")
        return secret

    @field_validator("kafka_password")
    @classmethod
    def _goes_with_sasl(cls, password: SecretStr, others: ValidationInfo) -> SecretStr:
        protocol = others.data.get("kafka_security_protocol", "")
        if protocol.startswith("SASL") and not (others.data.get("kafka_username") and password.get_secret_value()):
            raise ValueError(f"expected one, and a TIDEMARK_KAFKA_USERNAME, with {protocol}")
        return password

    @field_validator("gateway_tls_key", "ingestion_tls_key")
    @classmethod
    def _goes_with_the_certificate(cls, key: Path | None, others: ValidationInfo) -> Path | None:
        certificate = str(others.field_name).replace("_key", "_certificate")
        if (key is None) != (others.data.get(certificate) is None):
            raise ValueError(f"expected one with a {certificate}, and none without")
        return key

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the arguments, then the environment, then the secret files, then the file."""
        folder = os.environ.get("TIDEMARK_SECRETS_DIR")
        # The library only warns of a folder that is not there; the field refuses it.
        secrets = SecretsSettingsSource(settings_cls, secrets_dir=folder if folder and Path(folder).is_dir() else None)
        return init_settings, env_settings, secrets, TomlConfigSettingsSource(settings_cls)

    def topic(self, name: str) -> str:
        """Return a topic's (or a consumer group's) name on the broker."""
        return self.topic_prefix + name

    def partitions(self, topic: Topic) -> int:
        """Return how many partitions a topic has here."""
        more = self.event_partitions - EVENTS.partitions
        return topic.partitions + (more if topic in (EVENTS, CHECKPOINTS) else 0)

    def grown_to(self, counts: Mapping[str, int]) -> int | None:
        """Return the event_partitions that fit topics with more partitions than here; None if none does.

        ``counts`` has the partitions of the topics that are there, by their names on the broker.
        """
        names = {self.topic(topic.name): self.partitions(topic) for topic in (EVENTS, CHECKPOINTS)}
        more = {counts[name] - here for name, here in names.items() if name in counts}
        grown = self.event_partitions + more.pop() if len(more) == 1 else 0
        return grown if self.event_partitions < grown <= MAX_EVENT_PARTITIONS else None

    @property
    def ingestion_folder(self) -> Path:
        """Where the HTTP door keeps its files."""
        return self.ingestion_dir or self.data_dir / "ingestion"

    def environment(self) -> dict[str, str]:
        """Return these settings as environment variables, so that a child process reads the same ones."""
        return {
            f"TIDEMARK_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else _as_text(value)
            for name, value in ((name, getattr(self, name)) for name in type(self).model_fields)
            if value is not None
        }


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return json.dumps(value, default=str)
    return str(value)


def load_settings(**given: str | int) -> Settings:
    """Read the settings but for those that are given. Raises SettingsError with one line a wrong setting."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"TIDEMARK_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None
    except UnreadableError as error:
        raise SettingsError(f"{error}: {error.__cause__}") from None
