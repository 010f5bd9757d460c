"""What ``tidemark doctor`` finds where no servers are needed, or none answers."""

import json
import os
import re
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from deploy.local.addresses import free_ports
from operations.doctor.findings import Diagnosis, diagnosis
from operations.doctor.folders import folders
from operations.doctor.packages import packages
from operations.doctor.parts import gateway, versions
from operations.doctor.store import store
from operations.doctor.tools import tools
from operations.doctor.workers import Partition, checkpoints, watermarks
from tests.conftest import CACHE
from tests.deploy.test_provision import InfluxDB2, influxdb_2  # noqa: F401
from tests.operations.asked import DOCS, SECRET, as_documented, by_check, command, documented, of_its_own
from tidemark.settings import Settings
from tidemark.topics import EVENTS


def test_the_json_of_the_docs_is_what_is_told() -> None:
    [example] = re.findall(r"```json\n(.+?)```", DOCS.read_text(), re.DOTALL)
    told = msgspec.json.decode(example, type=Diagnosis)
    assert msgspec.to_builtins(told) == json.loads(example)
    assert {as_documented(each.check) for each in told.findings} <= documented()
    assert all(bool(each.todo) == (each.level != "ok") for each in told.findings)
    assert told == diagnosis(told.findings)


def test_servers_that_are_away_are_problems(tmp_path: Path) -> None:
    kafka, influxdb = f"127.0.0.1:{free_ports()}", f"http://127.0.0.1:{free_ports()}"
    away = of_its_own(Settings(), tmp_path).model_copy(
        update={"kafka_bootstrap_servers": kafka, "influxdb_url": influxdb.replace("//", f"//me:{SECRET}@")}
    )
    (tmp_path / "cache").symlink_to(CACHE)  # what the servers need was fetched: no tool is missing
    done = command(away)
    assert done.returncode == 1
    assert f"no answer from {kafka} within 3 s" in done.stdout
    assert done.stdout.rstrip().endswith("4 ok, 3 warning, 2 problem")
    assert "→ start it (here: tidemark stack up --detach) or set TIDEMARK_INFLUXDB_URL" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_servers_and_parts_that_accept_and_say_nothing_are_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        hanging = of_its_own(Settings(), tmp_path).model_copy(
            update={
                "kafka_bootstrap_servers": f"127.0.0.1:{port}",
                "influxdb_url": f"http://127.0.0.1:{port}",
                "gateway_port": port,
                "ingestion_port": port,
            }
        )
        started = time.monotonic()
        found = by_check(hanging)
        assert time.monotonic() - started < 20
    assert {found[check].level for check in ("kafka", "influxdb", "gateway", "ingestion")} == {"problem"}


def state(number: int, **told: Any) -> Partition:
    fields: dict[str, Any] = {"behind_seconds": 2.0, "checkpoint_age_seconds": 5.0, "problem": None}
    return Partition(topic=EVENTS.name, partition=number, **fields | told)


def test_old_checkpoints_are_a_warning_and_refused_ones_and_watermarks_that_stand_still_problems() -> None:
    old = checkpoints([state(0), state(1, checkpoint_age_seconds=90.0)])
    assert (old.level, old.found) == (
        "warning",
        "2 of 2 states have one, the oldest of 90.0 s ago (website-analytics-events-1)",
    )
    assert "docs/runbooks/checkpoint-too-old.md" in old.todo
    refused = checkpoints([state(0), state(1, problem="another lateness")])
    assert (refused.level, refused.found[:2]) == ("problem", "1 ")
    stuck = watermarks([state(0), state(1, behind_seconds=50.0)], 40.0)
    assert (stuck.level, "partition's, 1, is 50.0 s behind" in stuck.found) == ("problem", True)
    assert watermarks([state(0)], 40.0).level == "ok"


def test_a_token_that_is_refused_and_a_bucket_that_is_missing_on_influxdb_2(influxdb_2: Settings) -> None:  # noqa: F811
    [server, clock, token, bucket] = store(influxdb_2)
    assert (server.found.split(" at ")[0], clock.level, token.level) == ("version 2.7.12", "ok", "ok")
    assert (bucket.check, bucket.level) == ("bucket metrics", "problem")
    InfluxDB2.buckets.append(
        {"id": "1", "name": "metrics", "retentionRules": [{"type": "expire", "everySeconds": 30 * 86_400}]}
    )
    assert list(store(influxdb_2))[3].found == "keeps 30 d"
    InfluxDB2.buckets[0]["retentionRules"][0]["everySeconds"] = 7 * 86_400
    short = list(store(influxdb_2))[3]
    assert (short.level, short.found) == ("warning", "keeps 7 d, not 30: history ends sooner")
    refused = list(store(influxdb_2.model_copy(update={"influxdb_token": SecretStr("wrong")})))[2]
    assert (refused.check, refused.level) == ("influxdb token", "problem")
    assert "TIDEMARK_INFLUXDB_TOKEN" in refused.todo


@pytest.mark.parametrize("token", [f"{SECRET}\r", f"{SECRET}€"])
def test_a_token_that_no_header_may_have_is_not_shown(influxdb_2: Settings, token: str) -> None:  # noqa: F811
    *_, found = store(influxdb_2.model_copy(update={"influxdb_token": SecretStr(token)}))
    assert (found.check, found.level, found.found[:16]) == ("influxdb token", "problem", "holds characters")
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    "url", [f"http://me:{SECRET}@influx", f"http://me:{SECRET}/1@influx:8086", f"http://[me:{SECRET}@influx:8086"]
)
def test_an_address_that_is_none_is_shown_without_its_password(url: str) -> None:
    [found] = store(Settings(influxdb_url=url))
    assert (found.check, found.level) == ("influxdb", "problem")
    assert found.found.startswith("TIDEMARK_INFLUXDB_URL is no address of a server; without a user it is http://influx")
    assert SECRET not in str(found)


def test_what_is_no_http_server_is_no_influxdb() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as beside:
        asked = beside.submit(lambda: list(store(Settings(influxdb_url=f"http://127.0.0.1:{server.getsockname()[1]}"))))
        other, _ = server.accept()
        with other:
            other.recv(1_000)
            other.sendall(b"+PONG\r\n")
        [found] = asked.result()
    assert (found.check, found.level, "no answer from http://127.0.0.1:" in found.found) == (
        "influxdb",
        "problem",
        True,
    )


def test_no_proxy_is_asked(influxdb_2: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_ports()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # what is made of the environment at the first request
    assert next(store(influxdb_2)).level == "ok"
    host, _, port = influxdb_2.influxdb_url.removeprefix("http://").partition(":")
    asked = influxdb_2.model_copy(update={"gateway_host": host, "gateway_port": int(port)})
    assert "/ready: 401 " in next(gateway(asked)).found


def test_a_folder_that_is_none_is_a_problem_and_one_that_everybody_may_write_is_a_warning(tmp_path: Path) -> None:
    file, public = tmp_path / "file", tmp_path / "public"
    file.touch()
    public.mkdir()
    public.chmod(0o777)
    data, door = folders(Settings(data_dir=file, ingestion_dir=public))
    assert (data.level, data.found) == ("problem", f"{file} is no folder")
    assert (door.level, door.todo) == ("warning", f"chmod o-w {public}")


def test_a_folder_that_may_not_be_written_is_to_be_ours_but_nothing_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    there, missing = folders(Settings(data_dir=tmp_path, ingestion_dir=tmp_path / "of" / "ours"))
    assert there.todo == f"sudo chown -R $(id -u) {tmp_path}, or set TIDEMARK_DATA_DIR"
    assert missing.found == f"{tmp_path} may not be written by us"
    assert missing.todo == f"sudo install -d -o $(id -u) {tmp_path}/of/ours, or set TIDEMARK_INGESTION_DIR"


class OldSink(BaseHTTPRequestHandler):
    """The metrics of a sink that was not restarted after an update."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'# TYPE tidemark_build_info gauge\ntidemark_build_info{part="sink",version="0.0.9"} 1.0\n')

    def log_message(self, *_: object) -> None:
        pass


def test_a_part_of_another_version_is_a_warning(tmp_path: Path) -> None:
    settings = of_its_own(Settings(), tmp_path)
    assert settings.metrics_port is not None
    with ThreadingHTTPServer(("127.0.0.1", settings.metrics_port + 3), OldSink) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        [told] = versions(settings)
        server.shutdown()
    assert (told.level, told.found) == ("warning", f"this is {version('tidemark')}, but there is sink 0.0.9")


def test_a_package_of_another_version_than_locked_is_a_warning(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"# by hand\nno-such-package==1.0 \\\n    --hash=sha256:00\nmsgspec==0.0.1\nrich=={version('rich')}\n"
    )
    [other] = packages(lock)
    assert other.level == "warning"
    assert other.found.startswith("not as in requirements.lock: no-such-package is missing, msgspec ")
    assert other.todo == "make setup"
    [asked_for] = packages(tmp_path / "none")
    assert (asked_for.level, "packages as in what Tidemark asks for" in asked_for.found) == ("ok", True)


def test_a_tool_that_is_missing_is_a_warning_where_servers_are_started_here() -> None:
    [missing] = tools(Settings(), lambda _: ["java is missing: install it"])
    assert (missing.level, missing.found) == ("warning", "java is missing: install it")
    assert [each.level for each in tools(Settings(), lambda _: None)] == ["ok"]
