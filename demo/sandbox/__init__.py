"""A payment provider for demonstration and tests: Stripe's wire shapes, and no money at all.

__main__         the command line: `python -m demo.sandbox --help`
app              one aiohttp application of the parts below, and its background tasks
api              HTTP in, Stripe answers out: key, parameters, idempotency, expansion, errors
operations/      the table of API operations: method, path, parameters, what it does
edge_operations  its rows for events, webhook endpoints and the portal
keys             the API key
faults           faults of the API on demand
control          `/_sandbox`: knobs, held deliveries, faults, and what else Stripe has no API for
params           which parameters an operation takes, and their types
form             Stripe's bracketed form encoding as nested values
expand           `expand[]`: ids replaced by the objects they name
listing          lists with cursors and filters
errors           the one exception, in Stripe's error shape
ledger           builds, saves and announces objects; what the domain files stand on
shapes           the published example objects that every answer starts from
store            SQLite: objects, settings, kept answers
deliveries       SQLite: which event still has to reach which endpoint
outbox           from an event to its deliveries: for whom, in which shape, with what luck
endpoints        webhook endpoints: made, changed, deleted
destinations     what a delivery needs of its endpoint: wanted events, payload, secrets
versions         events in the shape of an endpoint's API version
thin             thin events
knobs            how badly events travel
events           the list of events
upcoming         the invoice of the next period, which has no id
clock            the sandbox's own time, and calendar months
schedule         when time alone will change an object
due              what falls due, settled in the order of its time
account          settings: how often a payment is tried again, and what follows the last try
catalog          products and prices from the catalog file
products         products and prices that the API makes
customers        customers
cards            the test cards
payment_methods  cards of customers: attached, detached, replaced
bank_accounts    the test bank accounts
links            addresses that callers give
sessions         checkout sessions: opened and expired
purchases        what a buyer does on a session's page
challenges       3-D Secure: the bank asks the card's holder first
debits           SEPA debits, which settle days later
subscriptions    subscriptions: started and ended
items            their items, each with a period of its own
trials           trials, and the notice before one ends
updates          what the API changes on a subscription
changes          what a change of items comes to: periods, prorations
pending          changes that wait for their invoice to be paid
pauses           subscriptions paused for real, and resumed
renewals         what time does to a subscription
standing         what becomes of a subscription after its invoice: active, past due, given up
invoices         invoices: drawn up, finalized, closed without payment
lines            their lines: a whole period, a part of one, a trial
collection       one attempt to collect an invoice, and when the next is due
payments         payment intents and their charges
refunds          money back, at once or later
disputes         disputes and early fraud warnings
hosted_page      the page on which a buyer pays
invoice_page     the page on which a customer pays an open invoice
portal           the customer portal: its sessions, and what its buttons do
portal_page      its page
pages            what all pages share
dashboard        the page on which a developer looks around and moves the clock
dashboard_buttons its buttons for refunds, disputes, and how events travel
delivery         signs events and posts them until their endpoints take them

`shapes.json` is derived from Stripe's published fixtures (MIT, see STRIPE_LICENSE).
"""
