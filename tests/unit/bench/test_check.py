"""Counting answers: no wrong one may pass for a fast one."""

import pytest

from bench.app import BODY
from bench.check import Counts, check_counted
from bench.errors import BenchError
from bench.stacks.nginx import NGINX_AUTH
from bench.wrk import Counted

BYTES = 1000 * (len(BODY) + 200)


def check(counted: Counted, app: int, decisions: int) -> None:
    before = Counts(app=100, decisions=100)
    after = Counts(app=100 + app, decisions=100 + decisions)
    check_counted(NGINX_AUTH, counted, before, after, asks=True)


def test_as_many_as_the_app_was_asked_is_right() -> None:
    check(Counted(1000, 1.0, BYTES, refused=0, broken=0), app=1064, decisions=1064)


@pytest.mark.parametrize(
    ("counted", "app", "decisions", "why"),
    [
        (Counted(1000, 1.0, BYTES, refused=1, broken=0), 1000, 1000, "1 wrong answers"),
        (Counted(1000, 1.0, BYTES, refused=0, broken=2), 1000, 1000, "2 broken"),
        (Counted(1000, 1.0, 100_000, refused=0, broken=0), 1000, 1000, "too few"),
        (Counted(1000, 1.0, BYTES, refused=0, broken=0), 999, 1000, "saw 999 of 1000"),
        (Counted(1000, 1.0, BYTES, refused=0, broken=0), 1000, 900, "900 decisions"),
    ],
)
def test_a_wrong_answer_stops_the_run(counted: Counted, app: int, decisions: int, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        check(counted, app, decisions)
