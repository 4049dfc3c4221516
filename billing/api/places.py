"""Where a client comes back to from the provider's pages: pages of ours, and no others. Pure.

What a caller names is compared with the hosts that are configured, so that the gateway never
sends anybody to a place of a caller's choosing (open redirects).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from billing.api.models.problem import FieldError
from billing.api.problems import IMPOSSIBLE, ProblemError
from policies.return_url import is_local_path

_HOME: Final = "/account"


@dataclass(frozen=True, slots=True)
class Place:
    """A page of ours; `target` is path and query."""

    url: str
    host: str
    target: str


class Places:
    """The pages of the apps; `hosts` gives the host of each origin, such as `https://a.example`."""

    def __init__(self, hosts: Mapping[str, str], public_url: str, public_host: str) -> None:
        self._hosts = {public_url: public_host, **hosts}
        self._home = Place(f"{public_url}{_HOME}", public_host, _HOME)

    def get(self, url: str | None) -> Place:
        """Return the page that the URL names, or the client's account where there is none.

        Raises:
            ProblemError: 422; it is no page of this gateway, or of an app behind it.
        """
        if url is None:
            return self._home
        try:
            parts = urlsplit(url)
        except ValueError:
            raise _no_place() from None
        host = self._hosts.get(f"{parts.scheme}://{parts.netloc.lower()}")
        query = f"?{parts.query}" if parts.query else ""
        target = f"{parts.path or '/'}{query}"
        if host is None or parts.fragment or not is_local_path(target):
            raise _no_place()
        return Place(f"{parts.scheme}://{parts.netloc.lower()}{target}", host, target)


def _no_place() -> ProblemError:
    told = FieldError(
        pointer="/return_url", detail="This is no page of this gateway or of an app behind it."
    )
    return ProblemError(IMPOSSIBLE, errors=[told])
