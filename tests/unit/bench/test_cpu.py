"""CPU and memory of process trees, from the lines of `/proc`."""

import os

import pytest

from bench.cpu import Stat, cpu_s, parse_resident, parse_stat, resident_bytes, tree_of

LINE = (
    "4242 (nginx: worker) 1 (x) S 17 4242 4242 0 -1 4194560 300 40 0 0"
    " 11 22 33 44 20 0 1 0 9000 1048576 500 18446744073709551615"
)


def test_time_is_user_and_system_with_that_of_ended_children() -> None:
    assert parse_stat(LINE) == Stat(pid=4242, parent=17, ticks=11 + 22 + 33 + 44)


@pytest.mark.parametrize("name", ["sh", "a b", "a) S 1 2 3 (b", "((", "x) R"])
def test_a_name_of_any_shape_shifts_no_field(name: str) -> None:
    line = LINE.replace("nginx: worker) 1 (x", name)

    assert parse_stat(line) == Stat(pid=4242, parent=17, ticks=110)


def test_a_tree_is_the_root_and_all_below_it_once() -> None:
    stats = [Stat(1, 0, 1), Stat(2, 1, 1), Stat(3, 2, 1), Stat(4, 1, 1), Stat(9, 0, 1)]

    found = {stat.pid for stat in tree_of((2, 1, 3), stats)}

    assert found == {1, 2, 3, 4}
    assert len(tree_of((2, 1, 3), stats)) == 4


def test_a_root_that_is_gone_is_nothing() -> None:
    assert tree_of((5,), [Stat(1, 0, 1)]) == []


def test_resident_memory_is_in_bytes() -> None:
    assert parse_resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n") == 2048 * 1024


def test_a_process_without_memory_has_none() -> None:
    assert parse_resident("Name:\tkthreadd\nThreads:\t1\n") == 0


def test_our_own_process_is_seen() -> None:
    us = (os.getpid(),)

    assert cpu_s(us) > 0
    assert resident_bytes(us) > 1_000_000
