"""The heads of the chains as text, to be kept where whoever has the database cannot reach."""

import json
from collections.abc import Iterable

from billing.audit.chain import ALL_CHAINS, GENESIS, Head


def heads_as_json(heads: Iterable[Head]) -> dict[str, dict[str, object]]:
    """Return the heads as JSON takes them: `{"chain": {"position": …, "hash": …}}`."""
    return {str(head.chain): {"position": head.position, "hash": head.hash.hex()} for head in heads}


def heads_as_text(heads: Iterable[Head]) -> str:
    """Return the heads as JSON."""
    return json.dumps(heads_as_json(heads), indent=2)


def heads_of_text(text: str) -> dict[int, Head]:
    """Return the heads by their chain.

    Raises:
        ValueError: the text is not what `heads_as_text` gave.
    """
    told = json.loads(text)
    if not isinstance(told, dict) or not told:
        raise ValueError("expected the heads of the chains")
    return {head.chain: head for head in (_head_of(*item) for item in told.items())}


def _head_of(chain: str, told: object) -> Head:
    position, text = (told.get("position"), told.get("hash")) if isinstance(told, dict) else (0, 0)
    if not isinstance(position, int) or not isinstance(text, str):
        raise ValueError("expected position and hash of a chain")  # noqa: TRY004 - one error for all
    head = Head(int(chain), position, bytes.fromhex(text))
    if head.chain not in ALL_CHAINS or position < 0 or len(head.hash) != len(GENESIS):
        raise ValueError("expected position and hash of a chain")
    return head
