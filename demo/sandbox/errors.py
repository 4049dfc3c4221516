"""The one exception of the sandbox, in the shape in which Stripe tells errors."""

from typing import Any


class APIError(Exception):
    """An answer other than success; `status` is the HTTP status that carries it.

    `param` names the parameter at fault, in brackets where it is nested. `code` is one of
    Stripe's short codes, or None where Stripe sends none. What happened before the error is
    undone, unless `is_kept`: a declined payment was an attempt, and stays on record.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        decline_code: str | None = None,
        is_kept: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind
        self.decline_code = decline_code
        self.is_kept = is_kept

    def to_body(self) -> dict[str, Any]:  # Any: JSON
        """Return the JSON body; absent members are left out, as Stripe leaves them out."""
        error = {"type": self.kind, "message": self.message}
        if self.code is not None:
            error["code"] = self.code
        if self.decline_code is not None:
            error["decline_code"] = self.decline_code
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}


def missing(noun: str, object_id: str, *, param: str = "id", status: int = 404) -> APIError:
    """Return the error for an id that names nothing.

    Stripe answers 404 when the id stands in the path and 400 when it stands in a parameter.
    """
    return APIError(
        f"No such {noun}: '{object_id}'", status=status, code="resource_missing", param=param
    )


def declined(decline_code: str, *, is_kept: bool) -> APIError:
    """Return the error for a card that was refused; see `APIError` for `is_kept`."""
    return APIError(
        "Your card was declined.",
        status=402,
        code="card_declined",
        kind="card_error",
        decline_code=decline_code,
        is_kept=is_kept,
    )
