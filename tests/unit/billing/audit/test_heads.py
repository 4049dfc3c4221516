import pytest

from billing.audit.chain import GENESIS, Head
from billing.audit.heads import heads_as_text, heads_of_text


def test_heads_are_read_as_they_were_told() -> None:
    heads = [Head(0, 0, GENESIS), Head(16, 7, b"x" * 32)]

    assert heads_of_text(heads_as_text(heads)) == {0: heads[0], 16: heads[1]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"0": 1}',
        '{"x": {"position": 1, "hash": "00"}}',
        '{"0": {"position": 1, "hash": "00"}}',
        '{"0": {"position": "1", "hash": "' + "00" * 32 + '"}}',
        '{"17": {"position": 1, "hash": "' + "00" * 32 + '"}}',
        '{"0": {"position": -1, "hash": "' + "00" * 32 + '"}}',
        '{"0": {"position": 1, "hash": "' + "zz" * 32 + '"}}',
    ],
)
def test_what_is_no_heads_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the message
        heads_of_text(text)
