import pytest

from gateway.config.scalars import Scalar, Substituted, resolve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
        *[(text, True) for text in ("true", "True", "TRUE")],
        *[(text, False) for text in ("false", "False", "FALSE")],
        *[("0", 0), ("-7", -7), ("+7", 7), ("08", 8), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0)],
        *[(text, text) for text in ("yes", "no", "on", "22:30", "1_000", "0x10", ".inf", "nan")],
        ("1" * 40, "1" * 40),
        ("0." + "1" * 40, "0." + "1" * 40),
    ],
)
def test_a_bare_word_means_what_yaml_1_2_says(text: str, expected: Scalar) -> None:
    assert resolve(text) == expected
    assert type(resolve(text)) is type(expected)


def test_a_substituted_text_is_a_plain_text_afterwards() -> None:
    assert type(resolve(Substituted("word"))) is str
