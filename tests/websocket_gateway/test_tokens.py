"""Tokens: what they grant, and how a real gateway holds clients to them."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
import uvloop
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.websocket_gateway.made import alert, update
from tests.websocket_gateway.talking import get, talker, unfed_gateway
from tidemark.results import ACTIVE_USERS
from tidemark.settings import Settings
from websocket_gateway.tokens import Rights, TokenError, make_token, rights_of, token_in

SECRET = "a secret of more than thirty-two characters"


def in_s(seconds: float) -> int:
    return int(time.time() + seconds)


@pytest.fixture
def guarded(unfed: Settings) -> Settings:
    return unfed.model_copy(update={"gateway_token_secret": SecretStr(SECRET)})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_grants_its_sites_until_it_expires() -> None:
    until = in_s(60)
    assert rights_of(make_token(SECRET, ["shop", "blog"], until), SECRET) == Rights(frozenset(["shop", "blog"]), until)
    assert rights_of(make_token(SECRET, "*", until), SECRET) == Rights(None, until)
    assert rights_of(make_token(SECRET, [], until), SECRET).sites == frozenset()


def _unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"exp": in_s(60), "sites": "*"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize(
    "token",
    [
        make_token("another secret of more than thirty-two", "*", in_s(60)),
        make_token(SECRET, "*", in_s(-1)),
        jwt.encode({"sites": "*"}, SECRET, "HS256"),
        jwt.encode({"exp": in_s(60)}, SECRET, "HS256"),
        jwt.encode({"exp": in_s(60), "sites": "shop"}, SECRET, "HS256"),
        jwt.encode({"exp": in_s(60), "sites": [1]}, SECRET, "HS256"),
        jwt.encode({"exp": in_s(60), "sites": "*"}, SECRET + SECRET, "HS512"),
        jwt.encode({"exp": in_s(7_200), "sites": "*", "nbf": in_s(3_600)}, SECRET, "HS256"),
        _unsigned(),
        "",
        "no.token.atall",
    ],
    # Not by the tokens: they are of the second, and two test processes may begin in two.
    ids=[
        *("another secret", "expired", "no exp", "no sites", "sites no list", "sites no names"),
        *("HS512", "not yet valid", "unsigned", "empty", "nonsense"),
    ],
)
def test_what_is_no_valid_token_grants_nothing(token: str) -> None:
    with pytest.raises(TokenError):
        rights_of(token, SECRET)


@pytest.mark.parametrize(
    ("target", "authorization", "token"),
    [
        ("/", "Bearer abc", "abc"),
        ("/", "bearer  abc", "abc"),
        ("/?token=abc&x=1", None, "abc"),
        ("/?token=query", "Bearer header", "header"),
        ("/?token=abc", "Basic xyz", "abc"),
        ("/?token=", None, None),
        ("/", None, None),
    ],
)
def test_where_a_request_carries_its_token(target: str, authorization: str | None, token: str | None) -> None:
    assert token_in(target, authorization) == token


def test_without_a_valid_token_the_handshake_is_refused(guarded: Settings) -> None:
    async def refusal(**options: Any) -> tuple[int, str]:
        with pytest.raises(InvalidStatus) as refused:
            async with talker(guarded, **options):
                pass
        response = refused.value.response
        return response.status_code, response.headers["WWW-Authenticate"]

    async def scenario() -> None:
        async with unfed_gateway(guarded):
            assert await refusal() == (401, "Bearer")
            assert await refusal(additional_headers=bearer(make_token(SECRET, "*", in_s(-1)))) == (401, "Bearer")
            assert await refusal(path="/?token=forged") == (401, "Bearer")
            good = make_token(SECRET, "*", in_s(60))
            async with talker(guarded, additional_headers=bearer(good)), talker(guarded, path=f"/?token={good}"):
                assert (await get(guarded, "/health"))[0] == 200

    uvloop.run(scenario())


def test_a_client_sees_the_sites_of_its_token_and_no_other(guarded: Settings) -> None:
    async def scenario() -> None:
        token, now = make_token(SECRET, ["shop"], in_s(60)), time.time_ns() // 1_000_000
        async with (
            unfed_gateway(guarded, simple_interval_ms=100) as gateway,
            talker(guarded, additional_headers=bearer(token)) as client,
        ):
            for action in ("subscribe", "unsubscribe", "history"):
                for elsewhere in ({}, {"site": "default"}, {"site": "blog"}):
                    told = await client.ask(action=action, id=1, minutes=5, **elsewhere)
                    assert (told["type"], told["code"], told["id"]) == ("error", "forbidden", 1)
            await gateway.take([update(ACTIVE_USERS, now, 1), alert("a"), update(ACTIVE_USERS, now, 1, site="blog")])
            with pytest.raises(TimeoutError):  # nor does it get the default site as a simple client does
                await asyncio.wait_for(client.connection.recv(), 0.4)
            assert (await client.ask(action="subscribe", site="shop"))["type"] == "subscribed"
            await gateway.take([update(ACTIVE_USERS, now, 2, site="shop")])
            assert (await client.next())["site"] == "shop"

    uvloop.run(scenario())


def test_a_connection_ends_when_its_token_expires(guarded: Settings) -> None:
    async def scenario() -> None:
        until = in_s(2)
        async with unfed_gateway(guarded):
            short, long = (bearer(make_token(SECRET, "*", when)) for when in (until, in_s(60)))
            async with (
                talker(guarded, additional_headers=short) as client,
                talker(guarded, additional_headers=long) as other,
            ):
                with pytest.raises(ConnectionClosed) as closed:
                    await client.until(lambda _: False)
                assert 0 <= time.time() - until < 1
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "the token has expired")
                assert (await other.ask(action="ping"))["type"] == "pong"

    uvloop.run(scenario())


def token_command(secret: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tidemark", "gateway", "token", *options]
    environment = os.environ | {"TIDEMARK_GATEWAY_TOKEN_SECRET": secret}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=20, check=False)


def test_the_command_prints_a_token(tmp_path: Path) -> None:
    done = token_command(SECRET, tmp_path, "--sites", "shop", "--sites", "blog", "--hours", "2")
    assert done.returncode == 0, done.stderr
    rights = rights_of(done.stdout.strip(), SECRET)
    assert rights.sites == frozenset(["shop", "blog"])
    assert rights.expires_at is not None
    assert abs(rights.expires_at - in_s(7_200)) < 30


@pytest.mark.parametrize("secret", ["", "too short"])
def test_a_secret_that_is_none_is_a_wrong_setting(secret: str, tmp_path: Path) -> None:
    done = token_command(secret, tmp_path, "--sites", "*")
    assert (done.returncode, done.stdout) == (2, "")
    assert "TIDEMARK_GATEWAY_TOKEN_SECRET: " in done.stderr
    assert "at least 32 characters" in done.stderr
