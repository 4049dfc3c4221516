from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.interpolate import InterpolationError, interpolate, is_reference

_TEXT_WITHOUT_REFERENCE = st.text().filter(lambda text: "${" not in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${A}${A}", "oneone"),
        ("$${A}", "${A}"),
        ("$${$${${A}", "${${one"),
        ("$A $$ $", "$A $$ $"),
        ("${MISSING:-default}", "default"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-default}", "default"),
        ("${A:-default}", "one"),
        ("${MISSING:-a:-b}", "a:-b"),
        ("${NESTED}", "${A}"),
    ],
)
def test_references_are_replaced_once(text: str, expected: str) -> None:
    environment = {"A": "one", "B": "two", "EMPTY": "", "NESTED": "${A}"}

    assert interpolate(text, environment).text == expected


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${1A}", "${A-b}", "${A B}", "${A:b}"])
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InterpolationError, match="no reference") as caught:
        interpolate(f"hunter{text}", {"A": "one"})

    assert "hunter" not in str(caught.value)


def test_every_variable_that_is_not_set_is_named_once() -> None:
    with pytest.raises(InterpolationError) as caught:
        interpolate("${A}${B}${A}", {"B": ""})

    assert str(caught.value).count("A is not set") == 1
    assert str(caught.value).count("B is not set") == 1


def test_the_names_are_those_that_something_came_from() -> None:
    found = interpolate("${A}${B:-x}${C:-y}", {"A": "1", "C": "2"})

    assert found.names == ("A", "C")


def test_a_file_is_read_where_the_variable_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n\n")

    environment = {"KEY_FILE": str(tmp_path / "key")}

    assert interpolate("${KEY}", environment).text == "secret\n"
    assert interpolate("${KEY_FILE}", environment).text == "secret\n"
    assert interpolate("${KEY}", {**environment, "KEY": "own"}).text == "own"


def test_a_line_break_of_windows_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret\r\n")

    assert interpolate("${KEY}", {"KEY_FILE": str(tmp_path / "key")}).text == "secret"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff", "not UTF-8"), (b"x" * 65_537, "larger"), (None, "No such file")],
)
def test_a_file_that_cannot_be_used_is_told_without_its_path(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "hunter2"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InterpolationError, match=words) as caught:
        interpolate("${KEY}", {"KEY_FILE": str(path)})

    assert "KEY_FILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_cannot_be_a_path_is_told() -> None:
    with pytest.raises(InterpolationError, match="not the path of a file"):
        interpolate("${KEY}", {"KEY_FILE": "a\0b"})


def test_only_a_whole_reference_without_default_is_one() -> None:
    assert is_reference("${A}")
    assert not any(map(is_reference, ["${A:-b}", "x${A}", "${A}${B}", "$${A}", ""]))


@given(text=_TEXT_WITHOUT_REFERENCE)
def test_text_without_references_stays(text: str) -> None:
    assert interpolate(text, {}).text == text


@given(value=st.text(min_size=1))
def test_what_comes_in_is_not_looked_at_again(value: str) -> None:
    assert interpolate("${A}", {"A": value}).text == value
