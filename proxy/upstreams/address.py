"""Where an app's server is, and how it is connected to."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from proxy.settings import UpstreamTLS

_P = TypeVar("_P", bound=asyncio.BaseProtocol)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """One server: a unix socket at `path`, or TCP, with TLS where there is a context."""

    name: str
    host: str = ""
    port: int = 0
    path: str | None = None
    context: ssl.SSLContext | None = None
    server_name: str | None = None

    async def connect(self, make: Callable[[], _P]) -> _P:
        """Open a connection and return its protocol.

        Raises:
            OSError: nothing listens there, or its certificate is not good.
        """
        loop = asyncio.get_running_loop()
        if self.path is not None:
            _, protocol = await loop.create_unix_connection(make, self.path)
            return protocol
        _, protocol = await loop.create_connection(
            make,
            self.host,
            self.port,
            ssl=self.context,
            server_hostname=self.server_name if self.context else None,
        )
        return protocol


def parse_address(url: str, tls: UpstreamTLS) -> Address:
    """Return the address of an origin or of `unix:/path`.

    Raises:
        ValueError: it is neither.
        OSError: the CA file cannot be read.
    """
    if url.startswith("unix:"):
        return Address(url, path=url.removeprefix("unix:"))
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or parts.hostname is None:
        raise ValueError(f"not the address of a server: {url}")
    context = client_context(tls) if parts.scheme == "https" else None
    return Address(
        url,
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        context=context,
        server_name=tls.server_name or parts.hostname,
    )


def client_context(tls: UpstreamTLS) -> ssl.SSLContext:
    """Return what TLS with a server begins with.

    Raises:
        OSError: the CA file cannot be read.
    """
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # HTTP/2 is not spoken here; a server that would choose it has to be told.
    context.set_alpn_protocols(["http/1.1"])
    return context
