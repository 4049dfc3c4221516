"""What an error of the API can be about: the stable types of its problem documents (RFC 9457).

The statuses of the API are chosen here and in `table/`, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from billing.api.models.problem import FieldError


@dataclass(frozen=True, slots=True)
class ApiProblem:
    """One type of problem. `name` ends its type URI; `meaning` is read by whoever follows it."""

    name: str
    status: int
    title: str
    meaning: str


UNREADABLE = ApiProblem(
    "unreadable",
    400,
    "The request cannot be read",
    "The body is not one JSON object in UTF-8, or says something twice; or a header is not what"
    " it has to be. The detail says which part.",
)
TOKEN_NEEDED = ApiProblem(
    "token-needed",
    401,
    "A token is needed",
    "Send `Authorization: Bearer …` with a token from `POST /oauth/token`.",
)
TOKEN_REFUSED = ApiProblem(
    "token-refused",
    401,
    "The token is not good",
    "It has expired, was made for somebody else, or is none of ours. Get a new one.",
)
PAYMENT_NEEDED = ApiProblem(
    "payment-needed",
    402,
    "The client has to pay first",
    "The change costs money that could not be had; nothing was changed. Where there is a `url`,"
    " the client can pay there; then send the same request again.",
)
NOT_PERMITTED = ApiProblem(
    "not-permitted",
    403,
    "Not with this token",
    "The token is good, but its role or its scopes do not cover this. The refusal is recorded.",
)
NO_SUCH_THING = ApiProblem(
    "no-such-thing",
    404,
    "There is no such thing",
    "It does not exist, or it is not yours; which of the two is not told.",
)
NO_SUCH_PATH = ApiProblem(
    "no-such-path", 404, "There is no such path", "The document at /openapi.json has them all."
)
WRONG_METHOD = ApiProblem(
    "wrong-method",
    405,
    "The path does not take this method",
    "`Allow` says which methods it takes.",
)
NOT_ACCEPTABLE = ApiProblem(
    "not-acceptable",
    406,
    "No such form of the answer",
    "Answers are `application/json`, and errors `application/problem+json`. `Accept` has to"
    " let them in.",
)
ALREADY_HELD = ApiProblem(
    "already-held",
    409,
    "The client has this plan",
    "It would pay twice. Change the subscription that is there; where there is a `url`, the"
    " client can mend its payment there.",
)
PAYMENT_SETTLING = ApiProblem(
    "payment-settling",
    409,
    "The money is on its way",
    "The client has ordered this plan, and its bank needs days. Nothing more is to be done.",
)
CONFLICT = ApiProblem(
    "conflict",
    409,
    "Something is in the way",
    "As things are, this cannot be done; the detail says why. Look at what is there first.",
)
REQUEST_UNDER_WAY = ApiProblem(
    "request-under-way",
    409,
    "The same request is under way",
    "A request with this Idempotency-Key has not been answered yet. Send it again after the"
    " given seconds; it is carried out once.",
)
PROVIDER_REFUSED = ApiProblem(
    "provider-refused",
    409,
    "The payment provider refused",
    "It understood and said no; the same request would be refused again.",
)
BODY_TOO_LARGE = ApiProblem(
    "body-too-large", 413, "The body is too large", "A body has 64 KiB at most."
)
UNKNOWN_FORM = ApiProblem(
    "unknown-form",
    415,
    "The body is in no form that is read here",
    "Send `Content-Type: application/json`, and no Content-Encoding.",
)
INVALID = ApiProblem(
    "invalid",
    422,
    "The request is not what the document asks for",
    "`errors` names each field or parameter and what is wrong with it. Nothing was done.",
)
IMPOSSIBLE = ApiProblem(
    "impossible",
    422,
    "The request names what is not there",
    "It is well formed, and `errors` names what of it does not exist here or does not go"
    " together. Nothing was done.",
)
KEY_REUSED = ApiProblem(
    "key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "It came before, with another path or body. A new request needs a new key.",
)
UNKNOWN_PLAN = ApiProblem(
    "unknown-plan", 422, "No such plan is for sale", "`GET /plans` tells what is."
)
TRY_AGAIN = ApiProblem(
    "try-again",
    503,
    "Not just now",
    "Our database or the payment provider does not answer. Send the same request again after"
    " the given seconds; with the same Idempotency-Key it is carried out once.",
)

ALL = (
    UNREADABLE,
    TOKEN_NEEDED,
    TOKEN_REFUSED,
    PAYMENT_NEEDED,
    NOT_PERMITTED,
    NO_SUCH_THING,
    NO_SUCH_PATH,
    WRONG_METHOD,
    NOT_ACCEPTABLE,
    ALREADY_HELD,
    PAYMENT_SETTLING,
    CONFLICT,
    REQUEST_UNDER_WAY,
    PROVIDER_REFUSED,
    BODY_TOO_LARGE,
    UNKNOWN_FORM,
    INVALID,
    IMPOSSIBLE,
    KEY_REUSED,
    UNKNOWN_PLAN,
    TRY_AGAIN,
)


@dataclass(slots=True)
class ProblemError(Exception):
    """Ends a request with a problem. `detail` is told to the caller: no inner matter in it."""

    problem: ApiProblem
    detail: str | None = None
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    subscription_id: str | None = None
