"""What fits together; what does not is in tests/data/config/faulty."""

from pathlib import Path

import pytest

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from tests.support.keys import DATA_KEY

_MINIMAL = (Path(__file__).parents[4] / "tests" / "data" / "config" / "minimal.yaml").read_text()
_ENVIRONMENT = {
    "DATABASE_URL": "postgresql:///tollway",
    "SIGNING_KEY": "k" * 32,
    "STRIPE_KEY": "sk_test_1",
    "WEBHOOK_SECRET": "whsec_1",
    "DATA_KEY": DATA_KEY,
    "LIVE_KEY": "sk_live_1",
}


def _load(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path, _ENVIRONMENT)


@pytest.mark.parametrize("path", ["/café/", "/my files/", "/a+b/~x/", "/favicon.ico"])
def test_a_route_is_written_as_its_path_reads_decoded(tmp_path: Path, path: str) -> None:
    config = _load(tmp_path, f"{_MINIMAL}      - {{path: '{path}', access: public}}\n")

    assert config.apps[0].routes[1].path == path


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("localhost", "http://127.0.0.1:8081"),
        ("localhost", "http://10.0.0.5:8080"),
        ("10.0.0.5", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://notes_app:8080"),
    ],
)
def test_an_app_may_be_near_the_gateway(tmp_path: Path, listen: str, upstream: str) -> None:
    text = _MINIMAL.replace("http://127.0.0.1:9001", upstream)

    config = _load(tmp_path, f"{text}listen: {{address: {listen}}}\n")

    assert config.apps[0].upstreams == (upstream,)


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("localhost", "http://[::1]:8080"),
        ("localhost", "http://127.0.0.2:8080"),
        ("localhost", "http://notes.localhost:8080"),
        ("10.0.0.5", "http://10.0.0.5:8080"),
        ("0.0.0.0", "http://0.0.0.0:8080"),
        ("'::'", "http://localhost:8080"),
    ],
)
def test_an_app_is_never_the_gateway(tmp_path: Path, listen: str, upstream: str) -> None:
    text = _MINIMAL.replace("[http://127.0.0.1:9001]", f'["{upstream}"]')

    with pytest.raises(ConfigFaults, match="1 fault"):
        _load(tmp_path, f"{text}listen: {{address: {listen}}}\n")


def test_https_hosts_may_be_anywhere(tmp_path: Path) -> None:
    text = _MINIMAL.replace("notes.localhost", "notes.example.com")

    config = _load(tmp_path, text + "public: {scheme: https, host: pay.example.com, port: 443}\n")

    assert config.apps[0].host == "notes.example.com"


def test_a_live_key_with_livemode_is_right(tmp_path: Path) -> None:
    text = _MINIMAL.replace("${STRIPE_KEY}", "${LIVE_KEY}\n    livemode: true")

    assert _load(tmp_path, text).billing.stripe.livemode
