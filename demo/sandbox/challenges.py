"""3-D Secure: a card whose bank asks its holder first, on a page of its own."""

from dataclasses import asdict

from demo.sandbox.cards import Card
from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_CHALLENGE = "sandbox.challenge"


def begin_challenge(ledger: Ledger, session: JSONObject, card: Card, email: str | None) -> None:
    """Keep what was entered until the holder has answered; a later entry takes its place."""
    challenge = {
        "id": _challenge_id(session),
        "object": _CHALLENGE,
        "card": asdict(card),
        "email": email,
    }
    ledger.store.save(challenge, owner=session["id"])


def has_challenge(ledger: Ledger, session: JSONObject) -> bool:
    """Tell whether the holder is being asked."""
    return ledger.store.find(_CHALLENGE, _challenge_id(session)) is not None


def end_challenge(ledger: Ledger, session: JSONObject) -> tuple[Card, str | None] | None:
    """Return the card and the e-mail that wait for the answer, once; None if nothing does."""
    found = ledger.store.find(_CHALLENGE, _challenge_id(session))
    if found is None:
        return None
    ledger.store.delete(found["id"])
    return Card(**found["card"]), found["email"]


def _challenge_id(session: JSONObject) -> str:
    return f"challenge_of_{session['id']}"
