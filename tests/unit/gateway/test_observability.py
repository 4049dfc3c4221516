"""The log: one JSON object a line, with no address and no byte of a stranger."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

from gateway.observability import log_lines, log_to_file, whole_lines


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    file = tmp_path / "logs" / "gateway.log"
    log_to_file(file)
    yield file
    for handler in root.handlers:
        handler.close()
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()


def tell(error: Exception) -> None:
    """Log the error as aiohttp's server does."""
    try:
        raise error
    except type(error):
        logging.getLogger("aiohttp.server").exception(
            "Error handling request from %s", "203.0.113.7"
        )


def lines_of(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_event_is_one_json_object_with_its_fields(log: Path) -> None:
    structlog.get_logger("proxy").info("request", status=200, path="/ü\n")

    (line,) = lines_of(log)
    assert (line["event"], line["status"], line["path"]) == ("request", 200, "/ü\n")
    assert (line["level"], line["logger"]) == ("info", "proxy")


def test_lines_of_the_access_log_are_written_as_they_are_among_the_others(log: Path) -> None:
    structlog.get_logger("gateway").info("before")
    log_lines('{"event": "request", "n": 1}\n{"event": "request", "n": 2}\n')
    structlog.get_logger("gateway").info("after")

    told = [(line["event"], line.get("n")) for line in lines_of(log)]
    assert told == [("before", None), ("request", 1), ("request", 2), ("after", None)]
    assert log.read_text().endswith("}\n")


def test_unreadable_request_is_a_line_without_its_bytes_and_its_sender(log: Path) -> None:
    tell(BadStatusLine("GET /?token=swordfish"))

    text = log.read_text()
    (line,) = lines_of(log)
    assert line["event"] == "request_unreadable: BadStatusLine"
    assert "swordfish" not in text
    assert "203.0.113.7" not in text
    assert "Traceback" not in text


def test_visitor_who_left_is_no_line(log: Path) -> None:
    tell(ConnectionResetError("gone"))

    assert lines_of(log) == []


def test_error_of_ours_has_its_traceback_and_no_address(log: Path) -> None:
    tell(KeyError("inner"))

    (line,) = lines_of(log)
    assert line["event"] == "request_failed"
    assert "KeyError" in str(line["exception"])
    assert "203.0.113.7" not in log.read_text()


def test_stripes_own_requests_are_not_logged(log: Path) -> None:
    logging.getLogger("stripe").info("request with a customer's data")

    assert lines_of(log) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("a\nb\n", ["a\nb\n"]),
        ("aa\nbb\ncc\n", ["aa\n", "bb\n", "cc\n"]),
        ("a\nb\nc\n", ["a\nb\n", "c\n"]),
        ("longer than that\nb\n", ["longer than that\n", "b\n"]),
        ("without an end", ["without an end"]),
    ],
)
def test_lines_are_written_in_pieces_and_never_cut(text: str, pieces: list[str]) -> None:
    assert list(whole_lines(text, 5)) == pieces
