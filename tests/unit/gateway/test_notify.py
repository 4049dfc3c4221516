"""What systemd is told, where it wants to be told."""

import os
import socket
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.notify import notify_ready


def test_readiness_and_the_process_to_look_after(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        TemporaryDirectory(prefix="run-") as folder,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd,
    ):
        systemd.bind(f"{folder}/notify")
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        notify_ready()
        systemd.setblocking(False)

        assert systemd.recv(100) == f"READY=1\nMAINPID={os.getpid()}".encode()


def test_nobody_to_tell_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify_ready()
