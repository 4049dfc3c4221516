"""From what went wrong to what the caller is told: the one place where errors become problems."""

from billing.api import problems
from billing.api.models.problem import FieldError
from billing.api.problems import ApiProblem, ProblemError
from billing.errors import (
    AccessError,
    BillingError,
    ClientExistsError,
    InvalidClientError,
    InvalidTokenError,
    KeyConflictError,
    NoSuchClientError,
    NotFoundError,
    NoTokenError,
    NotPermittedError,
    NotPossibleError,
    NotYoursError,
    PaymentNeededError,
    ProviderRefusedError,
    UnavailableError,
    UnknownFeatureError,
    UnknownPlanError,
)

_RETRY_AFTER_S = "1"
_OF_ACCESS: dict[type[AccessError], ApiProblem] = {
    NoTokenError: problems.TOKEN_NEEDED,
    InvalidTokenError: problems.TOKEN_REFUSED,
    NotPermittedError: problems.NOT_PERMITTED,
    NotYoursError: problems.NO_SUCH_THING,
}


def problem_of(error: BillingError) -> ProblemError | None:
    """Return what to tell the caller; None is our own fault, of which it is told nothing.

    What a provider or store said stays in the log: it is theirs, and may name others.
    """
    found: ProblemError | None = None
    match error:
        case AccessError():
            found = _of_access(error)
        case UnavailableError():
            retry = {"Retry-After": _RETRY_AFTER_S}
            found = ProblemError(problems.TRY_AGAIN, headers=retry)
        case PaymentNeededError():
            found = ProblemError(problems.PAYMENT_NEEDED, url=error.url)
        case ProviderRefusedError():
            found = ProblemError(problems.PROVIDER_REFUSED)
        case UnknownPlanError():
            told = FieldError(pointer="/plan", detail=str(error))
            found = ProblemError(problems.UNKNOWN_PLAN, errors=[told])
        case UnknownFeatureError() | InvalidClientError():
            found = ProblemError(problems.IMPOSSIBLE, str(error))
        case NotFoundError() | NoSuchClientError():
            found = ProblemError(problems.NO_SUCH_THING)
        case NotPossibleError() | ClientExistsError():
            found = ProblemError(problems.CONFLICT, str(error))
        case KeyConflictError():
            found = ProblemError(problems.KEY_REUSED)
    return found


def _of_access(error: AccessError) -> ProblemError:
    challenge = {"WWW-Authenticate": error.challenge} if error.challenge else {}
    told = None if isinstance(error, NotYoursError) else str(error)
    return ProblemError(_OF_ACCESS[type(error)], told, headers=challenge)
