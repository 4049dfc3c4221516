"""The test bank accounts for SEPA debits: what the form takes, and which number does what."""

import re
from dataclasses import dataclass

# Stripe's numbers ("SEPA Direct Debit payments", Test your integration). Both settle days
# later by the sandbox's clock.
SETTLES = "AT611904300234573201"
FAILS = "AT861904300235473202"

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account that passed the form's checks. The number itself is never stored."""

    country: str
    bank_code: str
    last4: str


def parse_iban(number: str) -> BankAccount | str:
    """Return the account, or the sentence that tells the buyer what is wrong with the field."""
    iban = number.replace(" ", "").upper()
    if not (_IBAN.fullmatch(iban) and _has_check_digits(iban)):
        return "The IBAN you entered is invalid."
    return BankAccount(country=iban[:2], bank_code=iban[4:9], last4=iban[-4:])


def _has_check_digits(iban: str) -> bool:
    # ISO 13616-1: the first four places go to the end, letters count from A = 10.
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1
