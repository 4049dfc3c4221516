"""Who the payer is, is taken out of a body before a person looks at it."""

from typing import Any

import pytest

from billing.webhooks.masking import masked


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"customer_email": "ann@example.com"}, {"customer_email": "…"}),
        ({"customer_details": {"name": "Ann", "phone": None}}, {"customer_details": "…"}),
        ({"customer_email": None}, {"customer_email": None}),
        (
            {"data": {"object": {"lines": [{"name": "Ann"}]}}},
            {"data": {"object": {"lines": [{"name": "…"}]}}},
        ),
        ({"metadata": {"note": "for ann@example.com"}}, {"metadata": {"note": "…"}}),
        (
            {"id": "sub_1", "status": "active", "amount": 5, "paid": True},
            {"id": "sub_1", "status": "active", "amount": 5, "paid": True},
        ),
        (["ann@example.com", 1, None], ["…", 1, None]),
    ],
)
def test_what_tells_of_a_person_is_replaced_and_the_rest_is_not(
    body: Any, shown: Any
) -> None:  # Any: JSON
    assert masked(body) == shown
