"""The table of API operations."""

from demo.sandbox.edge_operations import EDGE_OPERATIONS
from demo.sandbox.operations.account import ACCOUNT
from demo.sandbox.operations.call import Operation
from demo.sandbox.operations.catalog import CATALOG
from demo.sandbox.operations.checkout import CHECKOUT
from demo.sandbox.operations.customers import CUSTOMERS
from demo.sandbox.operations.invoices import INVOICES
from demo.sandbox.operations.payments import PAYMENTS
from demo.sandbox.operations.subscriptions import SUBSCRIPTIONS

OPERATIONS: tuple[Operation, ...] = (
    *CUSTOMERS,
    *CATALOG,
    *CHECKOUT,
    *SUBSCRIPTIONS,
    *INVOICES,
    *PAYMENTS,
    *ACCOUNT,
    *EDGE_OPERATIONS,
)
