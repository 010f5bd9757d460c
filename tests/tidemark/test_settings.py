"""Where settings come from: the environment, secret files, the file; how Kafka's security is set."""

from pathlib import Path

import pytest

from tidemark.settings import SettingsError, load_settings

WITH_SASL = {
    "TIDEMARK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "TIDEMARK_KAFKA_USERNAME": "tidemark-sink",
    "TIDEMARK_KAFKA_PASSWORD": "of-nobody-else",
}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMARK_SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("TIDEMARK_INFLUXDB_TOKEN", raising=False)
    return tmp_path


def test_a_file_named_after_a_setting_holds_its_value(secrets: Path) -> None:
    (secrets / "TIDEMARK_INFLUXDB_TOKEN").write_text("from a file\n")
    (secrets / "GRAFANA_PASSWORD").write_text("somebody else's")
    assert load_settings().influxdb_token.get_secret_value() == "from a file"


def test_the_environment_wins_over_the_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "TIDEMARK_INFLUXDB_TOKEN").write_text("from a file")
    monkeypatch.setenv("TIDEMARK_INFLUXDB_TOKEN", "from the environment")
    assert load_settings().influxdb_token.get_secret_value() == "from the environment"


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDEMARK_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="TIDEMARK_SECRETS_DIR: Path does not point to a directory"):
        load_settings()


def test_a_file_that_cannot_be_read_is_named(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "TIDEMARK_INFLUXDB_TOKEN").write_text("not for you")

    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))  # root, as whom CI runs, may read everything

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match=r"influxdb_token.*Permission denied.*TIDEMARK_INFLUXDB_TOKEN"):
        load_settings()


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
