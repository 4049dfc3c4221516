"""Programs at the gate: problem documents, never a page."""

import uuid

import aiohttp
import jwt
import pytest

from gateway.config.load import load_config
from gateway.demo_secrets import load_or_create_secrets
from tests.support.product import ROOT, Product, problem_of

pytestmark = pytest.mark.xdist_group("product")


def token_for(product: Product, name: str, **claims: object) -> str:
    secrets = load_or_create_secrets(product.data / "secrets.json")
    environment = {
        **secrets.as_environment(),
        "DATABASE_URL": "postgresql:///unused",
    }
    issuer = load_config(ROOT / "config.yaml", environment).identity.tokens[0]
    facts = {"iss": issuer.issuer, "aud": issuer.audience, "sub": name, "exp": 4_000_000_000}
    return jwt.encode({**facts, **claims}, secrets.TOLLWAY_TOKEN_KEY, algorithm="HS256")


async def ask(product: Product, app: str, path: str = "/", **headers: str) -> tuple[int, str, str]:
    url = f"http://127.0.0.1:{product.port}{path}"
    sent = {"Host": f"{app}.localhost:{product.port}", **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=sent, allow_redirects=False) as answer,
    ):
        return answer.status, answer.content_type, await answer.text()


async def test_curl_without_a_token_gets_401_with_a_checkout_url(product: Product) -> None:
    status, content_type, text = await ask(product, "api", "/v1/items", Accept="*/*")

    assert (status, content_type) == (401, "application/problem+json")
    assert problem_of(text)["checkout_url"].startswith(product.url("checkout", "/checkout?to="))


async def test_client_who_has_not_paid_gets_402_with_a_checkout_url(product: Product) -> None:
    token = token_for(product, f"demo:{uuid.uuid4().hex}")

    status, content_type, text = await ask(
        product, "api", "/v1/items", Authorization=f"Bearer {token}"
    )

    assert (status, content_type) == (402, "application/problem+json")
    assert problem_of(text)["reason"] == "no_grant"
    assert problem_of(text)["checkout_url"].startswith(product.url("checkout", "/checkout?to="))


async def test_expired_token_is_refused_even_on_a_public_route(product: Product) -> None:
    token = token_for(product, "demo:ann", exp=1)

    status, _, text = await ask(product, "notes", "/public/about", Authorization=f"Bearer {token}")

    assert status == 401
    assert problem_of(text)["reason"] == "bad_credential"


async def test_unknown_host_is_not_found(product: Product) -> None:
    status, _, _ = await ask(product, "nobody")

    assert status == 404


async def test_forged_webhook_is_refused(product: Product) -> None:
    url = f"http://127.0.0.1:{product.port}/webhook"
    headers = {"Host": "checkout.localhost", "Stripe-Signature": "t=1,v1=00"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=b"{}", headers=headers) as answer,
    ):
        assert answer.status == 400


async def test_everything_is_ready(product: Product) -> None:
    status, _, text = await ask(product, "checkout", "/readyz")

    assert (status, text) == (200, '{"ready": true, "missing": {}}')
