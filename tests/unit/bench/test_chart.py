"""The chart: well-formed, whatever the stacks are called, and true to the figures."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.chart import draw
from tests.support.measured import make_stack

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[ET.Element]:
    root = ET.fromstring(svg)  # noqa: S314 - of our own making
    return [r for r in root.iter(f"{SVG}rect") if "bar" in r.attrib["class"].split()]


def test_a_bar_is_as_long_as_its_median() -> None:
    svg = draw((make_stack("slow", 100, 200, 300), make_stack("tollway", 50)), "tollway", "x")

    widths = [float(bar.attrib["width"]) for bar in bars(svg)]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)


def test_the_least_stands_first_and_ours_is_marked() -> None:
    svg = draw((make_stack("slow", 200), make_stack("tollway", 50)), "tollway", "x")

    assert [bar.attrib["class"] for bar in bars(svg)] == ["bar ours", "bar"]


@given(title=st.text(min_size=1).filter(str.isprintable), us=st.floats(0.001, 1e7))
def test_it_is_well_formed_for_any_name_and_any_figure(title: str, us: float) -> None:
    svg = draw((make_stack("x", us, us * 2, title=title),), "tollway", f"{title} & <caption>")

    root = ET.fromstring(svg)  # noqa: S314 - of our own making
    assert title in "".join(root.itertext())
    lines = root.findall(f"{SVG}line")
    assert 1 <= len(lines) <= 7


def test_it_has_colours_for_dark_pages_too() -> None:
    svg = draw((make_stack("tollway", 50),), "tollway", "x")

    light, dark = svg.split("@media (prefers-color-scheme: dark)")
    named = re.compile(r"^\s*(text|\.[\w.]+) \{[^}]*#", re.MULTILINE)
    assert set(named.findall(light)) == set(named.findall(dark))


def test_nothing_measured_is_an_empty_chart_and_no_error() -> None:
    assert bars(draw((), "tollway", "x")) == []
