"""nginx in all its parts here: the app behind every stack, the decision service, and a peer.

Where a `proxy_set_header` stands in a location, nginx drops the inherited ones there:
without `Connection ""` beside it, no connection to the app would be kept, and nginx would
look three times slower than it is.
"""

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.site import Site, running
from gateway.embedded.processes import GuardedProcess

# No connection ends within a run, on either side of anything.
KEEP = "keepalive_timeout 3600s; keepalive_requests 1000000000;"
_VERSION_TIMEOUT_S = 10

# Logs are off: what we compare ourselves with gets the best case.
_CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 60000;
{user}
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 50000; }}
http {{
    access_log off;
    server_tokens off;
    default_type application/json;
    {keep}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


def find_nginx() -> str | None:
    """Return the path of nginx, or None; Debian keeps it off a normal user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def find_missing_nginx() -> str | None:
    """Return what has to be installed, or None; asked of a build without the module too."""
    program = find_nginx()
    if program is None:
        return "nginx is not installed (Debian, Ubuntu: apt install nginx-light)"
    told = subprocess.run(
        [program, "-V"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
    )
    if "http_auth_request_module" not in told.stderr:
        return "this nginx was built without http_auth_request_module"
    return None


def nginx_version() -> str:
    """Return the version, or a dash where there is none."""
    program = find_nginx()
    if program is None:
        return "-"
    told = subprocess.run(
        [program, "-v"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
    )
    found = re.search(r"nginx/([\d.]+)", told.stderr)
    return found[1] if found else "-"


@asynccontextmanager
async def run_nginx(
    site: Site, name: str, http: str, port: int, *, cores: str | None
) -> AsyncIterator[GuardedProcess]:
    """Run one worker with the given `http` section while entered.

    Raises:
        BenchError: nginx is missing or did not start.
    """
    program = find_nginx()
    if program is None:
        raise BenchError("nginx is missing: install it (Debian, Ubuntu: apt install nginx-light)")
    folder = site.folder / name
    _write(folder, http)
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    async with running(name, command, site.log_of(name), cores=cores, port=port) as process:
        yield process


def _write(folder: Path, http: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Started by root, a worker would become somebody who cannot write into our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIG.format(folder=folder, user=user, keep=KEEP, http=http)
    (folder / "nginx.conf").write_text(text)
