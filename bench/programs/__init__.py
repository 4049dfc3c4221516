"""Programs that a benchmark starts as processes of their own.

handler   a plain reverse proxy on aiohttp, as most people would write one
pacer     a load at a given rate, for latencies
bulk      large bodies: the app, and a client
sockets   idle WebSockets: the app, and a client
sender    webhooks, signed, as fast as they are taken
ladder    looks clients up in memory, Valkey and Postgres, as a worker does
remembered  keeps clients in memory, and tells what each costs
"""
