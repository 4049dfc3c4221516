"""Every error of the API: a problem document (RFC 9457)."""

from pydantic import Field

from billing.api.models.shapes import Output


class FieldError(Output):
    """What is wrong with one field of the body or one parameter."""

    pointer: str | None = Field(
        default=None, description="The field of the body, as a JSON pointer (RFC 6901)."
    )
    parameter: str | None = Field(default=None, description="The parameter of the query.")
    detail: str


class ProblemDocument(Output):
    """What went wrong. `type` is stable, and is a page that tells what to do."""

    type: str = Field(description="The kind of problem; programs go by this.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str | None = None
    request_id: str = Field(description="Finds the request in the gateway's log.")
    errors: list[FieldError] | None = None
    url: str | None = Field(
        default=None, description="A page on which the client can do what is missing, such as pay."
    )
    subscription_id: str | None = Field(
        default=None, description="What the client has already, where that is in the way."
    )
