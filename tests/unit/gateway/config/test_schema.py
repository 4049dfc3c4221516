"""The schema, the shipped file and the documentation tell the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.reflect import is_secret, model_of
from gateway.config.schema import Config
from tests.support.keys import DATA_KEY

_ROOT = Path(__file__).parents[4]
_DOCS = (_ROOT / "docs" / "configuration.md").read_text()
_SHIPPED = (_ROOT / "config.yaml").read_text()
_ENVIRONMENT = {
    "DATABASE_URL": "postgresql:///tollway",
    "TOLLWAY_SIGNING_KEY": "s" * 32,
    "TOLLWAY_TOKEN_KEY": "t" * 32,
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "TOLLWAY_DATA_KEY": DATA_KEY,
}
# What the shipped file sets for its demonstration: whole lists, and what is in them.
_DEMONSTRATION = ("identity.tokens", "plans", "apps")


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield each key as `section.list[].key`, the sections too."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        yield key, field
        inner = model_of(field.annotation)
        if inner is not None:
            yield from _fields(
                inner, f"{key}[]." if "tuple" in str(field.annotation) else f"{key}."
            )


_FIELDS = dict(_fields(Config))
_LEAVES = {key: field for key, field in _FIELDS.items() if model_of(field.annotation) is None}


def _shipped_keys(data: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield f"{prefix}{key}"
            yield from _shipped_keys(value, f"{prefix}{key}.")
    elif isinstance(data, list):
        for item in data:
            yield from _shipped_keys(item, f"{prefix.removesuffix('.')}[].")


def _row_of(key: str) -> list[str]:
    rows = [line for line in _DOCS.splitlines() if line.startswith(f"| `{key}` |")]
    assert len(rows) == 1, f"docs/configuration.md has {len(rows)} rows for {key}"
    return [cell.strip() for cell in rows[0].strip("|").split(" | ")]


def _default_of(field: FieldInfo) -> Any:
    default = field.get_default()
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def _in_docs(default: Any) -> str:
    if default in ("", ()):
        return "none" if default == "" else "`[]`"
    return f"`{str(default).lower().removesuffix('.0')}`".replace("`none`", "`null`")


@pytest.mark.parametrize("key", _FIELDS)
def test_every_key_has_a_description(key: str) -> None:
    assert _FIELDS[key].description


@pytest.mark.parametrize("key", _FIELDS)
def test_every_key_is_in_the_shipped_file(key: str) -> None:
    assert key in set(_shipped_keys(yaml.safe_load(_SHIPPED)))


@pytest.mark.parametrize("key", _LEAVES)
def test_every_key_is_documented_with_its_meaning_and_default(key: str) -> None:
    field = _LEAVES[key]
    name, meaning, kind, default, written = _row_of(key)

    assert meaning == field.description
    assert kind
    assert written.startswith("`")
    assert name == f"`{key}`"
    if field.is_required():
        assert default == "needed"
    elif key == "redis.url":
        assert default == "`none`"
    else:
        assert default.lower() == _in_docs(_default_of(field)).lower()


def test_nothing_is_documented_that_is_no_key() -> None:
    rows = [line.split("`")[1] for line in _DOCS.splitlines() if line.startswith("| `")]

    assert [row for row in rows if "." in row and row not in _LEAVES] == []


def test_the_small_file_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    (written,) = re.findall(
        r"^## A small file$.*?^```yaml$(.*?)^```$", _DOCS, re.DOTALL | re.MULTILINE
    )
    file = tmp_path / "small.yaml"
    file.write_text(written)

    assert [app.id for app in load_config(file, _ENVIRONMENT).apps] == ["notes"]


@pytest.mark.parametrize(
    "key",
    [k for k, f in _LEAVES.items() if not (f.is_required() or k.startswith(_DEMONSTRATION))],
)
def test_the_shipped_file_shows_the_defaults(key: str) -> None:
    value: Any = load_config(_ROOT / "config.yaml", _ENVIRONMENT)
    for part in key.split("."):
        value = getattr(value, part)

    assert value == _LEAVES[key].get_default()


def test_a_whole_number_and_a_number_carry_their_unit_in_the_name_or_the_description() -> None:
    for key, field in _LEAVES.items():
        if key.endswith("_s"):
            assert "seconds" in str(field.description), key
        if key.endswith("_days"):
            assert "days" in str(field.description), key
        if key.endswith("_bytes"):
            assert "bytes" in str(field.description), key


def test_every_section_is_frozen_and_knows_its_keys() -> None:
    models = {model_of(field.annotation) for field in _FIELDS.values()} - {None}

    assert len(models) > 10
    for model in models:
        assert model is not None
        assert model.model_config.get("frozen")
        assert model.model_config.get("extra") == "forbid"


def test_what_sounds_secret_is_a_secret() -> None:
    secret = {key for key, field in _LEAVES.items() if is_secret(field.annotation)}

    assert secret == {
        "database.url",
        "redis.url",
        "secrets.signing_key",
        "encryption.keys",
        "identity.tokens[].key",
        "billing.stripe.secret_key",
        "billing.stripe.webhook_secrets",
    }


def test_the_documentation_shows_what_really_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT / "tests" / "data" / "config")
    with pytest.raises(ConfigFaults) as caught:
        load_config(Path("documented.yaml"), {})

    assert caught.value.render().replace("documented.yaml", "my.yaml") in _DOCS


def test_the_documentation_names_every_secret_that_the_shipped_file_asks_for() -> None:
    for name in _ENVIRONMENT:
        assert f"| `{name}` |" in _DOCS
