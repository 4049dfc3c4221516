"""Products and prices from the catalog file, brought into the store at each start."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

_INTERVALS = {"day", "week", "month", "year"}
_CURRENCY = re.compile("[a-z]{3}")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One price and its product; `interval` None means that it is paid once."""

    price: str
    product: str
    name: str
    amount_minor: int
    currency: str
    interval: str | None


def read_catalog(path: Path) -> list[CatalogEntry]:
    """Read a JSON list of entries.

    Raises:
        ValueError: the file is no such list, and the message names the entry at fault.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise TypeError("the catalog must be a JSON list")
    parsed = []
    for index, entry in enumerate(entries):
        try:
            parsed.append(_checked(CatalogEntry(**entry)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"catalog entry {index}: {error}") from error
    return parsed


def _checked(entry: CatalogEntry) -> CatalogEntry:
    if not all(isinstance(text, str) and text for text in (entry.price, entry.product, entry.name)):
        raise ValueError("price, product and name must be text")
    if type(entry.amount_minor) is not int or entry.amount_minor < 0:
        raise ValueError("amount_minor must be a whole number of minor units, 0 or more")
    if not _CURRENCY.fullmatch(entry.currency):
        raise ValueError("currency must be three lower-case letters")
    if entry.interval is not None and entry.interval not in _INTERVALS:
        raise ValueError(f"interval must be null or one of {', '.join(sorted(_INTERVALS))}")
    return entry


def load_catalog(ledger: Ledger, entries: list[CatalogEntry], at_s: int) -> None:
    """Insert or update every entry's product and price; what left the file turns inactive.

    A subscription keeps the price it was sold with: it holds its own copy.
    """
    with ledger.store.transaction():
        for kind, kept in (
            ("price", {entry.price for entry in entries}),
            ("product", {entry.product for entry in entries}),
        ):
            for old in list(ledger.store.oldest(kind)):
                if old["id"] not in kept:
                    ledger.save(old | {"active": False})
        for entry in entries:
            ledger.save(_product(ledger, entry, at_s))
            ledger.save(_price(ledger, entry, at_s))


def _product(ledger: Ledger, entry: CatalogEntry, at_s: int) -> JSONObject:
    old = ledger.store.find("product", entry.product)
    created = at_s if old is None else old["created"]
    return ledger.build("product", created, id=entry.product, name=entry.name, updated=at_s)


def _price(ledger: Ledger, entry: CatalogEntry, at_s: int) -> JSONObject:
    old = ledger.store.find("price", entry.price)
    price = ledger.build(
        "price",
        at_s if old is None else old["created"],
        id=entry.price,
        product=entry.product,
        currency=entry.currency,
        unit_amount=entry.amount_minor,
        unit_amount_decimal=str(entry.amount_minor),
    )
    if entry.interval is None:
        return price | {"type": "one_time", "recurring": None}
    price["recurring"]["interval"] = entry.interval
    return price
