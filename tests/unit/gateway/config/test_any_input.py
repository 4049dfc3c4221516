"""Whatever the file holds: a configuration or faults, and never a secret on the screen."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.config.faults import ConfigFaults
from gateway.config.load import load_config
from gateway.config.schema import Config
from tests.support.keys import DATA_KEY

_MINIMAL = (Path(__file__).parents[4] / "tests" / "data" / "config" / "minimal.yaml").read_text()
_SECRET = "swordfish"
_ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://u:{_SECRET}@h/d",
    "SIGNING_KEY": f"{_SECRET}-" * 4,
    "STRIPE_KEY": f"sk_test_{_SECRET}",
    "WEBHOOK_SECRET": f"whsec_{_SECRET}",
    "DATA_KEY": DATA_KEY,
}
_WORDS = st.sampled_from(
    [
        *(
            *Config.model_fields,
            *_MINIMAL.split(),
            "${X}",
            "${",
            "&a",
            "*a",
            "- ",
            "{",
            "}",
            "[",
            "]",
        ),
        *("\n", "\n  ", ": ", "null", "1", '"', "'", "<<", "!!python/object:os.system", "|", "\t"),
    ]
)


def _load_or_faults(folder: Path, content: bytes) -> None:
    path = folder / "config.yaml"
    path.write_bytes(content)
    rendered = "1 fault"
    try:
        load_config(path, _ENVIRONMENT)
    except ConfigFaults as faults:
        rendered = faults.render()

    assert _SECRET not in rendered
    assert re.search(r"[1-9][0-9]* faults?$", rendered)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(content="a: \u2028 b: c".encode())
def test_any_bytes_load_or_have_faults(tmp_path: Path, content: bytes) -> None:
    _load_or_faults(tmp_path, content)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(_WORDS, max_size=60))
def test_any_words_load_or_have_faults(tmp_path: Path, words: list[str]) -> None:
    _load_or_faults(tmp_path, " ".join(words).encode())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_good_file_loads_or_has_faults(tmp_path: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(_MINIMAL)))
    end = data.draw(st.integers(start, min(start + 20, len(_MINIMAL))))
    inserted = data.draw(_WORDS | st.text(max_size=5))

    _load_or_faults(tmp_path, (_MINIMAL[:start] + inserted + _MINIMAL[end:]).encode())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_secret_in_clear_is_never_shown_whatever_else_is_wrong(
    tmp_path: Path, data: st.DataObject
) -> None:
    clear = _MINIMAL
    for reference in ("${SIGNING_KEY}", "${STRIPE_KEY}", "${WEBHOOK_SECRET}"):
        clear = clear.replace(reference, _SECRET)
    lines = clear.splitlines()
    index = data.draw(st.sampled_from([i for i, line in enumerate(lines) if _SECRET not in line]))
    lines[index] += data.draw(_WORDS)
    (tmp_path / "config.yaml").write_text("\n".join(lines))

    with pytest.raises(ConfigFaults) as caught:
        load_config(tmp_path / "config.yaml", _ENVIRONMENT)

    assert _SECRET not in caught.value.render()
