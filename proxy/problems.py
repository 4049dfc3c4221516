"""What a refusal can be about: the stable types of our problem documents (RFC 9457)."""

from dataclasses import dataclass

from proxy.upstreams.errors import UpstreamBusyError, UpstreamError, UpstreamTimeoutError
from proxy.wire.head import HeadError, HeadTooLargeError, TargetTooLongError


@dataclass(frozen=True, slots=True)
class Problem:
    """One type of problem. `name` ends its type URI; `meaning` is read by whoever follows it."""

    name: str
    status: int
    title: str
    meaning: str


BAD_REQUEST = Problem(
    "bad-request",
    400,
    "Bad request",
    "The request can be read in more than one way, or breaks the grammar of HTTP."
    " The detail says which part.",
)
NOT_SIGNED_IN = Problem(
    "not-signed-in",
    401,
    "Sign-in required",
    "Nobody is signed in. Send a bearer token, or open checkout_url in a browser.",
)
BAD_CREDENTIAL = Problem(
    "bad-credential",
    401,
    "Credential refused",
    "The bearer token is malformed, expired, or not from an issuer of this gateway."
    " It was not treated as absent.",
)
PAYMENT_REQUIRED = Problem(
    "payment-required",
    402,
    "Payment required",
    "The client is known and does not hold what this route needs. Open checkout_url in a"
    " browser to buy it; the next request after that passes.",
)
FORBIDDEN = Problem(
    "forbidden",
    403,
    "Forbidden",
    "The client is barred from this app, or the request came from a foreign page."
    " Paying does not help; ask the operator, and name the decision_id.",
)
NOT_FOUND = Problem(
    "not-found",
    404,
    "Not found",
    "No app at this host has a route for this path and method.",
)
TOO_SLOW = Problem(
    "too-slow",
    408,
    "Request timeout",
    "The body did not arrive in time.",
)
TOO_LARGE = Problem(
    "too-large",
    413,
    "Content too large",
    "The body is longer than what is taken here.",
)
TARGET_TOO_LONG = Problem(
    "target-too-long",
    414,
    "URI too long",
    "Path and query are longer than what is taken here.",
)
EXPECTATION_FAILED = Problem(
    "expectation-failed",
    417,
    "Expectation failed",
    "The only expectation that is understood is 100-continue.",
)
TOO_MANY_CONNECTIONS = Problem(
    "too-many-connections",
    429,
    "Too many connections",
    "This address has as many connections open as one may have. Close some, or reuse them.",
)
MISDIRECTED = Problem(
    "misdirected",
    421,
    "Misdirected request",
    "The connection was opened for one host of this gateway, and the request names another."
    " Open a connection for that one (RFC 9110, section 7.4).",
)
HEAD_TOO_LARGE = Problem(
    "head-too-large",
    431,
    "Request header fields too large",
    "There are more header fields, or longer ones, than what is taken here.",
)
INTERNAL_ERROR = Problem(
    "internal-error",
    500,
    "Something went wrong here",
    "That is our fault; the log tells more under the request's id.",
)
BAD_UPSTREAM = Problem(
    "bad-upstream",
    502,
    "The app did not answer properly",
    "The request was allowed, but the app behind the gateway could not be reached or"
    " broke off. Try again; if it stays, ask the app's operator.",
)
UNAVAILABLE = Problem(
    "unavailable",
    503,
    "Cannot be decided just now",
    "What the client has paid for could not be looked up. That is our trouble, not a"
    " refusal: try again after the given seconds.",
)
UPSTREAM_BUSY = Problem(
    "upstream-busy",
    503,
    "The app takes no more requests just now",
    "The request was allowed, but every server of the app is busy or out of order. Try"
    " again after the given seconds.",
)
UPSTREAM_TIMEOUT = Problem(
    "upstream-timeout",
    504,
    "The app did not answer in time",
    "The request was allowed, but the app behind the gateway stayed silent for too long.",
)

ALL = (
    BAD_REQUEST,
    NOT_SIGNED_IN,
    BAD_CREDENTIAL,
    PAYMENT_REQUIRED,
    FORBIDDEN,
    NOT_FOUND,
    TOO_SLOW,
    TOO_LARGE,
    TARGET_TOO_LONG,
    EXPECTATION_FAILED,
    MISDIRECTED,
    TOO_MANY_CONNECTIONS,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    BAD_UPSTREAM,
    UNAVAILABLE,
    UPSTREAM_BUSY,
    UPSTREAM_TIMEOUT,
)


def of_upstream(error: UpstreamError) -> Problem:
    """Return what is wrong with an app."""
    if isinstance(error, UpstreamTimeoutError):
        return UPSTREAM_TIMEOUT
    return UPSTREAM_BUSY if isinstance(error, UpstreamBusyError) else BAD_UPSTREAM


def of_head(error: HeadError) -> Problem:
    """Return what is wrong with a request's head."""
    if isinstance(error, TargetTooLongError):
        return TARGET_TOO_LONG
    return HEAD_TOO_LARGE if isinstance(error, HeadTooLargeError) else BAD_REQUEST
