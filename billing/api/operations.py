"""The API as one table: whoever wants to know what there is, starts here."""

from billing.api.table import access, clients, money, operators

OPERATIONS = (
    *money.OPERATIONS,
    *clients.OPERATIONS,
    *access.OPERATIONS,
    *operators.OPERATIONS,
)
