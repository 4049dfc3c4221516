"""Random histories: whatever is asked in whatever order, the stand-in stays one that could be."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant

from demo.sandbox.app import LEDGER, create_app
from demo.sandbox.due import settle_next
from tests.support.provider_history import ProviderHistory
from tests.support.sandbox_truth import check_invoice, check_money, check_subscription, check_told
from tests.support.stripe_account import memory_settings

_FACTOR = int(os.environ.get("TOLLWAY_FUZZ", "1"))


class History(ProviderHistory):
    """What has to hold after every step."""

    def __init__(self) -> None:
        super().__init__(create_app(memory_settings("http://x"))[LEDGER])

    @invariant()
    def every_subscription_could_be(self) -> None:
        while settle_next(self.ledger, self.ledger.clock.now_s()):
            pass
        now_s = self.ledger.clock.now_s()
        for subscription in self.store.oldest("subscription"):
            check_subscription(self.ledger, subscription, now_s)

    @invariant()
    def last_event_of_every_object_tells_how_it_is(self) -> None:
        check_told(self.store)

    @invariant()
    def every_invoice_could_be(self) -> None:
        for invoice in self.store.oldest("invoice"):
            check_invoice(self.ledger, invoice)

    @invariant()
    def money_adds_up(self) -> None:
        check_money(self.store)


History.TestCase.settings = settings(
    max_examples=15 * _FACTOR,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestHistories = History.TestCase
