"""The soak: everything at once, for minutes, while things break. `./tollway soak`.

__main__  the command line
run       one soak, from the first start to the verdict
place     what runs: Postgres, Valkey, the networks between, an app, the gateway
clients   who visits, and what they are told: requests, WebSockets, event streams
payments  what becomes of the clients meanwhile: the truth
troubles  what breaks, in a random order
growth    memory and file descriptors of every process of ours
result    what it came to
plot      the picture of it
"""
