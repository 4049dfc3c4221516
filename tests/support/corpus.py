"""The smuggling corpus: what visitors send, and byte by byte what an app may see of it.

`tests/data/http/smuggling/` has a file a family. Every case has a `name` and what is to
`send`, line by line; `[70, "text"]` is the text 70 times. What is expected is one of these:

- `reject`: the visitor gets this status and a closed connection, and nothing behind the
  request is read. An app sees not one byte, or of a body that goes bad on its way a part of
  what `cut` says, which is no whole request.
- `refuse`: the visitor gets this status, an app sees nothing, and the connection stays.
- `forward`: an app sees these bytes, and with them only the fields that the gate sets
  itself. `closes` tells that the connection ends with that; `reject`, that what comes behind
  is rejected; `refuse`, that what comes before was refused.

`app` is what the app answers to the first request, where that is not the usual 204, and
`answered` the status that the visitor gets then. `source` tells where a case is from.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parents[1] / "data" / "http" / "smuggling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case; see above."""

    family: str
    name: str
    source: str
    send: bytes
    forward: bytes = b""
    cut: bytes = b""
    app: bytes = b""
    answered: int = 204
    reject: int | None = None
    refuse: int | None = None
    closes: bool = False

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


def load_corpus() -> list[Case]:
    """Return the cases of all families."""
    return [case for path in sorted(_FOLDER.glob("*.yaml")) for case in _load(path)]


def _load(path: Path) -> list[Case]:
    family = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return [_case(path.stem, {"source": family["source"], **case}) for case in family["cases"]]


def _case(family: str, told: dict[str, Any]) -> Case:  # Any: whatever a file may hold
    return Case(family=family, **{key: _value(value) for key, value in told.items()})


def _value(value: Any) -> Any:  # Any: as above
    if not isinstance(value, list):
        return value
    texts = (line if isinstance(line, str) else line[0] * line[1] for line in value)
    return "".join(texts).encode("latin-1")
