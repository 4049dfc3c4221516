"""How fast webhooks are taken and applied, in one run: `./tollway bench webhooks`.

run      one run: subscriptions, their events, taken first and applied then
shop     what runs meanwhile: the payment sandbox, Postgres, the gateway
sellers  what was sold before: clients, and their subscriptions
events   the events: duplicated and shuffled, with a fixed seed
opening  how soon who has paid is let in, by every gateway
inbox    what Postgres says of them, and whether all came out right
"""
