"""The API as a fuzzer that reads its document sees it."""

import asyncio
import base64
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from billing.api.table import examples
from billing.facts import EventRef
from policies.permission import Role
from tests.integration.api.conftest import Desk

_LIMIT_S = 100.0
_ROOT = Path(__file__).parents[3]
_CONFIG = _ROOT / "tests/data/api/schemathesis.toml"
_RUN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


async def test_what_a_reader_of_the_document_can_send_is_answered_as_the_document_says(
    desk: Desk,
) -> None:
    client_id = await desk.add_client(id_=examples.CLIENT_ID)
    await desk.buy(client_id, "team")
    event = EventRef("evt_1", "invoice.paid", None, False, None, desk.clock())
    await desk.inbox.store(event, b"", {}, desk.clock())
    program = await desk.access.add("program", Role.ADMIN)
    basic = base64.b64encode(f"{program.id}:{program.secret}".encode()).decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _RUN, "--config-file", str(_CONFIG), "run"),
        *(f"{desk.url}/openapi.json", "--url", desk.url),
        env={**os.environ, "API_TOKEN": desk.token, "API_BASIC": basic},
        cwd=_ROOT,
        stdout=PIPE,
        stderr=STDOUT,
    )

    async with asyncio.timeout(_LIMIT_S):
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
