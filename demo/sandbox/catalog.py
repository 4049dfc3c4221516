"""Products and prices from the catalog file, brought into the store at each start."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from demo.sandbox.ledger import Ledger
from demo.sandbox.shapes import JSONObject

# Ids stand in paths and in form fields, where anything else would need escaping.
_ID = r"^[A-Za-z0-9_\-]{1,100}$"


class CatalogEntry(BaseModel):
    """One price and its product; `interval` None means that it is paid once."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    price_id: Annotated[str, Field(pattern=_ID)]
    product_id: Annotated[str, Field(pattern=_ID)]
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    amount_minor: Annotated[int, Field(ge=0)]
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")]
    interval: Literal["day", "week", "month", "year"] | None


# Which ids the file held when it was loaded last.
_SETTING = "catalog"

_ENTRIES = TypeAdapter(list[CatalogEntry])


def read_catalog(path: Path) -> list[CatalogEntry]:
    """Read a JSON list of entries.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no such list; the message names every entry at fault.
    """
    try:
        return _ENTRIES.validate_json(path.read_bytes())
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, f['loc'])) or 'all'}: {f['msg']}" for f in error.errors())
        raise ValueError(f"{path}: {'; '.join(faults)}") from error


def load_catalog(ledger: Ledger, entries: list[CatalogEntry], at_s: int) -> None:
    """Insert or update every entry's product and price; what left the file turns inactive.

    What the API made is left alone. A subscription keeps the price it was sold with: it holds
    its own copy.
    """
    ids = {kind: {getattr(e, f"{kind}_id") for e in entries} for kind in ("price", "product")}
    with ledger.store.transaction():
        for kind, before in json.loads(ledger.store.find_setting(_SETTING) or "{}").items():
            for old_id in set(before) - ids[kind]:
                ledger.save(ledger.get(kind, old_id) | {"active": False})
        kept = json.dumps({kind: sorted(found) for kind, found in ids.items()})
        ledger.store.save_setting(_SETTING, kept)
        for entry in entries:
            ledger.save(_product(ledger, entry, at_s))
            ledger.save(_price(ledger, entry, at_s))


def _product(ledger: Ledger, entry: CatalogEntry, at_s: int) -> JSONObject:
    old = ledger.store.find("product", entry.product_id)
    return ledger.build(
        "product",
        at_s if old is None else old["created"],
        id=entry.product_id,
        name=entry.name,
        description=entry.description,
        updated=at_s,
    )


def _price(ledger: Ledger, entry: CatalogEntry, at_s: int) -> JSONObject:
    old = ledger.store.find("price", entry.price_id)
    price = ledger.build(
        "price",
        at_s if old is None else old["created"],
        id=entry.price_id,
        product=entry.product_id,
        currency=entry.currency,
        unit_amount=entry.amount_minor,
        unit_amount_decimal=str(entry.amount_minor),
    )
    if entry.interval is None:
        return price | {"type": "one_time", "recurring": None}
    price["recurring"]["interval"] = entry.interval
    return price
