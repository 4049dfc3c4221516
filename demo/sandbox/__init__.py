"""A payment provider for demonstration and tests: Stripe's wire shapes, and no money at all.

__main__         the command line: `python -m demo.sandbox --help`
app              one aiohttp application of the parts below, and its background tasks
api              HTTP in, Stripe answers out: key, parameters, idempotency, expansion, errors
operations       the table of API operations: method, path, parameters, what it does
params           which parameters an operation takes, and their types
form             Stripe's bracketed form encoding as nested values
expand           `expand[]`: ids replaced by the objects they name
listing          lists with cursors and filters
errors           the one exception, in Stripe's error shape
ledger           builds, saves and announces objects; what the domain files stand on
shapes           the published example objects that every answer starts from
store            SQLite: objects, settings, kept answers
deliveries       SQLite: which event still has to reach the webhook URL
clock            the sandbox's own time, and calendar months
catalog          products and prices from the catalog file
customers        customers
sessions         checkout sessions: opened, expired, paid
subscriptions    subscriptions: started, changed, renewed, ended
invoices         invoices and the payments that settle them
cards            the test cards
due              what falls due as time moves on
hosted_page      the page on which a buyer pays
dashboard        the page on which a developer looks around and moves the clock
delivery         signs events and posts them until the receiver takes them

`shapes.json` is derived from Stripe's published fixtures (MIT, see STRIPE_LICENSE).
"""
