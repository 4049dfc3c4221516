"""What wrk prints, read; and what it does not print, refused."""

import pytest

from bench.errors import BenchError
from bench.wrk import Counted, parse_wrk

GOOD = """\
Running 1s test @ http://127.0.0.1:20123/v1/items
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.21ms    1.05ms  21.80ms   92.11%
    Req/Sec    29.12k     2.81k   33.94k    70.00%
  28913 requests in 1.00s, 27.60MB read
Requests/sec:  28898.35
Transfer/sec:     27.59MB
"""
WRONG = GOOD.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
    "  Non-2xx or 3xx responses: 5\nRequests/sec",
)


def test_a_good_run_has_no_fault() -> None:
    assert parse_wrk(GOOD) == Counted(28913, 1.0, 27.60 * 2**20, refused=0, broken=0)


def test_refusals_and_broken_connections_are_counted() -> None:
    counted = parse_wrk(WRONG)

    assert (counted.refused, counted.broken) == (5, 10)


@pytest.mark.parametrize(
    ("told", "seconds", "read_bytes"),
    [
        ("700.10ms, 512.00B read", 0.7001, 512),
        ("1.50m, 1.00GB read", 90.0, 2**30),
        ("10.01s, 1.50KB read", 10.01, 1536),
    ],
)
def test_units_are_read(told: str, seconds: float, read_bytes: float) -> None:
    counted = parse_wrk(f"  7 requests in {told}\n")

    assert counted.seconds == pytest.approx(seconds)
    assert counted.read_bytes == read_bytes


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_a_run_that_counted_nothing_is_an_error(text: str) -> None:
    with pytest.raises(BenchError, match="counted nothing"):
        parse_wrk(text)
