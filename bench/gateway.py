"""The environment in which a gateway of ours is started, on the configuration as shipped."""

import os

from bench.program import ROOT
from gateway.demo_secrets import placeholders


def gateway_environment(port: int, database_url: str, **more: str) -> dict[str, str]:
    """Return it; `more` are variables beside these, or instead of them."""
    return {
        **os.environ,
        **placeholders(),
        "PYTHONPATH": str(ROOT),
        "LISTEN_ADDRESS": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        **more,
    }
