from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.faults import START, ConfigFaults, Fault, Spot, did_you_mean

_PATH = Path("c.yaml")


def _render(line: str, spot: Spot, *hidden: Spot) -> list[str]:
    return ConfigFaults(_PATH, [line], [Fault(spot, "wrong")], hidden).render().split("\n")


def test_the_caret_marks_the_word() -> None:
    rendered = _render("port: ten", Spot(1, 7, 1, 10))

    assert rendered == [
        "c.yaml:1:7: wrong",
        "    1 | port: ten",
        "      |       ^^^",
        "c.yaml: 1 fault",
    ]


def test_faults_come_in_the_order_of_the_file_and_none_twice() -> None:
    late, early = Fault(Spot(2, 1, 2, 2), "late"), Fault(START, "early")

    faults = ConfigFaults(_PATH, [], [late, early, late]).faults

    assert faults == (early, late)


def test_a_hidden_place_is_one_sign_and_the_caret_follows() -> None:
    rendered = _render("{key: hunter2, prot: 1}", Spot(1, 16, 1, 20), Spot(1, 7, 1, 14))

    assert rendered[1] == "    1 | {key: …, prot: 1}"
    assert rendered[2] == "      |          ^^^^"


def test_a_hidden_place_may_go_over_lines() -> None:
    hidden = Spot(1, 4, 3, 3)
    faults = [Fault(Spot(line, 1, line, 2), "wrong") for line in (1, 2, 3)]

    rendered = ConfigFaults(_PATH, ["a: xx", "xxxx", "xx b"], faults, [hidden]).render()

    assert "x" not in rendered


def test_overlapping_hidden_places_are_one() -> None:
    rendered = _render("abcdef", START, Spot(1, 1, 1, 5), Spot(1, 3, 1, 7))

    assert "c" not in rendered[1]


def test_a_long_line_is_cut_around_the_caret() -> None:
    rendered = _render("x" * 500 + "HERE" + "y" * 500, Spot(1, 501, 1, 505))

    caret = rendered[2].index("^")
    assert len(rendered[1]) < 130
    assert rendered[1][caret : caret + 4] == "HERE"


def test_a_long_word_is_marked_as_far_as_it_is_shown() -> None:
    rendered = _render("key: " + "x" * 500, Spot(1, 6, 1, 506))

    assert len(rendered[2]) <= len(rendered[1])


def test_control_characters_do_not_reach_the_terminal() -> None:
    rendered = "".join(_render("a\t\x1b[31m", START))

    assert "\x1b" not in rendered
    assert "\t" not in rendered


def test_wide_characters_take_two_columns() -> None:
    rendered = _render("名: ten", Spot(1, 4, 1, 7))

    assert rendered[2] == "      |     ^^^"


def test_a_place_behind_the_last_line_has_no_line() -> None:
    assert len(_render("a", Spot(9, 1, 9, 2))) == 2


def test_near_words_are_offered() -> None:
    assert did_you_mean("prot", ["port", "host"]) == "; did you mean 'port'?"
    assert did_you_mean("zebra", ["port", "host"]) == ""


@given(
    line=st.text(max_size=300),
    column=st.integers(1, 310),
    width=st.integers(0, 310),
    hidden=st.lists(st.tuples(st.integers(1, 310), st.integers(0, 310))),
)
def test_any_line_can_be_shown(
    line: str, column: int, width: int, hidden: list[tuple[int, int]]
) -> None:
    spots = [Spot(1, start, 1, start + length) for start, length in hidden]

    rendered = _render(line, Spot(1, column, 1, column + width), *spots)

    assert len(rendered) == 4
    assert "^" in rendered[2]
