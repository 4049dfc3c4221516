"""A check of ours for schemathesis, which loads this file by its name."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response


@schemathesis.check
def what_the_document_allows_is_never_invalid(
    ctx: CheckContext,
    response: Response,
    case: Case[Any],  # of whatever body
) -> bool | None:
    """Fail where we refuse by a rule that the document does not tell."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return None
    refused = response.status_code == 422 and response.json()["type"].endswith("/problems/invalid")
    assert not refused, response.text
    return None
