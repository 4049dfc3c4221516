"""The secrets of `tollway up`: made once for a data folder, and found again by the next start."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from billing.crypto.keyring import new_key
from gateway.errors import StartError

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class DemoSecrets:
    """Keys under the names that the shipped configuration asks the environment for."""

    TOLLWAY_SIGNING_KEY: str
    TOLLWAY_TOKEN_KEY: str
    STRIPE_SECRET_KEY: str
    STRIPE_WEBHOOK_SECRET: str
    TOLLWAY_DATA_KEY: str

    def as_environment(self) -> dict[str, str]:
        """Return the keys as environment variables."""
        return asdict(self)


def placeholders() -> dict[str, str]:
    """Return what the shipped configuration asks for, before any server runs.

    They also stand over variables of the operator's own: a demonstration must not send
    its payments to a real provider.
    """
    return {
        **_make().as_environment(),
        # The port comes from the command line, and the apps' own are not known yet.
        "PORT": "0",
        "DATABASE_URL": "postgresql:///not-started",
        "REDIS_URL": "none",
        "STRIPE_API_URL": "http://127.0.0.1:1",
    }


def load_or_create_secrets(path: Path) -> DemoSecrets:
    """Return the secrets kept at `path`, made now if there are none.

    A file of an older version lacks what came later, which is made now and added.

    Raises:
        StartError: the file is there and is not what this function wrote. It is not
            replaced: that would sign everybody out.
    """
    kept = _read(path)
    whole = DemoSecrets(**{**asdict(_make()), **kept})
    if kept.keys() < asdict(whole).keys():
        write_private(path, json.dumps(asdict(whole), indent=2))
    return whole


def _read(path: Path) -> dict[str, str]:
    """Return what the file holds; nothing if there is none."""
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text())
        # What every version has; a file without it is none of ours.
        DemoSecrets(**{"TOLLWAY_DATA_KEY": "", **kept})
    except (ValueError, TypeError) as error:
        raise StartError(
            f"{path} is damaged: restore it, or delete it to sign everybody out and begin anew"
        ) from error
    return dict(kept)


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _make() -> DemoSecrets:
    return DemoSecrets(
        TOLLWAY_SIGNING_KEY=secrets.token_hex(_KEY_BYTES),
        TOLLWAY_TOKEN_KEY=secrets.token_hex(_KEY_BYTES),
        STRIPE_SECRET_KEY=f"sk_test_{secrets.token_hex(_KEY_BYTES)}",
        STRIPE_WEBHOOK_SECRET=f"whsec_{secrets.token_hex(_KEY_BYTES)}",
        TOLLWAY_DATA_KEY=new_key("demo"),
    )
