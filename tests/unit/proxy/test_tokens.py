"""Bearer tokens: the configuration chooses key and algorithm, never the token."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from policies.identity import BadCredential
from proxy.settings import TokenIssuer
from proxy.tokens import TokenVerifier, Verified
from tests.support.clock import Seconds

SECRET = "s" * 32
FAR = 4_000_000_000
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
ISSUERS = (
    TokenIssuer("shared", "tollway", "HS256", SECRET),
    TokenIssuer("signed", "tollway", "ES256", PUBLIC_PEM),
)


def claims(**changes: object) -> dict[str, object]:
    facts = {"iss": "shared", "aud": "tollway", "sub": "ann", "exp": FAR, **changes}
    return {name: value for name, value in facts.items() if value is not None}


# Verified tokens are verified anew after five minutes.
ANN = Verified("ann", 1_800_000_300.0)


def verify(token: str) -> Verified | BadCredential:
    return TokenVerifier(ISSUERS, Seconds(1_800_000_000.0)).verify(token)


def unsigned(**changes: object) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims(**changes)]
    return ".".join(
        [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
        + [""]
    )


def test_good_token_names_its_subject() -> None:
    assert verify(jwt.encode(claims(), SECRET, "HS256")) == ANN


def test_good_token_of_a_public_key_names_its_subject() -> None:
    token = jwt.encode(claims(iss="signed"), PRIVATE, "ES256")

    assert verify(token) == ANN


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"aud": None},
        {"iss": None},
        {"iss": "stranger"},
        {"iss": ["shared"]},
        {"aud": "other"},
        {"sub": ""},
        {"sub": "a" * 201},
        {"sub": "a\nb"},
        {"nbf": FAR},
    ],
    ids=str,
)
def test_token_with_a_wrong_or_missing_claim_is_refused(changes: dict[str, object]) -> None:
    # `encode` refuses a list of issuers, which a stranger's library might not.
    token = jwt.PyJWS().encode(json.dumps(claims(**changes)).encode(), SECRET, "HS256")

    assert isinstance(verify(token), BadCredential)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "é.é.é",
        unsigned(),
        jwt.encode(claims(), "x" * 32, "HS256"),
        jwt.encode(claims(), "s" * 64, "HS512"),
        jwt.encode(claims(), SECRET, "HS256")[:-2],
        "A" * 9000,
    ],
)
def test_what_is_no_token_of_the_issuer_is_refused(token: str) -> None:
    assert isinstance(verify(token), BadCredential)


def test_public_key_is_never_taken_for_a_shared_secret() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims(iss="signed")).encode()).rstrip(b"=")
    signed = header + b"." + body
    mac = jwt.get_algorithm_by_name("HS256")
    # PyJWT refuses to sign with a PEM; an attacker's own library does not.
    signature = mac.sign(signed, PUBLIC_PEM.encode())
    token = signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")

    assert isinstance(verify(token.decode()), BadCredential)


@pytest.mark.parametrize(("exp", "kept_s"), [(FAR, 300), (1_900_000_010, 10)])
def test_verified_token_is_kept_for_minutes_and_never_past_its_end(exp: int, kept_s: int) -> None:
    wall = Seconds(1_800_000_000.0)
    wall.now_s = 1_900_000_000.0
    verifier = TokenVerifier(ISSUERS, wall)
    token = jwt.encode(claims(exp=exp), SECRET, "HS256")
    verifier.verify(token)
    # From here on only memory knows the token.
    verifier._issuers.clear()

    wall.now_s += kept_s - 0.001
    before = verifier.verify(token)
    wall.now_s += 0.001
    after = verifier.verify(token)

    assert before == Verified("ann", 1_900_000_000.0 + kept_s)
    assert isinstance(after, BadCredential)
