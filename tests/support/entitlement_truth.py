"""What clients held, commit by commit, and what a process may have told of it: pure.

The reference that answers are held against. It knows nothing of caches, notices or versions in
use: only what was true, what a process has shown to know, and whether it could hear.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

OPEN: Final = HTTPStatus.OK
UNPAID: Final = HTTPStatus.PAYMENT_REQUIRED
BARRED: Final = HTTPStatus.FORBIDDEN
UNKNOWN: Final = HTTPStatus.SERVICE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Facts:
    """What one version says, from `since_s` on: paid until an instant, and barred or not."""

    until_s: float
    is_barred: bool
    since_s: float

    def says(self, now_s: float) -> int:
        """Return what a visitor hears by these facts."""
        if self.is_barred:
            return BARRED
        return OPEN if now_s < self.until_s else UNPAID


@dataclass(slots=True)
class Known:
    """What one process has shown to know of one client: it never goes below this version.

    `is_served` says that the process could answer by it if it could not ask anybody.
    """

    version: int = 0
    is_served: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. `version` is what the app was told that it rests on, where that was asked.

    `clock_s` is the time of the process that gave it, `now_s` the true one, `held` the version
    that the process has in memory after it.
    """

    status: int
    version: int | None
    clock_s: float
    now_s: float
    held: int | None


@dataclass(slots=True)
class Truth:
    """The committed versions of each client, the oldest first; its number is a version's place."""

    negative_ttl_s: float
    versions: dict[str, list[Facts]] = field(default_factory=dict)

    def begin(self, client: str) -> None:
        """Add a client who never paid."""
        self.versions[client] = [Facts(0.0, is_barred=False, since_s=0.0)]

    def newest(self, client: str) -> Facts:
        """Return what holds."""
        return self.versions[client][-1]

    def newest_version(self, client: str) -> int:
        """Return the number of what holds."""
        return len(self.versions[client]) - 1

    def find_fault(self, client: str, told: Told, known: Known, *, is_well: bool) -> str | None:
        """Tell what is wrong with an answer; `is_well` is a process that nothing is kept from."""
        lowest = min((v for v in (told.version, told.held) if v is not None), default=None)
        if lowest is not None and lowest < known.version:
            return f"went back to version {lowest} from {known.version}"
        if told.clock_s < told.now_s:
            return "its clock is behind the truth"
        match told.status:
            case HTTPStatus.OK:
                return self._find_over_grant(client, told)
            case HTTPStatus.PAYMENT_REQUIRED | HTTPStatus.FORBIDDEN:
                return self._find_wrong_denial(client, told, known)
            case HTTPStatus.SERVICE_UNAVAILABLE:
                return self._find_ignorance(client, told, known, is_well=is_well)
        return f"answered {told.status}"

    def _find_over_grant(self, client: str, told: Told) -> str | None:
        versions = self.versions[client]
        if told.version is None or told.version >= len(versions):
            return f"let in by version {told.version}, which was never committed"
        facts = versions[told.version]
        if facts.says(told.clock_s) != OPEN or facts.says(told.now_s) != OPEN:
            return f"let in by version {told.version}, which says otherwise"
        return None

    def _find_wrong_denial(self, client: str, told: Told, known: Known) -> str | None:
        """A refusal has to rest on what was true at most `negative_ttl_s` ago."""
        versions = self.versions[client]
        for number in range(len(versions) - 1, known.version - 1, -1):
            if versions[number].says(told.clock_s) == told.status:
                return None
            if told.now_s - versions[number].since_s > self.negative_ttl_s:
                break
        return "refused who has paid, or not for that"

    def _find_ignorance(
        self, client: str, told: Told, known: Known, *, is_well: bool
    ) -> str | None:
        if is_well:
            return "knows nothing though nothing is out of order"
        is_newest = known.version == self.newest_version(client)
        if known.is_served and is_newest and self.newest(client).says(told.clock_s) == OPEN:
            return "knows nothing of whom it knew to have paid"
        return None
