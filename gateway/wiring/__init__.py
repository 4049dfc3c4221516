"""Joins the packages: each port of one is filled with a part of another, here and only here.

visitors    the request path: the gate and the ways to the apps
access      who may call the API
selling     what keeps our rows true, and the control application
api         the API, its document, and the page that shows it
provider    the payment provider of a configuration, and what applies its word
reconciling what mends the differences that no event told of
offers      what may be bought, changed, given back and given by hand
notices     who hears of changes
last_known  what is kept of clients for a start while Postgres is down
extras      what demo mode changes
"""
