"""Payments as whoever asks for them sees them."""

from datetime import UTC, datetime

from billing.errors import NotFoundError
from billing.storage import receipts
from billing.storage.ids import parse_id
from billing.storage.pool import Database
from billing.storage.receipts import Place, Receipt
from billing.views import PaymentPage, PaymentView, status_of

_MOST = 100


class Payments:
    """Tells of payments: checkouts from their opening on, and renewals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_payment(self, payment_id: str) -> PaymentView | None:
        """Return the payment, whosever it is."""
        async with self._database.connection() as connection:
            found = await receipts.find_receipt(connection, payment_id)
        return _to_view(found) if found else None

    async def list_payments(
        self,
        *,
        client_id: str | None = None,
        app_id: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> PaymentPage:
        """Return payments of the client and for the app, or all, the newest first.

        `limit` is from 1 to 100.

        Raises:
            NotFoundError: the cursor is none of ours.
        """
        count = min(max(limit, 1), _MOST)
        after = _to_place(cursor) if cursor is not None else None
        if client_id is not None and parse_id(client_id) is None:
            return PaymentPage((), None)
        async with self._database.connection() as connection:
            found = await receipts.list_receipts(
                connection, client_id=client_id, app_id=app_id, after=after, limit=count + 1
            )
        page = found[:count]
        more = _to_cursor(page[-1]) if len(found) > count else None
        return PaymentPage(tuple(_to_view(receipt) for receipt in page), more)


def _to_view(receipt: Receipt) -> PaymentView:
    plan, quantity = receipt.bought[0] if receipt.bought else (None, 1)
    return PaymentView(
        id=receipt.id,
        client_id=receipt.client_id,
        plan=plan,
        quantity=quantity,
        bought=receipt.bought,
        amount_minor=receipt.amount_minor,
        currency=receipt.currency,
        status=status_of(
            receipt.checkout,
            receipt.payment,
            receipt.dispute,
            amount_minor=receipt.amount_minor,
            refunded_minor=receipt.refunded_minor,
        ),
        checkout_url=receipt.url if receipt.checkout == "open" else None,
        subscription_id=receipt.subscription_id,
        refunded_minor=receipt.refunded_minor,
        created_at=receipt.created_at,
        paid_at=receipt.paid_at,
    )


def _to_cursor(receipt: Receipt) -> str:
    """Return the place after the receipt: its instant in microseconds, and its id."""
    since_epoch = receipt.created_at - datetime.fromtimestamp(0, UTC)
    microseconds = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**6
    return f"{microseconds + since_epoch.microseconds}.{receipt.id}"


def _to_place(cursor: str) -> Place:
    count, _, receipt_id = cursor.partition(".")
    if not (count.isascii() and count.isdecimal() and len(count) < 18 and parse_id(receipt_id)):
        raise NotFoundError("this cursor was not given out here")
    whole, rest = divmod(int(count), 10**6)
    try:
        instant = datetime.fromtimestamp(whole, UTC).replace(microsecond=rest)
    except (ValueError, OverflowError, OSError) as error:
        raise NotFoundError("this cursor was not given out here") from error
    return Place(instant, receipt_id)
