"""TLS with a certificate made here by openssl: wss and https on the one port."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from tests.websocket_gateway.made import update
from tests.websocket_gateway.talking import eventually, now_window, talker, unfed_gateway
from tests.websocket_gateway.test_watch import watching
from tidemark.results import ACTIVE_USERS
from tidemark.settings import Settings, SettingsError, load_settings


@pytest.fixture
def secured(unfed: Settings, tmp_path: Path) -> Settings:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=tidemark"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return unfed.model_copy(update={"gateway_tls_certificate": certificate, "gateway_tls_key": key})


def test_sockets_and_pages_come_over_tls_only(secured: Settings) -> None:
    async def scenario() -> None:
        trust = ssl.create_default_context(cafile=secured.gateway_tls_certificate)
        address = ("127.0.0.1", secured.gateway_port)
        own_page = f"https://127.0.0.1:{secured.gateway_port}"
        async with unfed_gateway(secured):
            async with connect(f"wss://127.0.0.1:{address[1]}", ssl=trust, proxy=None, origin=own_page) as client:  # type: ignore[arg-type]
                assert '"hello"' in str(await client.recv())
            reader, writer = await asyncio.open_connection(*address, ssl=trust)
            writer.write(b"GET / HTTP/1.1\r\nHost: any\r\n\r\n")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connect-src 'self' wss:;" in answer
            writer.close()
            with pytest.raises((InvalidMessage, OSError)):
                async with talker(secured):
                    pass

    uvloop.run(scenario())  # as the command does: its TLS is its own


def test_watch_believes_the_certificate_of_its_settings(secured: Settings, tmp_path: Path) -> None:
    async def scenario(lines: list[str]) -> None:
        async with unfed_gateway(secured) as gateway:
            await gateway.take([update(ACTIVE_USERS, now_window() - 5_000, 41, final=True)])
            await eventually(lambda: any("41 users" in line for line in lines))

    with watching(secured, tmp_path) as (_, lines):
        asyncio.run(scenario(lines))


def test_a_certificate_without_its_key_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMARK_GATEWAY_TLS_CERTIFICATE", "certificate.pem")
    with pytest.raises(SettingsError, match=r"TIDEMARK_GATEWAY_TLS_KEY: .*certificate"):
        load_settings()
