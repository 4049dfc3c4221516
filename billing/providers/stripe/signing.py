"""Who signed a webhook: the header's grammar, its age, and which of our secrets matches.

Source: Stripe, "Receive Stripe events in your webhook endpoint", Verify webhook signatures
manually (read 2026-11).
"""

import re
from datetime import datetime

import stripe
import structlog

from billing.errors import BadEventError

_log = structlog.get_logger("billing.stripe")

# Stripe's own default; a signature further from our clock than this is refused in
# either direction, while Stripe's SDK lets any future time pass.
SIGNATURE_TOLERANCE_S = 300

# The grammar of `Stripe-Signature`, no wider than what Stripe sends: t=…,v1=…,v0=…
_HEADER = re.compile(r"[a-z][a-z0-9]*=[0-9a-zA-Z]+(?:,[a-z][a-z0-9]*=[0-9a-zA-Z]+)*")
_STAMP = re.compile(r"[0-9]{1,12}")


class WebhookSecrets:
    """The secrets of our endpoints, the present one first; several while they rotate."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._seen: set[int] = set()

    def check(self, body: bytes, header: str, now: datetime) -> None:
        """Check the signature over the raw bytes with each secret.

        Raises:
            BadEventError: the signature does not match, is too old or too far ahead.
        """
        _check_age(header, now)
        for position, secret in enumerate(self._secrets):
            if _matches(body, header, secret):
                self._note(position)
                return
        raise BadEventError("signature does not match")

    def _note(self, position: int) -> None:
        """Tell once of each secret that it signs: a rotation is under way, or done."""
        if position in self._seen:
            return
        self._seen.add(position)
        if position > 0:
            # Whoever put a new secret first expects it to be the one in use.
            _log.warning("webhook_signed_with_another_than_the_first_secret", position=position)
        elif len(self._seen) > 1:
            _log.info("webhook_signed_with_the_first_secret", position=position)


def _matches(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _check_age(header: str, now: datetime) -> None:
    """Check when the signature was made.

    There is exactly one time in a header that is taken: the SDK signs over the first one
    that it understands, and must not understand another than we do.
    """
    if not _HEADER.fullmatch(header):
        raise BadEventError("no signature")
    stamps = [item[2:] for item in header.split(",") if item.startswith("t=")]
    if len(stamps) != 1 or not _STAMP.fullmatch(stamps[0]):
        raise BadEventError("no signature")
    if abs(now.timestamp() - int(stamps[0])) > SIGNATURE_TOLERANCE_S:
        raise BadEventError("signature is too old, or dated ahead")
