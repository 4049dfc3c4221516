"""What is said of an app's servers and routes reaches the proxy as it was meant."""

from pathlib import Path

import pytest

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from gateway.translate import apps_of
from proxy.settings import App, Balance, HealthChecks, Timeouts, UpstreamTLS
from tests.support.certificates import Authority
from tests.support.keys import DATA_KEY

_MINIMAL = (Path(__file__).parents[4] / "tests" / "data" / "config" / "minimal.yaml").read_text()
_UPSTREAMS = "upstreams: [http://127.0.0.1:9001]\n"
_ROUTE = "- {path: /, access: entitled}\n"
_ENVIRONMENT = {
    "DATABASE_URL": "postgresql:///tollway",
    "SIGNING_KEY": "k" * 32,
    "STRIPE_KEY": "sk_test_1",
    "WEBHOOK_SECRET": "whsec_1",
    "DATA_KEY": DATA_KEY,
}


def _load(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path, _ENVIRONMENT)


def _app(folder: Path, servers: str = "", *, route: str = "", before: str = "") -> App:
    text = _MINIMAL.replace(_UPSTREAMS, f"{servers or _UPSTREAMS}\n")
    text = text.replace(_ROUTE, f"- {{path: /, access: entitled{route}}}\n")
    (app,) = apps_of(_load(folder, before + text))
    return app


def test_an_app_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    app = _app(tmp_path)

    assert app == App("notes", "Notes", "notes.localhost", ("http://127.0.0.1:9001",), app.routes)
    assert app.routes[0].timeouts == Timeouts(5.0, 60.0, 300.0)
    assert app.routes[0].body_limit_bytes is None


def test_what_is_said_of_servers_reaches_the_proxy(tmp_path: Path) -> None:
    ca = Authority(tmp_path).file
    app = _app(
        tmp_path,
        f"""upstreams: ["https://10.0.0.7:9443/", "unix:/run/notes.sock"]
    balance: least_connections
    tls: {{ca_file: {ca}, server_name: notes.internal}}
    breaker: {{failures: 3, cooldown_s: 7.5}}
    health:
      path: /healthz?deep=1
      interval_s: 10
      timeout_s: 0.5
      healthy_after: 1
      unhealthy_after: 4
      statuses: [200, 204]""",
    )

    assert app.upstreams == ("https://10.0.0.7:9443", "unix:/run/notes.sock")
    assert app.balance is Balance.LEAST_CONNECTIONS
    assert app.tls == UpstreamTLS(str(ca), "notes.internal")
    assert (app.failures, app.cooldown_s) == (3, 7.5)
    assert app.health == HealthChecks("/healthz?deep=1", 10.0, 0.5, 1, 4, frozenset({200, 204}))


def test_a_route_has_the_patience_of_the_proxy_section_where_it_has_none(tmp_path: Path) -> None:
    proxy = "proxy: {connect_timeout_s: 1, idle_timeout_s: 9, body_limit_bytes: 1000}\n"

    (route,) = _app(tmp_path, route=", first_byte_timeout_s: 600", before=proxy).routes

    assert route.timeouts == Timeouts(1.0, 600.0, 9.0)
    assert route.body_limit_bytes == 1000


@pytest.mark.parametrize("limit", [0, 5, 2**40])
def test_a_route_may_have_a_limit_of_its_own(tmp_path: Path, limit: int) -> None:
    route = f", body_limit_bytes: {limit}, connect_timeout_s: 0.25, idle_timeout_s: 86400"
    route += ", allow_encoded_slash: true"

    (found,) = _app(tmp_path, route=route, before="proxy: {body_limit_bytes: 10}\n").routes

    assert found.body_limit_bytes == limit
    assert found.allow_encoded_slash
    assert found.timeouts == Timeouts(0.25, 60.0, 86_400.0)


def test_a_certificate_and_its_key_are_no_fault(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("notes.localhost")
    text = f"listen: {{tls: {{certificate: {pair.certificate}, key: {pair.key}}}}}\n"

    config = _load(tmp_path, f"public: {{scheme: https}}\n{text}{_MINIMAL}")

    assert config.listen.tls.certificate == str(pair.certificate)


def test_a_key_of_another_certificate_is_a_fault(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, other = authority.issue("notes.localhost"), authority.issue("x.localhost", name="other")
    text = f"listen: {{tls: {{certificate: {pair.certificate}, key: {other.key}}}}}\n"

    with pytest.raises(ConfigFaults, match="1 fault") as caught:
        _load(tmp_path, f"public: {{scheme: https}}\n{text}{_MINIMAL}")

    (fault,) = caught.value.faults
    assert fault.message == f"{other.key}: the key is not that of {pair.certificate}"
    assert text[fault.spot.column - 1 :].startswith(str(other.key))


def test_an_authority_that_cannot_be_read_is_a_fault_only_for_https(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults) as caught:
        _app(tmp_path, "upstreams: [https://10.0.0.7]\n    tls: {ca_file: /nowhere/ca.pem}")

    assert "/nowhere/ca.pem: cannot be read" in caught.value.render()
