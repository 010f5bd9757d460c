"""How Kafka's security is set, and what of it is refused."""

from pathlib import Path

import pytest

from tidemark.settings import SettingsError, load_settings

WITH_SASL = {
    "TIDEMARK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "TIDEMARK_KAFKA_USERNAME": "tidemark-sink",
    "TIDEMARK_KAFKA_PASSWORD": "of-nobody-else",
}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_children_get_the_password_and_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, WITH_SASL)
    settings = load_settings()
    assert WITH_SASL.items() <= settings.environment().items()
    assert "of-nobody-else" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("missing", ["TIDEMARK_KAFKA_USERNAME", "TIDEMARK_KAFKA_PASSWORD"])
def test_sasl_needs_a_user_and_a_password(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {name: value for name, value in WITH_SASL.items() if name != missing})
    with pytest.raises(SettingsError, match=r"TIDEMARK_KAFKA_PASSWORD: .*expected one, and a TIDEMARK_KAFKA_USERNAME"):
        load_settings()


def test_the_environment_wins_over_secrets_and_a_folder_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, WITH_SASL | {"TIDEMARK_SECRETS_DIR": str(tmp_path)})
    (tmp_path / "tidemark_kafka_password").write_text("of-somebody-else\n")
    (tmp_path / "tidemark_influxdb_token").write_text("a-token\n")
    settings = load_settings()
    assert settings.kafka_password.get_secret_value() == "of-nobody-else"
    assert settings.influxdb_token.get_secret_value() == "a-token"
    monkeypatch.setenv("TIDEMARK_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="TIDEMARK_SECRETS_DIR: expected a folder"):
        load_settings()
