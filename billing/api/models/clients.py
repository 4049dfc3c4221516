"""Clients and the portal."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from billing.api.models.shapes import (
    ConfiguredName,
    Id,
    Input,
    Instant,
    Line,
    Output,
    Page,
    PageQuery,
    ReturnUrl,
)

# Who may have this address is found out by writing to it; here it only has to be one.
Email = Annotated[
    str, Field(pattern=r"^[^\x00-\x20\x7f@]+@[^\x00-\x20\x7f@]+$", min_length=3, max_length=254)
]
_EXTERNAL = "Under which the client's own world knows it, such as the subject of its tokens."


class NewClient(Input):
    """A client to know from now on."""

    external_id: Line = Field(description=_EXTERNAL)
    name: Line | None = None
    email: Email | None = None
    app_id: ConfiguredName | None = Field(
        default=None, description="Where it signed up. An app's own token needs not say so."
    )


class ChangedClient(Input):
    """What shall be different about a client; what is left out stays, null removes."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Line | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what shall be different: name or email")
        return self


class Client(Output):
    """Who pays. Name and e-mail are kept encrypted, and are null once they were erased."""

    id: Id
    external_id: str = Field(description=_EXTERNAL)
    name: str | None
    email: str | None
    app_id: str | None
    status: Literal["active", "closed"]
    created_at: Instant


class ClientPage(Page):
    """Clients, the newest first."""

    items: list[Client]


class ClientQuery(PageQuery):
    """Which clients; at most one of the two."""

    external_id: Line | None = None
    email: Email | None = None


class OpenPortal(Input):
    """Where the client comes back to from the provider's portal."""

    return_url: ReturnUrl | None = None


class Portal(Output):
    """A page of the provider's on which the client manages what it pays for; good for minutes."""

    url: str
