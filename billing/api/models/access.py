"""Grants, blocks, and what is decided on them."""

from typing import Literal

from pydantic import Field

from billing.api.models.shapes import (
    ConfiguredName,
    Count,
    Id,
    Input,
    Instant,
    Line,
    Output,
    Query,
    Reason,
    Wanted,
)

Value = bool | Count | Line


class GiveGrant(Input):
    """What a client may use without paying: half-open [from_at, until_at)."""

    app_id: ConfiguredName
    feature: ConfiguredName = "access"
    value: Value = True
    from_at: Wanted | None = Field(default=None, description="Left out, from now on.")
    until_at: Wanted | None = Field(default=None, description="Null is for ever.")
    reason: Reason


class Grant(Output):
    """What an operator lets a client use. A grant is ended, never deleted."""

    id: Id
    client_id: Id
    app_id: str
    feature: str
    value: bool | int | str
    from_at: Instant
    until_at: Instant | None = Field(description="Null is for ever.")
    ended_at: Instant | None = Field(description="When it was ended early, if it was.")
    reason: str
    actor: str = Field(description="Who gave it.")


class GrantList(Output):
    """A client's grants by hand, the newest first, ended ones too."""

    items: list[Grant]


class EndReason(Query):
    """Why something ends."""

    reason: Reason = Field(examples=["the outage is over"])


class LayBlock(Input):
    """A bar over everything that a client holds of an app, or of all."""

    app_id: ConfiguredName | None = Field(default=None, description="Null is every app.")
    service: Literal["fraud", "dispute", "admin", "dunning"] = "admin"
    from_at: Wanted | None = Field(default=None, description="Left out, from now on.")
    until_at: Wanted | None = Field(default=None, description="Null is until it is lifted.")
    reason: Reason


class Block(Output):
    """A bar. It is lifted, never deleted."""

    id: Id
    client_id: Id
    app_id: str | None
    service: Literal["fraud", "dispute", "admin", "dunning"]
    from_at: Instant
    until_at: Instant | None
    reason: str
    actor: str


class BlockList(Output):
    """All blocks of a client, lifted ones too."""

    items: list[Block]


class EntitlementQuery(Query):
    """What is asked; an app is told of itself alone."""

    app: ConfiguredName | None = Field(default=None, description="Left out, every app.")
    feature: ConfiguredName = "access"


class Verdict(Output):
    """What the gate would say now to a request for the feature of the app."""

    app_id: str
    feature: str
    outcome: Literal["allow", "sign_in", "pay", "forbid", "unavailable"]
    reason: str = Field(description="One of a closed list of words.")
    plan: str | None
    status: str | None
    features: dict[str, bool | int | str]
    valid_until: Instant | None = Field(
        description="When this can next change by time alone; null is never."
    )


class HeldGrant(Output):
    """A grant as decisions see it."""

    app_id: str
    feature: str
    value: bool | int | str
    from_at: Instant
    until_at: Instant | None
    plan: str | None
    status: str | None


class HeldBlock(Output):
    """A block as decisions see it; why it was laid is told to operators only."""

    app_id: str | None
    service: str
    from_at: Instant
    until_at: Instant | None


class Entitlements(Output):
    """What a client may use, what is decided on it now, and until when."""

    client_id: Id
    version: int = Field(description="Grows with every change of the client's facts.")
    decided_at: Instant
    decisions: list[Verdict]
    grants: list[HeldGrant]
    blocks: list[HeldBlock]
