"""The command line knows every operator's command, and loads none before it is used."""

import subprocess
import sys

import pytest
import typer

from gateway.commands.loading import PLACES

_LOADED = (
    "import sys; from gateway.cli import app; app(sys.argv[1:], standalone_mode=False);"
    " print(' '.join(sys.modules))"
)


@pytest.mark.parametrize("name", PLACES)
def test_what_is_told_of_a_command_is_what_it_tells_itself(name: str) -> None:
    group = typer.main.get_group(PLACES[name].load(name))

    told = group.commands[name].help or ""

    assert " ".join(told.partition("\n\n")[0].split()) == PLACES[name].summary


@pytest.mark.parametrize("arguments", [["version"], ["--help"]])
def test_what_needs_no_database_loads_none_of_it(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments], capture_output=True, text=True, check=True
    )

    loaded = set(ran.stdout.rpartition("\n")[0].rpartition("\n")[2].split())
    assert not loaded & {"asyncpg", "aiohttp", "stripe", "jwt", "pydantic_settings", "redis"}
    assert "typer" in loaded


def test_an_option_behind_a_command_reaches_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "events", "show", "7", "-c", "/none.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "/none.yaml" in ran.stderr
