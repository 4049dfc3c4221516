import base64
import re
from pathlib import Path

import pytest

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from tests.support.keys import DATA_KEY

_ROOT = Path(__file__).parents[4]
_DATA = _ROOT / "tests" / "data" / "config"
_FAULTY = sorted((_DATA / "faulty").glob("*.yaml"))
_MINIMAL = (_DATA / "minimal.yaml").read_text()
_FAULT = re.compile(r"^# fault (\d+):(\d+) (.+)$", re.MULTILINE)
# Every secret of the tests holds this word, in the environment and in the files.
_SECRET = "swordfish"
_ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://u:{_SECRET}-db@h/d",
    "SIGNING_KEY": f"{_SECRET}-" * 4,
    "STRIPE_KEY": f"sk_test_{_SECRET}",
    "WEBHOOK_SECRET": f"whsec_{_SECRET}",
    "DATA_KEY": DATA_KEY,
    "SHORT": _SECRET,
    "DATA_KEY_SHORT": f"short:{base64.b64encode(_SECRET.encode()).decode()}",
    "TEN": _SECRET,
    "LIVE_KEY": f"sk_live_{_SECRET}",
    "PUBLISHABLE": f"pk_test_{_SECRET}",
    "PRIVATE_PEM": f"-----BEGIN PRIVATE KEY-----\n{_SECRET}\n-----END PRIVATE KEY-----",
    "PUBLIC_PEM": f"-----BEGIN PUBLIC KEY-----\n{_SECRET}\n-----END PUBLIC KEY-----",
    "BLANK": "  ",
    "EMPTY": "",
}
_SHIPPED_ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://u:{_SECRET}@h/d",
    "TOLLWAY_SIGNING_KEY": f"{_SECRET}1" * 4,
    "TOLLWAY_TOKEN_KEY": f"{_SECRET}2" * 4,
    "STRIPE_SECRET_KEY": f"sk_test_{_SECRET}",
    "STRIPE_WEBHOOK_SECRET": f"whsec_{_SECRET}",
    "TOLLWAY_DATA_KEY": DATA_KEY,
}


def _faults_of(path: Path, environment: dict[str, str]) -> ConfigFaults:
    with pytest.raises(ConfigFaults) as caught:
        load_config(path, environment)
    return caught.value


def _load(folder: Path, text: str, environment: dict[str, str] = _ENVIRONMENT) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path, environment)


@pytest.mark.parametrize("path", _FAULTY, ids=lambda path: path.stem)
def test_a_faulty_file_has_exactly_the_faults_that_it_names(path: Path) -> None:
    expected = [(int(a), int(b), text) for a, b, text in _FAULT.findall(path.read_text())]

    found = _faults_of(path, _ENVIRONMENT)

    assert expected
    assert [(f.spot.line, f.spot.column, f.message) for f in found.faults] == expected


@pytest.mark.parametrize("path", _FAULTY, ids=lambda path: path.stem)
def test_no_fault_shows_a_secret(path: Path) -> None:
    found = _faults_of(path, _ENVIRONMENT)

    assert _SECRET not in found.render()
    assert _SECRET not in str(found)


def test_what_has_no_default_is_enough() -> None:
    config = load_config(_DATA / "minimal.yaml", _ENVIRONMENT)

    assert config.listen.port == 8080
    assert config.redis.url.get_secret_value() == "none"
    assert config.plans[0].apps == {"notes": {"access": True}}


def test_the_shipped_file_loads_with_its_secrets_alone() -> None:
    config = load_config(_ROOT / "config.yaml", _SHIPPED_ENVIRONMENT)

    assert len(config.apps) == 10
    assert [plan.id for plan in config.plans] == ["reader", "team", "api", "lifetime"]
    assert sum("notes" in plan.apps for plan in config.plans) >= 3


def test_the_shipped_file_tells_which_secrets_to_set() -> None:
    found = _faults_of(_ROOT / "config.yaml", {})

    assert len(found.faults) == len(_SHIPPED_ENVIRONMENT)
    for name in _SHIPPED_ENVIRONMENT:
        assert f"{name} is not set" in found.render()


def test_secrets_hide_in_repr() -> None:
    config = load_config(_ROOT / "config.yaml", _SHIPPED_ENVIRONMENT)

    assert _SECRET not in repr(config)
    assert _SECRET not in str(config)
    assert _SECRET not in config.model_dump_json()


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(_ENVIRONMENT["SIGNING_KEY"] + "\n")
    environment = {**_ENVIRONMENT, "SIGNING_KEY": "", "SIGNING_KEY_FILE": str(tmp_path / "key")}

    config = _load(tmp_path, _MINIMAL, environment)

    assert config.secrets.signing_key.get_secret_value() == _ENVIRONMENT["SIGNING_KEY"]


def test_a_value_from_the_environment_means_what_it_would_in_the_file(tmp_path: Path) -> None:
    text = _MINIMAL + "listen: \n  port: ${PORT:-99}\npublic: \n  port: ${SEEN:-null}\n"
    text += "redis: \n  timeout_s: ${WAIT}\n"
    text = text.replace("    stripe_price: price_1\n", "    stripe_price: ${PRICE}\n")
    text = text.replace("stripe:\n", "stripe:\n    livemode: ${LIVE}\n")
    text = text.replace(
        "apps: {notes: {access: true}}",
        "apps:\n      notes:\n        access: ${YES}\n        seats: ${SEATS}\n"
        "        tier: ${TIER}",
    )

    config = _load(
        tmp_path,
        text,
        {
            **_ENVIRONMENT,
            "WAIT": "0.25",
            "PRICE": "1234",
            "LIVE": "false",
            "YES": "true",
            "SEATS": "10",
            "TIER": "gold",
        },
    )

    assert config.listen.port == 99
    assert config.public.port is None
    assert config.redis.timeout_s == 0.25
    assert config.billing.stripe.livemode is False
    assert config.plans[0].stripe_price == "1234"
    assert config.plans[0].apps["notes"] == {"access": True, "seats": 10, "tier": "gold"}


def test_a_secret_of_digits_stays_a_secret(tmp_path: Path) -> None:
    config = _load(tmp_path, _MINIMAL, {**_ENVIRONMENT, "STRIPE_KEY": "0123"})

    assert config.billing.stripe.secret_key.get_secret_value() == "0123"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://${SHORT}:${SHORT}@db/tollway",
        "${DATABASE_URL}?sslmode=require",
        "postgresql://tollway:${SHORT}@db/tollway",
        "postgresql:///tollway?host=db&password=${SHORT}",
    ],
)
def test_a_database_url_may_have_references_for_its_secret_parts(tmp_path: Path, url: str) -> None:
    config = _load(tmp_path, _MINIMAL.replace("${DATABASE_URL}", url))

    assert config.database.url.get_secret_value().startswith("postgresql://")


@pytest.mark.parametrize("url", ["none", "redis://cache:6379/0", "unix:///run/valkey.sock"])
def test_redis_without_a_password_may_stand_in_the_file(tmp_path: Path, url: str) -> None:
    config = _load(tmp_path, f"{_MINIMAL}redis: {{url: '{url}'}}\n")

    assert config.redis.url.get_secret_value() == url


def test_a_secret_that_comes_in_at_another_place_is_not_shown(tmp_path: Path) -> None:
    text = _MINIMAL.replace("stripe_price: price_1", "stripe_price: ${STRIPE_KEY}")
    second = text.split("plans:\n")[1].split("apps:\n  -")[0].replace("id: reader", "id: two")
    text = text.replace("apps:\n  -", f"{second}apps:\n  -")

    with pytest.raises(ConfigFaults) as caught:
        _load(tmp_path, text)

    assert "the price '…' is there already" in caught.value.render()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (b"# only a comment\n", "is empty"),
        (b"[" * 50_000, "nested too deeply"),
        (b"a: \x00" + _SECRET.encode(), "a character that is not allowed"),
        (b"%YAML 3.0\n---\na: 1\n", "not YAML"),
        (b"? [a, b]\n: 1\n", "a key has to be a word"),
    ],
)
def test_what_is_no_configuration_at_all_is_one_fault(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "config.yaml").write_bytes(content)

    rendered = _faults_of(tmp_path / "config.yaml", {}).render()

    assert words in rendered
    assert _SECRET not in rendered


def test_aliases_cannot_blow_the_file_up(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "config.yaml").write_text("\n".join(lines))

    assert "too many values" in _faults_of(tmp_path / "config.yaml", {}).render()


def test_a_missing_file_is_one_fault(tmp_path: Path) -> None:
    found = _faults_of(tmp_path / "none.yaml", {})

    assert len(found.faults) == 1
    assert "cannot be read: No such file" in found.render()


def test_a_folder_and_an_impossible_name_are_one_fault(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in _faults_of(tmp_path, {}).render()
    assert "its name is no path" in _faults_of(Path("a\0b"), {}).render()


def test_a_byte_order_mark_shifts_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("\ufefflisten: {prot: 1}\n")

    found = _faults_of(tmp_path / "config.yaml", {})

    assert "1:10: unknown key 'prot'" in found.render()


def test_many_faults_are_counted(tmp_path: Path) -> None:
    keys = "".join(f"  key{number}: 1\n" for number in range(80))
    (tmp_path / "config.yaml").write_text(f"{_MINIMAL}listen:\n{keys}")

    rendered = _faults_of(tmp_path / "config.yaml", _ENVIRONMENT).render()

    assert "… and 30 more" in rendered
    assert rendered.endswith("80 faults")
