"""Only a person's browser is redirected; a program gets a problem document."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.navigation import is_navigation, is_upgrade

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def fields(**pairs: str) -> CIMultiDictProxy[str]:
    named = {name.replace("_", "-"): value for name, value in pairs.items()}
    return CIMultiDictProxy(CIMultiDict(named))


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", fields(Accept=BROWSER), True),
        ("HEAD", fields(Accept=BROWSER), True),
        ("GET", fields(Accept=BROWSER, Sec_Fetch_Mode="navigate"), True),
        ("GET", fields(Accept="*/*", Sec_Fetch_Mode="navigate"), True),
        ("POST", fields(Accept=BROWSER), False),
        ("PUT", fields(Accept=BROWSER, Sec_Fetch_Mode="navigate"), False),
        ("GET", fields(Accept=BROWSER, Sec_Fetch_Mode="cors"), False),
        ("GET", fields(Accept=BROWSER, Sec_Fetch_Mode="no-cors"), False),
        ("GET", fields(Accept=BROWSER, Sec_Fetch_Mode="websocket"), False),
        ("GET", fields(), False),
        ("GET", fields(Accept="*/*"), False),
        ("GET", fields(Accept="application/json"), False),
        ("GET", fields(Accept="application/json, text/html"), False),
        ("GET", fields(Accept="text/html, application/json;q=0.5"), True),
        ("GET", fields(Accept="text/html;q=0.1, application/json"), False),
        ("GET", fields(Accept="text/html;q=0"), False),
        ("GET", fields(Accept="text/html;q=nonsense"), False),
        ("GET", fields(Accept="text/event-stream"), False),
        ("GET", fields(Accept=BROWSER, Connection="Upgrade", Upgrade="websocket"), False),
    ],
)
def test_navigation(method: str, headers: CIMultiDictProxy[str], expected: bool) -> None:
    assert is_navigation(method, headers) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (fields(Connection="Upgrade", Upgrade="websocket"), True),
        (fields(Connection="keep-alive, upgrade", Upgrade="WebSocket"), True),
        (fields(Connection="keep-alive", Upgrade="websocket"), False),
        (fields(Upgrade="websocket"), False),
        (fields(Connection="upgrade", Upgrade="h2c"), False),
        (fields(), False),
    ],
)
def test_upgrade(headers: CIMultiDictProxy[str], expected: bool) -> None:
    assert is_upgrade("GET", headers) is expected
    assert not is_upgrade("POST", headers)
