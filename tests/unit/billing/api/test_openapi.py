import json
from typing import Any

import pytest
import schemathesis

from billing.api.openapi import Site, document_of, problems_of
from billing.api.operation import Operation
from billing.api.operations import OPERATIONS
from policies.permission import ACTIONS

DOCUMENT = document_of(Site("https://checkout.example.com", "1.2.3"))


def references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    if isinstance(part, list):
        return set().union(*map(references, part))
    return set()


def test_the_document_is_json_that_a_strict_reader_takes() -> None:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))

    assert schema.specification.name == "Open API 3.1.0"
    schema.validate()


def test_every_reference_of_the_document_leads_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert references(DOCUMENT) <= known


def test_every_schema_of_the_document_is_used() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert known == references(DOCUMENT)


def test_no_two_calls_are_one() -> None:
    assert len({o.id for o in OPERATIONS}) == len(OPERATIONS)
    assert len({(o.method, o.path) for o in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.id)
def test_an_operation_needs_what_somebody_can_be_permitted(operation: Operation) -> None:
    assert operation.action in ACTIONS


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.id)
def test_examples_are_what_their_models_take(operation: Operation) -> None:
    pairs: list[tuple[Any, Any]] = [
        (operation.body, operation.request_example),
        (operation.answer, operation.answer_example),
    ]
    for model, example in pairs:
        assert (model is None) == (example is None)
        if model is not None:
            model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.id)
def test_every_error_of_a_call_is_in_the_document(operation: Operation) -> None:
    told = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]

    for problem in problems_of(operation):
        assert f"`{problem.name}`" in told[str(problem.status)]["description"]
