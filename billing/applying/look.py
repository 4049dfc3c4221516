"""What the observer needs of each kind of object, and what all kinds share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from billing.catalog import Catalog
from billing.facts import ObjectRef, PauseKind
from billing.metrics import Alarm
from billing.ports import ProviderReader
from billing.result import Change
from billing.storage.pool import Connection
from billing.transitions import Sighting


@dataclass(frozen=True, slots=True)
class Account:
    """The account that is read, and what of it is ours.

    `site` is this gateway's mark on what it sells; another mark on an object makes it
    another gateway's. A subscription that rests in one of `open_pauses` opens doors.
    """

    provider: ProviderReader
    catalog: Catalog
    site: str | None
    open_pauses: frozenset[PauseKind]

    def owns(self, livemode: bool, site: str | None) -> bool:  # noqa: FBT001 - as the provider names it
        """Tell whether an object of that mode and mark may be ours."""
        is_ours = site is None or self.site is None or site == self.site
        return livemode is self.provider.livemode and is_ours


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that a person has to know of; told once what brought it up is committed."""

    alarm: Alarm
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving an object changed, and what is wrong with it."""

    changes: tuple[Change, ...]
    concerns: tuple[Concern, ...] = ()


class Look(Protocol):
    """One look at one object: the observer calls its methods in this order, each once."""

    @property
    def ref(self) -> ObjectRef:
        """Return the object's own reference; nobody else looks at it meanwhile."""
        ...

    async def fetch(self) -> None:
        """Ask the provider for the object as it is now, and keep the answer."""
        ...

    async def find_client(self, connection: Connection) -> str | None:
        """Return whose it is; None where it is none of ours."""
        ...

    async def save(
        self, connection: Connection, client_id: str, sighting: Sighting
    ) -> Saved | None:
        """Make our row equal to the object; None if a later look is there already."""
        ...

    def action(self) -> str:
        """Return what the audit log calls a change of it."""
        ...
