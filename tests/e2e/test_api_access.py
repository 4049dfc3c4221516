"""An operator beside a running `tollway up`: no configuration to name, no server to stop."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE

import aiohttp
import jwt
import pytest
from aiohttp import encode_basic_auth
from jwt import PyJWKSet

from tests.support.product import ROOT, Product

pytestmark = pytest.mark.xdist_group("product")


async def run(product: Product, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words, "--data", str(product.data)),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return out.decode()


async def test_a_token_of_the_command_line_is_one_of_the_running_gateway(product: Product) -> None:
    token = (await run(product, "token", "--role", "app", "--app", "notes")).strip()

    url = f"http://127.0.0.1:{product.port}/.well-known/jwks.json"
    headers = {"Host": f"checkout.localhost:{product.port}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        keys = PyJWKSet.from_dict(await answer.json())
    name = f"http://checkout.localhost:{product.port}"
    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["ES256"],
        audience=name,
        issuer=name,
    )
    assert (claims["role"], claims["app"]) == ("app", "notes")


async def test_a_program_that_was_just_added_gets_its_token(product: Product) -> None:
    words = ("credentials", "add", "files-backend", "--role", "app", "--app", "files", "--json")
    made = json.loads(await run(product, *words))

    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{product.port}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={
                "Host": f"checkout.localhost:{product.port}",
                "Authorization": encode_basic_auth(made["client_id"], made["client_secret"]),
            },
        ) as answer,
    ):
        assert answer.status == 200
