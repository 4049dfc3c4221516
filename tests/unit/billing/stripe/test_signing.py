"""Secrets that rotate: each is taken, and the log tells which one still signs."""

from datetime import UTC, datetime

import pytest
import stripe
from structlog.testing import capture_logs

from billing.errors import BadEventError
from billing.providers.stripe.signing import WebhookSecrets

BODY = '{"id": "evt_1"}'
NEW, OLD = "whsec_new", "whsec_old"


def signed(*secrets: str) -> str:
    """Return a header with a signature of each secret, as Stripe sends it during a roll."""
    stamp = int(datetime.now(UTC).timestamp())
    values = [
        stripe.WebhookSignature._compute_signature(f"{stamp}.{BODY}", secret) for secret in secrets
    ]
    return ",".join([f"t={stamp}", *(f"v1={value}" for value in values)])


def check(secrets: WebhookSecrets, header: str) -> list[tuple[str, int]]:
    """Check the header, and return what was logged."""
    with capture_logs() as logs:
        secrets.check(BODY.encode(), header, datetime.now(UTC))
    return [(log["event"], log["position"]) for log in logs]


def test_first_secret_is_nothing_to_tell() -> None:
    assert check(WebhookSecrets((NEW, OLD)), signed(NEW)) == []


def test_one_of_two_signatures_is_enough() -> None:
    assert check(WebhookSecrets((NEW,)), signed(OLD, NEW)) == []


def test_old_secret_is_taken_and_each_is_told_once() -> None:
    secrets = WebhookSecrets((NEW, OLD))

    told = [check(secrets, signed(secret)) for secret in (OLD, OLD, NEW, NEW, OLD)]

    behind = [("webhook_signed_with_another_than_the_first_secret", 1)]
    done = [("webhook_signed_with_the_first_secret", 0)]
    assert told == [behind, [], done, [], []]


def test_log_does_not_tell_the_secret() -> None:
    with capture_logs() as logs:
        WebhookSecrets((NEW, OLD)).check(BODY.encode(), signed(OLD), datetime.now(UTC))

    assert "whsec" not in str(logs)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_other",)])
def test_secret_that_we_have_not_is_refused(secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadEventError, match="does not match"):
        WebhookSecrets(secrets).check(BODY.encode(), signed(NEW), datetime.now(UTC))
