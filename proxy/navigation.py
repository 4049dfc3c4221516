"""Is a person looking? Only a browser's navigation is redirected; programs get a document."""

from collections.abc import Iterable

from multidict import CIMultiDictProxy

_PAGES = frozenset({"text/html", "application/xhtml+xml"})


def is_upgrade(method: str, headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether the client asks for a WebSocket, which only a GET can (RFC 6455, 4.1)."""
    return (
        method == "GET"
        and any("upgrade" in value.lower() for value in headers.getall("Connection", ()))
        and headers.get("Upgrade", "").strip().lower() == "websocket"
    )


def is_navigation(method: str, headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether the answer will be shown to a person as a page.

    Browsers say so themselves (`Sec-Fetch-Mode`, Fetch Metadata Request Headers,
    section 2.2); for those that do not, a page has to be preferred to data.
    """
    if method not in {"GET", "HEAD"} or is_upgrade(method, headers):
        return False
    mode = headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode.strip().lower() == "navigate"
    weights = dict(_weights(headers.getall("Accept", ())))
    page = max((weights.get(name, 0.0) for name in _PAGES), default=0.0)
    data = max((w for name, w in weights.items() if name.endswith("json")), default=0.0)
    return page > data


def _weights(values: Iterable[str]) -> Iterable[tuple[str, float]]:
    """Yield the media types that are named, with their quality (RFC 9110, section 12.5.1)."""
    for value in values:
        for item in value.split(","):
            name, *parameters = (part.strip().lower() for part in item.split(";"))
            quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
            try:
                yield name, float(quality)
            except ValueError:
                yield name, 0.0
