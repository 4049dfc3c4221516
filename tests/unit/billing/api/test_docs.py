from pathlib import Path

from billing.api.operations import OPERATIONS
from billing.api.problems import ALL

API = (Path(__file__).parents[4] / "docs/api.md").read_text()


def test_every_problem_stands_in_the_docs_with_its_status() -> None:
    missing = [p.name for p in ALL if f"| `{p.name}` | {p.status} |" not in API]

    assert not missing


def test_every_kind_of_thing_stands_in_the_docs() -> None:
    missing = [o.tag for o in OPERATIONS if f"\n| {o.tag} |" not in API]

    # The portal is a part of what the document tells of clients.
    assert not missing
    assert "\n| portal |" in API
