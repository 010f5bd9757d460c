"""The gateway's plain HTTP, asked over real sockets."""

import asyncio
import gzip
from pathlib import Path

import pytest
import uvloop

from tests.websocket_gateway.talking import Message, get, talker, unfed_gateway
from tidemark.settings import Settings

INDEX, SCRIPT = "<!doctype html><title>Tidemark</title>", "export const one = 1;"


@pytest.fixture
def built(unfed: Settings, tmp_path: Path) -> Settings:
    """Settings with a built dashboard, beside which lies a file that is none of it."""
    dashboard = tmp_path / "dist"
    (dashboard / "assets").mkdir(parents=True)
    (dashboard / "index.html").write_text(INDEX)
    (dashboard / "assets" / "index-d34db33f.js").write_text(SCRIPT)
    (dashboard / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (dashboard / "link.txt").symlink_to(tmp_path / "secret.txt")
    return unfed.model_copy(update={"gateway_dashboard": dashboard})


def test_health_and_metrics_are_told(unfed: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed), talker(unfed):
            status, headers, body = await get(unfed, "/health")
            assert (status, body, headers["connection"]) == (200, b"ok\n", "close")
            status, headers, body = await get(unfed, "/metrics")
            assert status == 200
            assert headers["content-type"].startswith("text/plain; version=")
            assert b"\nwebsocket_server_active_connections 1.0\n" in body

    uvloop.run(scenario())


def test_the_dashboard_is_served_with_its_types_and_lifetimes(built: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(built), talker(built):
            for path in ("/", "/index.html", "/?theme=dark"):
                status, headers, body = await get(built, path)
                assert (status, body, headers["content-type"]) == (200, INDEX.encode(), "text/html")
                assert headers["cache-control"] == "no-cache"
                assert (await get(built, path, **{"If-None-Match": headers["etag"]}))[0] == 304
            status, headers, body = await get(built, "/assets/index-d34db33f.js")
            assert (status, body) == (200, SCRIPT.encode())
            assert headers["content-type"] in ("text/javascript", "application/javascript")  # Python 3.12, 3.11
            assert headers["cache-control"] == "public, max-age=31536000, immutable"
            assert (await get(built, "/favicon.svg"))[1]["content-type"] == "image/svg+xml"
            assert (await get(built, "/", "HEAD"))[::2] == (200, b"")
            assert (await get(built, "/", "POST"))[0] == 405

    uvloop.run(scenario())


def test_a_file_that_is_there_compressed_is_sent_so_to_who_takes_it(built: Settings) -> None:
    compressed = gzip.compress(SCRIPT.encode())
    (built.gateway_dashboard / "assets" / "index-d34db33f.js.gz").write_bytes(compressed)

    async def scenario() -> None:
        async with unfed_gateway(built):
            asked = {"Accept-Encoding": "gzip, br"}
            status, headers, body = await get(built, "/assets/index-d34db33f.js", **asked)
            assert (status, headers["content-encoding"], body) == (200, "gzip", compressed)
            assert headers["content-type"] in ("text/javascript", "application/javascript")
            assert headers["vary"] == "Accept-Encoding"
            assert (await get(built, "/assets/index-d34db33f.js"))[2] == SCRIPT.encode()

    uvloop.run(scenario())


def test_every_page_comes_with_a_strict_policy(built: Settings) -> None:
    def strict(headers: Message) -> bool:
        policy = headers["content-security-policy"]
        return policy.startswith("default-src 'self'; connect-src 'self' ws:;") and "unsafe" not in policy

    async def scenario() -> None:
        async with unfed_gateway(built):
            for path in ("/", "/assets/index-d34db33f.js", "/health", "/nothing"):
                headers = (await get(built, path))[1]
                assert strict(headers)
                assert headers["x-content-type-options"] == "nosniff"

    uvloop.run(scenario())


def test_nothing_beside_the_dashboard_is_served(built: Settings, tmp_path: Path) -> None:
    folder = str(tmp_path).lstrip("/")
    upwards = [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/../../secret.txt",
        "/..%5csecret.txt",
    ]
    absolute = [f"//{folder}/secret.txt", f"/%2f{folder}/secret.txt"]
    no_files = ["/link.txt", "/assets", "/assets/", "/index.html%00", "/" + "a" * 300]

    async def scenario() -> None:
        async with unfed_gateway(built):
            for path in upwards + absolute + no_files:
                status, _, body = await get(built, path)
                assert status in (400, 403, 404), path
                assert b"secret" not in body

    uvloop.run(scenario())


def test_a_dashboard_that_is_not_built_is_said(unfed: Settings, tmp_path: Path) -> None:
    bare = unfed.model_copy(update={"gateway_dashboard": tmp_path / "dist"})

    async def scenario() -> None:
        async with unfed_gateway(bare):
            status, headers, body = await get(bare, "/")
            assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
            assert b"not been built" in body
            (tmp_path / "dist").mkdir()
            (tmp_path / "dist" / "index.html").write_text(INDEX)
            assert (await get(bare, "/"))[::2] == (200, INDEX.encode())

    uvloop.run(scenario())


def test_a_large_file_reaches_a_client_that_reads_slowly(built: Settings) -> None:
    large = b"x" * 3_000_000
    (built.gateway_dashboard / "large.bin").write_bytes(large)

    async def scenario() -> None:
        async with unfed_gateway(built):
            reader, writer = await asyncio.open_connection("127.0.0.1", built.gateway_port, limit=4_096)
            writer.write(b"GET /large.bin HTTP/1.1\r\nHost: any\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(2.5)  # longer than a WebSocket may take to close
            assert await reader.read(-1) == large
            writer.close()

    uvloop.run(scenario())


def test_a_request_that_comes_in_pieces_is_answered(unfed: Settings) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed):
            reader, writer = await asyncio.open_connection("127.0.0.1", unfed.gateway_port)
            for piece in (b"GET /hea", b"lth HTTP/1.1\r\nHo", b"st: any\r\n\r", b"\n"):
                writer.write(piece)
                await asyncio.sleep(0.02)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()

    uvloop.run(scenario())


@pytest.mark.parametrize("rubbish", [b"\0" * 70_000, b"GET\r\n\r\n", b"\x16\x03\x01\r\n\r\n"])
def test_rubbish_ends_its_connection_and_nothing_else(unfed: Settings, rubbish: bytes) -> None:
    async def scenario() -> None:
        async with unfed_gateway(unfed), talker(unfed) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", unfed.gateway_port)
            writer.write(rubbish)
            async with asyncio.timeout(5):
                assert (await reader.read(12)) in (b"", b"HTTP/1.0 400", b"HTTP/1.1 400")
            writer.close()
            assert (await client.ask(action="ping"))["type"] == "pong"

    uvloop.run(scenario())
