"""Starting: the catalog and the secrets are checked, and a fault is one line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.sandbox.catalog import read_catalog

_ROOT = Path(__file__).parents[3]
_ENTRY: dict[str, Any] = {  # Any: JSON
    "price_id": "price_1",
    "product_id": "prod_1",
    "name": "Reader",
    "description": None,
    "amount_minor": 500,
    "currency": "eur",
    "interval": "month",
}


def _write(folder: Path, text: str) -> Path:
    path = folder / "catalog.json"
    path.write_text(text)
    return path


def _start(folder: Path, **texts: str) -> subprocess.CompletedProcess[str]:
    """Start the sandbox; `texts` replace what the files hold that it starts from."""
    files = {"catalog": json.dumps([_ENTRY]), "api_key_file": "sk_1", "webhook_secret_file": "wh_1"}
    arguments = ["--data", str(folder / "data"), "--webhook-url", "http://127.0.0.1:9/"]
    for name, text in (files | texts).items():
        (folder / name).write_text(text)
        arguments += [f"--{name.replace('_', '-')}", str(folder / name)]
    return subprocess.run(
        [sys.executable, "-m", "demo.sandbox", "--exit-with-stdin", *arguments],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_catalog_is_read_in_its_order(tmp_path: Path) -> None:
    entries = [_ENTRY, _ENTRY | {"price_id": "price_2", "interval": None}]

    found = read_catalog(_write(tmp_path, json.dumps(entries)))

    assert [(e.price_id, e.interval) for e in found] == [("price_1", "month"), ("price_2", None)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price_id", ""),
        ("price_id", "price/1"),
        ("price_id", "price_1\n"),
        ("price_id", "p" * 101),
        ("product_id", None),
        ("name", ""),
        ("name", 1),
        ("amount_minor", -1),
        ("amount_minor", 4.5),
        ("amount_minor", "500"),
        ("amount_minor", True),
        ("currency", "EUR"),
        ("currency", "euro"),
        ("interval", "once"),
        ("colour", "red"),
    ],
)
def test_faulty_entry_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = _write(tmp_path, json.dumps([_ENTRY, _ENTRY | {name: value}]))

    with pytest.raises(ValueError, match=rf"catalog\.json: 1\.{name}: "):
        read_catalog(path)


@pytest.mark.parametrize("name", [name for name in _ENTRY if name != "description"])
def test_missing_member_is_named(tmp_path: Path, name: str) -> None:
    entry = {key: value for key, value in _ENTRY.items() if key != name}
    path = _write(tmp_path, json.dumps([entry]))

    with pytest.raises(ValueError, match=rf"catalog\.json: 0\.{name}: Field required"):
        read_catalog(path)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, json.dumps([_ENTRY | {"name": ""}, _ENTRY | {"currency": ""}]))

    with pytest.raises(ValueError, match=r"0\.name: .*; 1\.currency: "):
        read_catalog(path)


@pytest.mark.parametrize("text", ["", "{", "{}", "null", "[1]", "[" * 100_000])
def test_file_that_is_no_list_of_entries_is_refused(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(ValueError, match=r"catalog\.json: "):
        read_catalog(path)


@pytest.mark.parametrize("name", ["api_key_file", "webhook_secret_file"])
@pytest.mark.parametrize("text", ["", " \n"], ids=["empty", "blank"])
def test_empty_secret_ends_the_start_with_one_line(tmp_path: Path, name: str, text: str) -> None:
    ended = _start(tmp_path, **{name: text})

    assert ended.returncode == 1
    assert ended.stderr == f"sandbox: {tmp_path / name} is empty\n"
    assert ended.stdout == ""


def test_faulty_catalog_ends_the_start_with_one_line(tmp_path: Path) -> None:
    ended = _start(tmp_path, catalog=json.dumps([_ENTRY | {"currency": "EUR"}]))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"sandbox: {tmp_path / 'catalog'}: 0.currency: ")
    assert ended.stderr.count("\n") == 1


def test_sandbox_says_that_it_is_ready_and_ends_with_its_starter(tmp_path: Path) -> None:
    ended = _start(tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["ready"] is True
