"""An operator with a configuration and a migrated database."""

from pathlib import Path

import pytest

from billing.storage.pool import Database
from tests.support.commands import Operator
from tests.support.serving import environment_of, write_config


@pytest.fixture
def operator(tmp_path: Path, database: Database, database_url: str) -> Operator:
    file = write_config(tmp_path / "tollway.yaml", "http://127.0.0.1:1")
    return Operator(file, environment_of(database_url, tmp_path) | {"USER": "ann"})
