"""The test cards: what the form takes, and which number does what."""

from dataclasses import dataclass
from datetime import UTC, datetime

from demo.sandbox.bank_accounts import FAILS

# Stripe's numbers ("Test card numbers"), so that what people know by heart works here.
DECLINED = "4000000000000002"
DECLINED_AT_RENEWAL = "4000000000000341"

# What the card or account that ends so answers whenever it is charged while nobody is there.
# Stripe's own tokens ("pm_card_…") lead to the same cards.
_REFUSALS = {
    DECLINED[-4:]: "generic_decline",
    DECLINED_AT_RENEWAL[-4:]: "generic_decline",
    "9995": "insufficient_funds",
    "3184": "authentication_required",
    FAILS[-4:]: "debit_not_authorized",
}
_TOKENS = {
    "visa": "4242424242424242",
    "mastercard": "5555555555554444",
    "chargeDeclined": DECLINED,
    "visa_chargeDeclined": DECLINED,
    "chargeCustomerFail": DECLINED_AT_RENEWAL,
    "visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "authenticationRequired": "4000002760003184",
    "pendingRefund": "4000000000007726",
    "refundFail": "4000000000005126",
    "createDispute": "4000000000000259",
    "createDisputeInquiry": "4000000000001976",
    "createIssuerFraudRecord": "4000000000005423",
}

# The banks of these ask their holders first, whenever one is there to be asked.
_CHALLENGED = frozenset({"4000002500003155", "4000002760003184"})

# What the form is filled with, and what it takes a field for that was not sent at all.
EXPIRY_DEFAULT = "12 / 49"
CVC_DEFAULT = "123"

_BRANDS = {"4": "visa", "5": "mastercard", "2": "mastercard", "3": "amex", "6": "discover"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card that passed the form's checks. The number itself is never stored."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_declined: bool
    is_challenged: bool = False


RENEWALS_PASS = Card("visa", "4242", 12, 2049, is_declined=False)
RENEWALS_FAIL = Card("visa", DECLINED_AT_RENEWAL[-4:], 12, 2049, is_declined=False)


def parse_card(number: str, expiry: str, cvc: str, now_s: int) -> Card | str:
    """Return the card, or the sentence that tells the buyer what is wrong with the fields."""
    digits = number.replace(" ", "").replace("-", "")
    if not _is_card_number(digits):
        return "Your card number is invalid."
    month_text, _, year_text = expiry.replace(" ", "").partition("/")
    if not (_is_number(month_text, 2) and _is_number(year_text, 4)):
        return "Your card's expiration date is incomplete. Write it as MM / YY."
    month, year = int(month_text), int(year_text)
    year += 2000 if year < 100 else 0
    if not 1 <= month <= 12:
        return "Your card's expiration month is invalid."
    now = datetime.fromtimestamp(now_s, UTC)
    if (year, month) < (now.year, now.month):
        return "Your card's expiration date is in the past."
    if not (_is_number(cvc, 4) and len(cvc) >= 3):
        return "Your card's security code is invalid."
    brand = _BRANDS.get(digits[0], "unknown")
    return Card(
        brand,
        digits[-4:],
        month,
        year,
        is_declined=digits == DECLINED,
        is_challenged=digits in _CHALLENGED,
    )


def refusal_of(last4: str) -> str | None:
    """Return the decline code of a charge on what ends so, or None if it is paid."""
    return _REFUSALS.get(last4)


def number_of(token: str) -> str | None:
    """Return the card that `pm_card_…` or `tok_…` stands for, or None for an unknown name."""
    return _TOKENS.get(token.removeprefix("pm_card_").removeprefix("tok_"))


def _is_number(text: str, length_limit: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= length_limit


def _is_card_number(digits: str) -> bool:
    if not (_is_number(digits, 19) and len(digits) >= 12):
        return False
    # The Luhn check (ISO/IEC 7812-1, annex B): every second digit from the right doubles.
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0
