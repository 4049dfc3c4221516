"""What the pages need of the world: a shop, the clients' accounts, and the visitors' sessions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing.model import AlreadyHeld, Hosted, Plan, Returned, Settling, Subscription

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


class Shop(Protocol):
    """Sells plans. Each call raises `UnavailableError` when trying again may help."""

    def plans(self, app_id: str, feature: str) -> Sequence[Plan]:
        """Return the plans on sale that unlock the feature of the app, as configured."""
        ...

    async def begin(
        self,
        client_id: str,
        plan_id: str,
        *,
        return_host: str,
        return_to: str,
        quantity: int = 1,
    ) -> Hosted | AlreadyHeld | Settling:
        """Open the plan's hosted checkout, or find the one that is open already.

        Raises:
            UnknownPlanError: no such plan is for sale.
            NotPossibleError: so many of it are not sold.
            ProviderRefusedError: the provider will not sell this.
        """
        ...

    async def find_abandoned(self, checkout_id: str) -> Returned | None:
        """Return where a visitor who left the hosted page came from; None if no such checkout."""
        ...

    async def finish(self, psp_session_id: str) -> Returned | None:
        """Apply what was paid for; None when no checkout of ours has this id."""
        ...


class Account(Protocol):
    """What clients do with what they pay for.

    Each call raises `UnavailableError` when trying again may help; changes raise
    `NotFoundError` for what is not the client's, and `ProviderRefusedError` or
    `NotPossibleError` for what cannot be.
    """

    async def subscriptions(self, client_id: str) -> Sequence[Subscription]:
        """Return the client's subscriptions, the newest first."""
        ...

    async def bought_for_ever(self, client_id: str) -> Sequence[str]:
        """Return the names of the plans that the client bought once and still has."""
        ...

    async def cancel(self, client_id: str, subscription_id: str) -> None:
        """Let the subscription end with its paid period."""
        ...

    async def end(self, client_id: str, subscription_id: str) -> None:
        """End the subscription now."""
        ...

    async def resume(self, client_id: str, subscription_id: str) -> None:
        """Take back a cancellation."""
        ...

    async def change(
        self, client_id: str, subscription_id: str, plan_id: str, quantity: int
    ) -> None:
        """Change the subscription into so many of the plan.

        Raises:
            PaymentNeededError: the difference could not be paid; `url` is where it can be.
            UnknownPlanError: no such plan is for sale.
        """
        ...

    async def mend(self, client_id: str) -> str | None:
        """Return the provider's page where the client mends its payment; None if it never paid."""
        ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in. `name` is shown to themselves alone."""

    client_id: str
    name: str


class Visitors(Protocol):
    """Sessions on the gateway's own host. Calls raise `UnavailableError`."""

    async def find(self, token: str) -> Visitor | None:
        """Return the visitor of a live session of the gateway's own host, or None."""
        ...

    async def sign_in(self, external_id: str) -> str:
        """Begin a session and return its token; the client is new if never seen before."""
        ...

    async def sign_out(self, token: str) -> None:
        """End the session, and with it those carried from it to the apps' hosts."""
        ...

    async def issue_ticket(self, token: str, *, host: str, target: str, fingerprint: str) -> str:
        """Return a ticket that carries the session to `host`, once and within a minute.

        Only the browser whose flow cookie has the `fingerprint` may use it there.
        """
        ...

    async def enter(self, ticket: str, *, host: str, fingerprint: str) -> tuple[str, str] | None:
        """Use the ticket up; return a session token for `host` and the page asked for.

        None if the ticket was used, is too old, or is another host's or browser's.
        """
        ...


@dataclass(frozen=True, slots=True)
class AppInfo:
    """An app as its visitors know it; `url` ends without a slash."""

    id: str
    name: str
    description: str
    host: str
    url: str


@dataclass(frozen=True, slots=True)
class DemoMode:
    """Present only in demo mode, where anybody may sign in by giving a name.

    `sandbox_url` shows the sandbox's payments and its clock. `issue_token` returns a
    bearer token for a client's external id; None where nobody's key is known.
    """

    sandbox_url: str
    issue_token: Callable[[str], str] | None


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the pages are configured with; `public_url` ends without a slash."""

    public_url: str
    public_host: str
    signing_key: bytes
    session_cookie: str
    flow_cookie: str
    session_ttl_s: int
    apps: tuple[AppInfo, ...]
    demo: DemoMode | None

    @property
    def is_secure(self) -> bool:
        """Tell whether visitors come over https, so that cookies may demand it."""
        return self.public_url.startswith("https://")
