"""Tokens that somebody made or changed: each is refused, and none breaks the reader."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from billing.errors import InvalidTokenError
from billing.model import Cause, Source
from billing.oauth.signing import SigningKey
from billing.storage.pool import Database
from tests.support.access import ISSUER, Access
from tests.support.clock import FakeClock

JSON = Mapping[str, Any]
OPERATOR = Cause(Source.ADMIN, "operator:ann")


@pytest.fixture
async def good(access: Access) -> str:
    """A token that is taken, to be changed."""
    return await access.token(await access.add())


@pytest.fixture
async def key(access: Access) -> SigningKey:
    return await access.keys.get_signer()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def unsigned(header: JSON, claims: JSON, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(map(b64, parts))


def signed(key: SigningKey, claims: JSON, **header: object) -> str:
    """Sign as we do, whatever the claims and the header say."""
    headers = {"kid": key.kid, "typ": "at+jwt", **header}
    text = json.dumps(claims).encode()
    return jwt.PyJWS().encode(text, key.private, algorithm="ES256", headers=headers)


def with_public_key_as_secret(token: str, key: SigningKey) -> str:
    """Sign with HS256 by what everybody knows: our public key (RFC 8725, section 2.1)."""
    pem = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "typ": "at+jwt", "kid": key.kid}
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims_of(token)).encode())}"
    return f"{text}.{b64(hmac.digest(pem, text.encode(), hashlib.sha256))}"


async def refused(access: Access, token: str) -> str:
    with pytest.raises(InvalidTokenError) as caught:
        await access.reader.identify(token)
    return str(caught.value)


async def test_the_token_that_the_others_are_made_of_is_good(access: Access, good: str) -> None:
    caller = await access.reader.identify(good)

    assert caller.app_id == "notes"
    assert caller.name == "notes"
    assert caller.actor.startswith("credential:")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
async def test_no_algorithm_is_no_signature(
    access: Access, good: str, key: SigningKey, algorithm: str
) -> None:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}

    await refused(access, unsigned(header, claims_of(good)))
    await refused(access, unsigned(header, claims_of(good), b"x" * 64))


async def test_the_public_key_is_no_secret(access: Access, good: str, key: SigningKey) -> None:
    await refused(access, with_public_key_as_secret(good, key))


async def test_a_key_that_the_token_brings_along_is_not_taken(access: Access, good: str) -> None:
    own = SigningKey("own", ec.generate_private_key(ec.SECP256R1()))
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(own.private.public_key(), as_dict=True)

    for header in ({"jwk": jwk}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil"}):
        await refused(access, signed(own, claims_of(good), **header))


async def test_another_key_under_our_keys_name_is_not_taken(
    access: Access, good: str, key: SigningKey
) -> None:
    own = SigningKey(key.kid, ec.generate_private_key(ec.SECP256R1()))

    await refused(access, signed(own, claims_of(good)))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "x' union select private_sealed from signing_keys --",
        "",
        "\x00",
        "k" * 5000,
        None,
        5,
        ["a"],
        {"a": 1},
    ],
)
async def test_a_kid_is_a_name_and_nothing_else(access: Access, good: str, kid: object) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": kid}

    await refused(access, unsigned(header, claims_of(good), b"x" * 64))


async def test_a_token_without_a_kid_is_refused(access: Access, good: str) -> None:
    header = {"alg": "ES256", "typ": "at+jwt"}

    await refused(access, unsigned(header, claims_of(good), b"x" * 64))


async def test_the_kid_of_a_key_that_is_gone_is_refused(
    access: Access, good: str, key: SigningKey
) -> None:
    await access.keys.rotate(access.clock.now, OPERATOR)
    access.move(minutes=10, days=1, seconds=30)
    claims = claims_of(good)
    later = {**claims, "iat": claims["iat"] + 87_000, "exp": claims["exp"] + 90_000}

    assert "key is not known" in await refused(access, signed(key, later))


@pytest.mark.parametrize("kind", ["JWT", "", "id+jwt", "logout+jwt", "at+jwt ", 5, ["at+jwt"]])
async def test_a_token_of_another_kind_is_refused(
    access: Access, good: str, key: SigningKey, kind: object
) -> None:
    await refused(access, signed(key, claims_of(good), typ=kind))


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_kind_may_be_written_as_the_standard_allows(
    access: Access, good: str, key: SigningKey, kind: str
) -> None:
    assert await access.reader.identify(signed(key, claims_of(good), typ=kind))


async def test_an_extension_that_has_to_be_understood_is_refused(
    access: Access, good: str, key: SigningKey
) -> None:
    await refused(access, signed(key, claims_of(good), crit=["exp"]))
    await refused(access, signed(key, claims_of(good), crit=[]))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"aud": {ISSUER: 1}},
        {"aud": ISSUER + "/"},
        {"iss": "https://other.example"},
        {"iss": [ISSUER]},
        {"iss": None},
        {"sub": ""},
        {"sub": 5},
        {"exp": "never"},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"iat": 10**12},
        {"nbf": 10**10},
        {"role": "root"},
        {"role": ["admin"]},
        {"role": None},
        {"app": None},
        {"app": ["notes"]},
        {"role": "client"},
        {"role": "client", "client": "ann"},
        {"client_id": "other"},
        {"client_id": None},
        {"jti": None},
    ],
)
async def test_a_claim_that_is_not_as_we_write_it_is_refused(
    access: Access, good: str, key: SigningKey, change: JSON
) -> None:
    claims = {**claims_of(good), **change}

    await refused(access, signed(key, claims))


async def test_our_name_among_other_audiences_is_enough(
    access: Access, good: str, key: SigningKey
) -> None:
    claims = {**claims_of(good), "aud": ["https://other.example", ISSUER]}

    assert await access.reader.identify(signed(key, claims))


@pytest.mark.parametrize("seconds", [29, 30])
async def test_a_token_ends_with_its_time_and_the_leeway(
    access: Access, good: str, seconds: int
) -> None:
    access.move(minutes=15, seconds=seconds)

    if seconds < 30:
        assert await access.reader.identify(good)
    else:
        assert "expired" in await refused(access, good)


async def test_a_remembered_token_ends_just_so(access: Access, good: str) -> None:
    assert await access.reader.identify(good)
    access.move(minutes=15, seconds=30)

    await refused(access, good)


# What stands for HEADER, TOKEN and SIGNED is of a good token.
GARBLED = [
    "",
    "..",
    "TOKEN.",
    ".TOKEN",
    "TOKEN=",
    "TOKEN.x",
    "SIGNED",
    "SIGNED.",
    "SIGNED.AAAA",
    "\u00e9TOKEN",
    "\ud800",
    "TOKEN" + "A" * 9000,
    # JSON too deep, too long, of another kind, or none.
    f"{b64(b'[' * 3000)}.{b64(b'{}')}.AAAA",
    f"HEADER.{b64(b'[' * 3000)}.AAAA",
    f"HEADER.{b64(b'9' * 5000)}.AAAA",
    f"{b64(b'[]')}.{b64(b'{}')}.AAAA",
    f"HEADER.{b64(b'[]')}.AAAA",
    f"{b64(bytes([0xFF]))}.{b64(b'{}')}.AAAA",
]


@pytest.mark.parametrize("garbled", GARBLED, ids=range(len(GARBLED)))
async def test_what_is_no_token_of_ours_is_refused_in_order(
    access: Access, good: str, garbled: str
) -> None:
    header, signed_part = good.partition(".")[0], good.rpartition(".")[0]
    token = garbled.replace("TOKEN", good).replace("HEADER", header)

    await refused(access, token.replace("SIGNED", signed_part))


async def test_no_answer_repeats_what_stands_in_the_token(
    access: Access, good: str, key: SigningKey
) -> None:
    for change in ({"iss": "swordfish"}, {"role": "swordfish"}, {"aud": "swordfish"}):
        assert "swordfish" not in await refused(access, signed(key, {**claims_of(good), **change}))


async def test_memory_of_tokens_is_bounded(database: Database, clock: FakeClock) -> None:
    access = Access(database, clock)
    key = await access.keys.get_signer()
    claims = claims_of(await access.token(await access.add()))
    size = access.reader._verified.maxsize

    for number in range(20):
        await access.reader.identify(signed(key, {**claims, "jti": str(number)}))

    assert size == 10_000
    assert len(access.reader._verified) == 20
