"""The child processes of `tollway up` that are not servers: the sample apps and the sandbox."""

import asyncio
import json
import os
import sys
from pathlib import Path

from gateway.config.schema import Config
from gateway.demo_secrets import DemoSecrets, write_private
from gateway.embedded.processes import GuardedProcess

_ROOT = Path(__file__).parent.parent
_START_TIMEOUT_S = 30.0


async def start_apps() -> GuardedProcess:
    """Start the ten sample apps; the ready line has `urls`, by the app's id.

    Raises:
        EmbeddedError: they did not start.
    """
    return await _start("sample apps", ["-m", "demo.apps", "--exit-with-stdin"])


async def start_sandbox(
    folder: Path, config: Config, secrets: DemoSecrets, *, webhook_url: str
) -> GuardedProcess:
    """Start the payment sandbox with what the configuration sells; the ready line has `url`.

    Raises:
        EmbeddedError: it did not start.
    """
    await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
    files = {
        "--catalog": ("catalog.json", json.dumps(_catalog(config))),
        "--api-key-file": ("api-key", secrets.STRIPE_SECRET_KEY),
        "--webhook-secret-file": ("webhook-secret", secrets.STRIPE_WEBHOOK_SECRET),
    }
    arguments = ["-m", "demo.sandbox", "--data", str(folder), "--webhook-url", webhook_url]
    arguments.append("--exit-with-stdin")
    for option, (name, text) in files.items():
        write_private(folder / name, text)
        arguments += [option, str(folder / name)]
    return await _start("payment sandbox", arguments)


async def _start(name: str, arguments: list[str]) -> GuardedProcess:
    return await GuardedProcess.start(
        [sys.executable, *arguments],
        name=name,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        cwd=_ROOT,
        expect_ready_line=True,
        start_timeout_s=_START_TIMEOUT_S,
        grace_s=2.0,
    )


def _catalog(config: Config) -> list[dict[str, str | int | None]]:
    return [
        {
            "price_id": plan.stripe_price,
            "product_id": f"prod_{plan.id}",
            "name": plan.name,
            "description": plan.description,
            "amount_minor": plan.price.amount_minor,
            "currency": plan.price.currency,
            "interval": None if plan.price.interval == "once" else plan.price.interval,
        }
        for plan in config.plans
    ]
