"""Logs: one JSON object a line, short fixed event names with fields, no secret in clear."""

import logging
import sys
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from aiohttp.http_exceptions import HttpProcessingError

_FILE_LIMIT_BYTES = 20 * 1024 * 1024
_FILES_KEPT = 3
# Of ASCII, what a pipe takes in one piece (PIPE_BUF): lines of several processes that write
# to the same log would otherwise run into one another.
_AT_ONCE_CHARS = 4096


def log_to_stdout(process: str | None = None) -> None:
    """Write to standard output, where a container's log is collected from.

    `process` names ourselves in each line, where several write to the same log.
    """
    _configure(logging.StreamHandler(sys.stdout), process)


def log_to_stderr() -> None:
    """Write warnings to standard error; a command's standard output is its answer."""
    _configure(logging.StreamHandler(sys.stderr))
    logging.getLogger().setLevel(logging.WARNING)


def log_to_file(path: Path) -> None:
    """Write to a file of bounded size, with some of its predecessors kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _configure(RotatingFileHandler(path, maxBytes=_FILE_LIMIT_BYTES, backupCount=_FILES_KEPT))


class ServerFilter(logging.Filter):
    """What aiohttp's server says of requests, without their senders' addresses and bytes.

    A stranger's nonsense is a line and no traceback, and a visitor who left is nothing.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; False drops it."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return False
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = f"request_unreadable: {type(error).__name__}", ()
            record.exc_info = None
        elif error is not None:
            record.msg, record.args = "request_failed", ()
        return True


def _configure(handler: logging.Handler, process: str | None = None) -> None:
    def name_process(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        if process is not None:
            event["process"] = process
        return event

    shared: list[structlog.types.Processor] = [
        name_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # The SDK logs each request with its parameters, customers' data among them.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    server = logging.getLogger("aiohttp.server")
    if not any(isinstance(known, ServerFilter) for known in server.filters):
        server.addFilter(ServerFilter())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_lines(text: str) -> None:
    """Write lines of the access log, which are JSON already, to where the log goes."""
    for piece in whole_lines(text, _AT_ONCE_CHARS):
        for handler in logging.getLogger().handlers:
            handler.handle(_Lines(piece))


def whole_lines(text: str, limit: int) -> Iterator[str]:
    """Cut between lines, into pieces of at most `limit` characters where lines are not longer."""
    begin = 0
    while len(text) - begin > limit:
        end = text.rfind("\n", begin, begin + limit) + 1 or text.find("\n", begin) + 1
        if not end:
            break
        yield text[begin:end]
        begin = end
    if begin < len(text):
        yield text[begin:]


class _Lines(logging.LogRecord):
    """Whole lines that no formatter may touch."""

    def __init__(self, text: str) -> None:
        super().__init__("proxy", logging.INFO, "", 0, text, None, None)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Writes records as JSON, and lines as they are; the handler ends them with a line feed."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text."""
        if isinstance(record, _Lines):
            return str(record.msg).removesuffix("\n")
        return super().format(record)
