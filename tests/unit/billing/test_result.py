"""What became different, in words, and as kinds that can be counted."""

from billing.result import changes_between


def test_what_a_row_has_many_of_is_one_kind_however_many_there_are() -> None:
    items = {f"item si_{number}": "1 of price_a" for number in range(1000)}

    changes = changes_between("subscription", "sub_1", {}, items)

    assert len(changes) == 1000
    assert {change.kind for change in changes} == {"subscription.item"}
