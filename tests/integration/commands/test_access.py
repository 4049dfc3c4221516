"""`tollway token`, `credentials` and `signing-keys` as an operator runs them."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from billing.storage.clients import get_or_create_client
from billing.storage.pool import Database
from gateway.clock import wall
from gateway.config.load import load_config
from gateway.wiring.access import Access, access_of
from policies.permission import Role
from tests.support.keys import DATA_KEY

ROOT = Path(__file__).parents[3]
CONFIG = """
database: {url: "${DATABASE_URL}"}
public: {host: checkout.localhost, port: 8080}
secrets: {signing_key: "${SIGNING_KEY}"}
billing:
  stripe: {secret_key: "${STRIPE_KEY}", webhook_secrets: ["${WEBHOOK_SECRET}"]}
plans:
  - id: reader
    name: Reader
    price: {amount_minor: 500, currency: eur, interval: month}
    stripe_price: price_1
    apps: {notes: {access: true}}
apps:
  - id: notes
    name: Notes
    host: notes.localhost
    upstreams: [http://127.0.0.1:9001]
    routes: [{path: /, access: entitled}]
encryption: {keys: ["${DATA_KEY}"]}
"""


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Operator:
    """Somebody with a configuration file and the secrets that it asks for."""

    config: Path
    environment: dict[str, str]

    async def run(self, *words: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *words, "-c", str(self.config)),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    def access(self, database: Database) -> Access:
        """Return what the gateway itself would let callers through with."""
        return access_of(load_config(self.config, self.environment), database)


@pytest.fixture
def operator(tmp_path: Path, database: Database, database_url: str) -> Operator:
    config = tmp_path / "my.yaml"
    config.write_text(CONFIG)
    environment = {
        **os.environ,
        "USER": "ann",
        "DATABASE_URL": database_url,
        "SIGNING_KEY": "s" * 32,
        "STRIPE_KEY": "sk_test_1",
        "WEBHOOK_SECRET": "whsec_1",
        "DATA_KEY": DATA_KEY,
    }
    environment.pop("SUDO_USER", None)
    return Operator(config, environment)


async def test_a_token_is_all_that_is_printed_and_lets_its_caller_in(
    operator: Operator, database: Database
) -> None:
    ran = await operator.run("token", "--role", "app", "--app", "notes", "--scope", "plans:read")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    caller = await operator.access(database).guard._reader.identify(ran.out.strip())
    assert (caller.role, caller.app_id) == (Role.APP, "notes")
    assert caller.scopes == {"plans:read"}
    assert caller.actor == "operator:ann"


async def test_a_clients_token_may_be_asked_for_by_either_name(
    operator: Operator, database: Database
) -> None:
    async with database.transaction() as connection:
        client_id = await get_or_create_client(connection, "demo:ann")

    for name in ("demo:ann", client_id):
        ran = await operator.run("token", "--role", "client", "--client", name, "--minutes", "5")

        claims = jwt.decode(ran.out.strip(), options={"verify_signature": False})
        assert claims["client"] == client_id
        assert claims["exp"] - claims["iat"] == 300
        assert claims["iss"] == "http://checkout.localhost:8080"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--role app --app nots", "no app has the id 'nots'; did you mean 'notes'?"),
        ("--role app --app notes --scope audit:read", "of no use to the role app: audit:read"),
        ("--role admin --minutes 1441", "Invalid value"),
    ],
)
async def test_a_wish_that_cannot_be_is_told_and_makes_no_token(
    operator: Operator, words: str, said: str
) -> None:
    ran = await operator.run("token", *words.split(" "))

    assert ran.code != 0
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err


async def test_a_credential_lives_from_its_first_secret_to_its_end(operator: Operator) -> None:
    added = await operator.run(
        "credentials", "add", "backend", "--role", "app", "--app", "notes", "--json"
    )
    rotated = await operator.run("credentials", "rotate-secret", "backend", "--json")
    listed = await operator.run("credentials", "list")
    disabled = await operator.run("credentials", "disable", "backend")
    again = await operator.run("credentials", "disable", "backend")

    first, second = json.loads(added.out), json.loads(rotated.out)
    assert first["client_id"] == second["client_id"]
    assert first["client_secret"] != second["client_secret"]
    assert f"{first['client_id']}  backend  live   app notes  all of its role" in listed.out
    assert first["client_secret"] not in listed.out
    assert disabled.out == "backend is disabled\n"
    assert (again.code, again.err) == (1, "tollway: the credential 'backend' is disabled already\n")


async def test_a_new_key_is_listed_before_it_signs(operator: Operator, database: Database) -> None:
    await operator.access(database).keys.rotate_if_due(wall())

    rotated = json.loads((await operator.run("signing-keys", "rotate", "--json")).out)
    listed = json.loads((await operator.run("signing-keys", "list", "--json")).out)
    table = await operator.run("signing-keys", "list")

    assert [row["phase"] for row in listed] == ["signing", "published"]
    assert listed[1]["kid"] == rotated["kid"]
    assert rotated["kid"] in table.out
