"""An owner to be killed: starts both servers on a folder, says who they are, and waits.

Run as a program with the folder as its argument; prints one line of JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg
import uvloop

from gateway.embedded.owner import DataDir
from gateway.embedded.postgres import EmbeddedPostgres
from gateway.embedded.valkey import EmbeddedValkey


async def main(folder: Path) -> None:
    with DataDir(folder) as data:
        postgres = EmbeddedPostgres(data.postgres, data.run)
        valkey = EmbeddedValkey(data.valkey, data.run)
        url = await postgres.start()
        redis_url = await valkey.start()
        connection = await asyncpg.connect(url)
        await connection.execute("create table if not exists kept (word text)")
        words = [row["word"] for row in await connection.fetch("select word from kept")]
        await connection.execute("insert into kept values ($1)", f"start {len(words) + 1}")
        backend = await connection.fetchval("select pg_backend_pid()")
        ready = {
            "url": url,
            "redis_url": redis_url,
            "postgres": postgres.pid,
            "backend": backend,
            "valkey": valkey.pid,
            "words": words,
        }
        print(json.dumps(ready), flush=True)  # noqa: T201 - it is how we speak to the test
        # A statement that computes and never looks up, as the worst backend to end.
        busy = asyncio.create_task(
            connection.execute("select count(*) from generate_series(1, 100000000000)"),
            name="busy",
        )
        ended = [
            asyncio.create_task(server.wait_died(), name="end") for server in (postgres, valkey)
        ]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        # As `up` does: one server gone is the end of all.
        busy.cancel()
        await asyncio.gather(postgres.stop(), valkey.stop())
        await asyncio.gather(busy, *ended, return_exceptions=True)


if __name__ == "__main__":
    # The loop that the product runs on.
    uvloop.run(main(Path(sys.argv[1])))
