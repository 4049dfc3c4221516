"""A random history at the stand-in: everything that customers, operators and time can do to it."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from demo.sandbox.due import settle_next
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.operations.call import Call
from demo.sandbox.operations.table import OPERATIONS
from tests.support.stripe_account import CATALOG, DAY_S, Body

_BY_PATH = {(operation.method, operation.path): operation for operation in OPERATIONS}

_CARDS = st.sampled_from(
    ["visa", "visa", "chargeCustomerFail", "authenticationRequired", "createDispute", "refundFail"]
)
_PRICES = st.sampled_from([entry.price_id for entry in CATALOG if entry.interval])
_SETS = st.lists(_PRICES, min_size=1, max_size=2, unique=True)
_INDEX = st.integers(0, 5)
_PRORATIONS = st.sampled_from(["always_invoice", "create_prorations", "none"])
_PAYMENTS = st.sampled_from(
    ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"]
)
# Rules are drawn with equal weight, and one that ends everything shall not.
_SELDOM = st.sampled_from([False] * 7 + [True])
DAYS = st.sampled_from([0.01, 0.5, 1, 3, 9, 31, 95])


class ProviderHistory(RuleBasedStateMachine):
    """One account, one customer, and everybody who acts on it.

    `marks` is the metadata that every subscription is made with.
    """

    marks: dict[str, str]

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.store = ledger.store
        self.marks = {}
        self.customer = self.do("POST", "/v1/customers", email="ann@example.org")

    def do(self, method: str, path: str, object_id: str = "", **params: Any) -> Body | None:
        """Run an operation as the API does; what it refuses is None."""
        operation = _BY_PATH[(method, path)]
        unknown = params.keys() - operation.spec.keys()
        assert not unknown, unknown
        while settle_next(self.ledger, self.ledger.clock.now_s()):
            pass
        try:
            with self.store.transaction():
                try:
                    return operation.run(Call(self.ledger, params, object_id, "http://x", path))
                except APIError as error:
                    if not error.is_kept:
                        raise
        except APIError:
            pass
        return None

    def pick(self, kind: str, index: int) -> Body | None:
        """Return one of the objects of the kind, or None if there are none."""
        found = list(self.store.oldest(kind))
        return found[index % len(found)] if found else None

    def on(self, kind: str, index: int, method: str, path: str, **params: Any) -> None:
        """Run the operation on one of the objects of the kind."""
        found = self.pick(kind, index)
        if found is not None:
            self.do(method, path, found["id"], **params)

    @rule(card=_CARDS, is_default=st.booleans())
    def attach(self, card: str, *, is_default: bool) -> None:
        assert self.customer is not None
        path = "/v1/payment_methods/{id}/attach"
        method = self.do("POST", path, f"pm_card_{card}", customer=self.customer["id"])
        if method is not None and is_default:
            chosen = {"default_payment_method": method["id"]}
            self.do("POST", "/v1/customers/{id}", self.customer["id"], invoice_settings=chosen)

    @initialize(card=_CARDS, prices=_SETS)
    def begin(self, card: str, prices: list[str]) -> None:
        """Begin with a customer who has bought something: most of what can happen needs one."""
        self.attach(card, is_default=True)
        self.subscribe(prices, "allow_incomplete", None, "cancel", ends=False)

    @rule(index=_INDEX)
    def detach(self, index: int) -> None:
        self.on("payment_method", index, "POST", "/v1/payment_methods/{id}/detach")

    @rule(
        prices=_SETS,
        payment=_PAYMENTS.filter(lambda name: name != "pending_if_incomplete"),
        trial=st.sampled_from([None, None, 2, 14]),
        missing=st.sampled_from(["cancel", "create_invoice", "pause"]),
        ends=st.booleans(),
    )
    def subscribe(
        self, prices: list[str], payment: str, trial: int | None, missing: str, *, ends: bool
    ) -> None:
        assert self.customer is not None
        params: Body = {
            "customer": self.customer["id"],
            "items": [{"price": price} for price in prices],
            "payment_behavior": payment,
            "trial_settings": {"end_behavior": {"missing_payment_method": missing}},
            "cancel_at_period_end": ends,
            "metadata": self.marks,
        }
        if trial:
            params["trial_period_days"] = trial
        self.do("POST", "/v1/subscriptions", **params)

    @rule(
        index=_INDEX, price=_PRICES, quantity=st.integers(1, 3), payment=_PAYMENTS, how=_PRORATIONS
    )
    def change_item(self, index: int, price: str, quantity: int, payment: str, how: str) -> None:
        found = self.pick("subscription", index)
        if found is not None:
            item = {"id": found["items"]["data"][0]["id"], "price": price, "quantity": quantity}
            self.do(
                "POST",
                "/v1/subscriptions/{id}",
                found["id"],
                items=[item],
                payment_behavior=payment,
                proration_behavior=how,
            )

    @rule(index=_INDEX, price=_PRICES, payment=_PAYMENTS, how=_PRORATIONS)
    def add_item(self, index: int, price: str, payment: str, how: str) -> None:
        self.on(
            "subscription",
            index,
            "POST",
            "/v1/subscriptions/{id}",
            items=[{"price": price}],
            payment_behavior=payment,
            proration_behavior=how,
        )

    @rule(index=_INDEX)
    def delete_item(self, index: int) -> None:
        found = self.pick("subscription", index)
        if found is not None:
            item = {"id": found["items"]["data"][-1]["id"], "deleted": True}
            self.do("POST", "/v1/subscriptions/{id}", found["id"], items=[item])

    @rule(
        index=_INDEX,
        params=st.sampled_from(
            [
                {"cancel_at_period_end": True},
                {"cancel_at_period_end": False},
                {"cancel_at": "max_period_end"},
                {"cancel_at": "min_period_end"},
                {"cancel_at": None},
                {"pause_collection": {"behavior": "void"}},
                {"pause_collection": {"behavior": "keep_as_draft"}},
                {"pause_collection": {"behavior": "mark_uncollectible"}},
                {"pause_collection": None},
                {"trial_end": "now"},
                {"billing_cycle_anchor": "now"},
                {"metadata": {"a": "b"}},
            ]
        ),
    )
    def update(self, index: int, params: Body) -> None:
        self.on("subscription", index, "POST", "/v1/subscriptions/{id}", **params)

    @rule(index=_INDEX, days=st.integers(1, 60))
    def put_on_trial(self, index: int, days: int) -> None:
        end_s = self.ledger.clock.now_s() + days * DAY_S
        self.on("subscription", index, "POST", "/v1/subscriptions/{id}", trial_end=end_s)

    @rule(index=_INDEX)
    def pause(self, index: int) -> None:
        self.on("subscription", index, "POST", "/v1/subscriptions/{id}/pause")

    @rule(
        index=_INDEX,
        payment=st.sampled_from(["resume_on_payment_attempt", "resume_on_payment_success"]),
        anchor=st.sampled_from(["now", "unchanged"]),
    )
    def resume(self, index: int, payment: str, anchor: str) -> None:
        self.on(
            "subscription",
            index,
            "POST",
            "/v1/subscriptions/{id}/resume",
            payment_behavior=payment,
            billing_cycle_anchor={"type": anchor},
        )

    @rule(index=_INDEX)
    def cancel(self, index: int) -> None:
        self.on("subscription", index, "DELETE", "/v1/subscriptions/{id}")

    @rule(index=_INDEX, act=st.sampled_from(["pay", "void", "mark_uncollectible", "finalize"]))
    def act_on_invoice(self, index: int, act: str) -> None:
        newest = len(list(self.store.oldest("invoice"))) - 1 - index
        self.on("invoice", max(0, newest), "POST", f"/v1/invoices/{{id}}/{act}")

    @rule(index=_INDEX)
    def pay_elsewhere(self, index: int) -> None:
        self.on("invoice", index, "POST", "/v1/invoices/{id}/pay", paid_out_of_band=True)

    @rule(
        index=_INDEX,
        amount=st.sampled_from([None, 100]),
        outcome=st.sampled_from(["succeeded", "pending", "failed_later", "pending_failed"]),
    )
    def refund(self, index: int, amount: int | None, outcome: str) -> None:
        charge = self.pick("charge", index)
        if charge is not None:
            params: Body = {"charge": charge["id"], "metadata": {"sandbox_outcome": outcome}}
            self.do("POST", "/v1/refunds", **params | ({"amount": amount} if amount else {}))

    @rule(index=_INDEX, outcome=st.sampled_from(["won", "lost"]))
    def close_dispute(self, index: int, outcome: str) -> None:
        self.on("dispute", index, "POST", "/_sandbox/disputes/{id}/close", outcome=outcome)

    @rule(index=_INDEX)
    def dispute(self, index: int) -> None:
        charge = self.pick("charge", index)
        if charge is not None:
            self.do("POST", "/_sandbox/disputes", charge=charge["id"])

    @rule(index=_INDEX)
    def warn_of_fraud(self, index: int) -> None:
        charge = self.pick("charge", index)
        if charge is not None:
            self.do("POST", "/_sandbox/early_fraud_warnings", charge=charge["id"])

    @rule(end=st.sampled_from(["cancel", "unpaid", "past_due"]))
    def set_dunning(self, end: str) -> None:
        self.do("POST", "/_sandbox/account", dunning_end=end)

    @rule(is_sure=_SELDOM)
    def delete_customer(self, *, is_sure: bool) -> None:
        """Delete the customer, and go on as another one: it ends all that there is."""
        if not is_sure:
            return
        assert self.customer is not None
        self.do("DELETE", "/v1/customers/{id}", self.customer["id"])
        self.customer = self.do("POST", "/v1/customers", email="ben@example.org")

    @rule(days=DAYS)
    def let_time_pass(self, days: float) -> None:
        self.ledger.clock.advance(int(days * DAY_S))
        while settle_next(self.ledger, self.ledger.clock.now_s()):
            pass

    def teardown(self) -> None:
        self.store.close()
