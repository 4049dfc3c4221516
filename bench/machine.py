"""What it was measured on: the machine and the versions of everything that took part."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bench.cores import Cores
from bench.nginx import nginx_version
from bench.result import Machine
from bench.stacks.caddy import find_caddy
from bench.stacks.envoy import find_envoy
from bench.stacks.haproxy import find_haproxy
from gateway.version import product_version

_LIBRARIES: Final = ("aiohttp", "uvloop", "multidict", "asyncpg", "redis", "structlog", "pyjwt")
_VERSION_TIMEOUT_S = 10


def machine_facts(cores: Cores) -> Machine:
    """Read them; what cannot be read is a dash."""
    versions = {"tollway": product_version(), "nginx": nginx_version(), "wrk": _wrk_version()}
    versions |= _peer_versions()
    versions |= {name: _library(name) for name in _LIBRARIES}
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        pinned=cores.can_pin,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        versions=versions,
        load=round(os.getloadavg()[0], 1),
    )


def ask_version(command: Sequence[str], pattern: str) -> str:
    """Return what the pattern finds in what a program says of itself, or a dash."""
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "-"
    found = re.search(pattern, told.stdout + told.stderr)
    return found[1] if found else "-"


def _peer_versions() -> dict[str, str]:
    asked = {
        "haproxy": (find_haproxy(), "-v", r"version ([\d.]+)"),
        "envoy": (find_envoy(), "--version", r"/(\d+\.\d+\.\d+)/"),
        "caddy": (find_caddy(), "version", r"v([\d.]+)"),
    }
    return {
        name: ask_version([program, option], pattern) if program else "-"
        for name, (program, option, pattern) in asked.items()
    }


def _wrk_version() -> str:
    return ask_version(["wrk", "-v"], r"wrk \D*([\d.]+)")


def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _cpu_model() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        return "-"
    return found[1].strip() if found else platform.machine()
