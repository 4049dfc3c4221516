"""The one error of the benchmark, one line long."""


class BenchError(Exception):
    """Something could not be started, or answered wrongly; the message says what."""
