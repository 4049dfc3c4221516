import json
from pathlib import Path

import pytest

from billing.crypto.keyring import KeyRing
from gateway.demo_secrets import load_or_create_secrets
from gateway.errors import StartError


def test_secrets_are_made_once(tmp_path: Path) -> None:
    made = load_or_create_secrets(tmp_path / "secrets.json")

    assert load_or_create_secrets(tmp_path / "secrets.json") == made
    assert KeyRing.of([made.TOLLWAY_DATA_KEY]).key_id == "demo"


def test_a_folder_of_an_older_version_gets_what_it_lacks_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secrets.json"
    made = load_or_create_secrets(file).as_environment()
    del made["TOLLWAY_DATA_KEY"]
    file.write_text(json.dumps(made))

    found = load_or_create_secrets(file)

    assert found.as_environment().items() > made.items()
    assert load_or_create_secrets(file) == found
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"TOLLWAY_SIGNING_KEY": "k"}', '{"other": 1}'])
def test_what_is_no_file_of_ours_is_damaged_and_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(text)

    with pytest.raises(StartError, match="is damaged"):
        load_or_create_secrets(file)

    assert file.read_text() == text
