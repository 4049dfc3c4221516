"""All stacks, in the order in which a round asks them."""

from typing import Final

from bench.stacks.caddy import CADDY
from bench.stacks.envoy import ENVOY
from bench.stacks.handler import HANDLER
from bench.stacks.haproxy import HAPROXY
from bench.stacks.nginx import NGINX, NGINX_AUTH
from bench.stacks.stack import Stack
from bench.stacks.tollway import TOLLWAY

EVERY: Final[tuple[Stack, ...]] = (
    TOLLWAY,
    NGINX_AUTH,
    ENVOY,
    CADDY,
    HANDLER,
    NGINX,
    HAPROXY,
)
