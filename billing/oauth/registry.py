"""The credentials of programs, as operators keep them: each change is audited."""

from collections.abc import Sequence
from datetime import timedelta

from billing.errors import CredentialError
from billing.model import Cause
from billing.oauth.credential import hash_of, new_secret
from billing.ports import Clock
from billing.storage.audit import write_audit
from billing.storage.credentials import (
    Credential,
    create_credential,
    disable_credential,
    find_credential,
    find_credential_named,
    list_credentials,
    replace_secret,
)
from billing.storage.pool import Connection, Database
from policies.permission import SCOPES_OF, Role

# As the table has it; names stand in lists and logs, one a line.
_NAME_CHARS = 100


class Registry:
    """Adds, changes and disables credentials; nothing removes one, since the audit log names it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> Sequence[Credential]:
        """Return all by name, the disabled ones too."""
        async with self._database.connection() as connection:
            return await list_credentials(connection)

    async def add(
        self, name: str, role: Role, app_id: str | None, scopes: frozenset[str], cause: Cause
    ) -> tuple[Credential, str]:
        """Keep a new credential, and return it with its secret, which nobody is told again.

        Raises:
            CredentialError: the name is taken, or none; the role needs an app, or may not have
                one; or a scope is of no use to it.
        """
        _check(name, role, app_id, scopes)
        secret, now = new_secret(), self._clock()
        async with self._database.transaction() as connection:
            id_ = await create_credential(connection, name, role.value, app_id, scopes, now)
            await replace_secret(connection, id_, hash_of(secret), now=now, others_end_at=now)
            made = Credential(id_, name, role.value, app_id, scopes, now, None)
            await write_audit(connection, "credential.added", None, cause, after=_told(made))
        return made, secret

    async def rotate_secret(
        self, id_or_name: str, overlap: timedelta, cause: Cause
    ) -> tuple[Credential, str]:
        """Make another secret; the one before is good for `overlap` more, older ones no more.

        Raises:
            CredentialError: there is no such credential, or it is disabled.
        """
        secret, now = new_secret(), self._clock()
        async with self._database.transaction() as connection:
            found = await _get_live(connection, id_or_name)
            ends_at = now + overlap
            await replace_secret(
                connection, found.id, hash_of(secret), now=now, others_end_at=ends_at
            )
            told = {"id": found.id, "name": found.name, "former_ends_at": ends_at.isoformat()}
            await write_audit(connection, "credential.secret_rotated", None, cause, after=told)
        return found, secret

    async def disable(self, id_or_name: str, cause: Cause) -> Credential:
        """Let it get no token any more; those that it has end too, within seconds.

        Raises:
            CredentialError: there is no such credential, or it is disabled already.
        """
        async with self._database.transaction() as connection:
            found = await _get_live(connection, id_or_name)
            if not await disable_credential(connection, found.id, self._clock()):
                raise CredentialError(f"the credential {found.name!r} is disabled already")
            await write_audit(connection, "credential.disabled", None, cause, before=_told(found))
        return found


def check_scopes(role: Role, scopes: frozenset[str]) -> None:
    """Raise CredentialError if one of them is of no use to the role."""
    useless = sorted(scopes - SCOPES_OF[role])
    if useless:
        raise CredentialError(f"of no use to the role {role}: {', '.join(useless)}")


async def _get_live(connection: Connection, id_or_name: str) -> Credential:
    found = await find_credential(connection, id_or_name)
    found = found or await find_credential_named(connection, id_or_name)
    if found is None:
        raise CredentialError(f"there is no credential {id_or_name!r}")
    if found.disabled_at is not None:
        raise CredentialError(f"the credential {found.name!r} is disabled already")
    return found


def _check(name: str, role: Role, app_id: str | None, scopes: frozenset[str]) -> None:
    if not 0 < len(name) <= _NAME_CHARS or not name.isprintable():
        raise CredentialError(f"a name has 1 to {_NAME_CHARS} printable characters")
    if role is Role.CLIENT:
        raise CredentialError("clients have no credentials here: their tokens come from elsewhere")
    if (role is Role.APP) != (app_id is not None):
        raise CredentialError("the role app needs an app, and the role admin has none")
    if not scopes:
        raise CredentialError("without a scope it could do nothing")
    check_scopes(role, scopes)


def _told(credential: Credential) -> dict[str, object]:
    return {
        "id": credential.id,
        "name": credential.name,
        "role": credential.role,
        "app_id": credential.app_id,
        "scopes": sorted(credential.scopes),
    }
