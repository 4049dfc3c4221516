"""Who may import whom: the table of docs/architecture.md, held by the syntax tree."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy

ROOT = Path(__file__).parents[2]
PACKAGES = ("policies", "billing", "proxy", "checkout_pages", "gateway", "demo", "bench")

# What each package may import of the others; a dotted name is that module alone.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "policies": (),
    "billing": ("policies.model", "policies.permission", "policies.return_url"),
    "proxy": ("policies",),
    "checkout_pages": ("policies", "billing.model", "billing.errors"),
    "gateway": ("policies", "billing", "proxy", "checkout_pages"),
    "demo": (),
    # It measures the product, so it may use all of it; nobody uses it.
    "bench": ("policies", "billing", "proxy", "checkout_pages", "gateway"),
}
THIRD_PARTY: dict[str, frozenset[str]] = {
    "policies": frozenset(),
    "billing": frozenset(
        {
            "aiohttp",
            "asyncpg",
            "cachetools",
            "cryptography",
            "jwt",
            "pydantic",
            "pydantic_core",
            "redis",
            "stripe",
            "structlog",
        }
    ),
    "proxy": frozenset({"aiohttp", "cachetools", "jwt", "multidict", "structlog", "yarl"}),
    "checkout_pages": frozenset({"aiohttp", "aiohttp_jinja2", "jinja2", "structlog"}),
    "demo": frozenset({"aiohttp", "aiohttp_jinja2", "jinja2", "pydantic"}),
}
# Files of billing that decide; they see no library and no clock.
PURE = (
    "billing/model.py",
    "billing/errors.py",
    "billing/metrics.py",
    "billing/webhooks/masking.py",
    "billing/ports.py",
    "billing/catalog.py",
    "billing/audit/chain.py",
    "billing/audit/verifier.py",
    "billing/transitions.py",
    "billing/client_facts.py",
    "billing/derive.py",
    "billing/item_money.py",
    "billing/entitled_until.py",
    "billing/grant_changes.py",
    "billing/result.py",
    "billing/facts.py",
    "billing/views.py",
    "billing/selling/holdings.py",
    "billing/providers/stripe/fields.py",
    "billing/providers/stripe/objects.py",
    "billing/providers/stripe/money.py",
    "billing/providers/stripe/events.py",
    "billing/oauth/bearer.py",
    "billing/oauth/claims.py",
    "billing/oauth/denials.py",
    "billing/oauth/form.py",
    "billing/oauth/rotation.py",
)
_LINES = 300
_SQL_HOMES = (
    "billing/storage/",
    "billing/webhooks/inbox.py",
    "gateway/embedded/",
    "demo/sandbox/",
    # What was written or read is told by statements of its own, not by those that did it.
    "bench/webhooks/inbox.py",
    "bench/entitlements/reads.py",
)


def sources(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names of what the file imports, `from a import b` as both `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {name for name in names if (ROOT / Path(*name.split("."))).exists()} | {
                name for name in names if (ROOT / f"{name.replace('.', '/')}.py").exists()
            }
            # A module imported by name counts as that module, anything else as its home.
            yield from known or {node.module}


def is_within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_what_the_table_allows(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if name.split(".")[0] in {*PACKAGES, "tests"} - {package}
        and not any(is_within(name, allowed) for allowed in MAY_IMPORT[package])
    ]

    assert not wrong


@pytest.mark.parametrize("package", THIRD_PARTY)
def test_package_uses_only_its_own_libraries(package: str) -> None:
    known = sys.stdlib_module_names | {*PACKAGES} | THIRD_PARTY[package]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if name.split(".")[0] not in known
    ]

    assert not wrong


@pytest.mark.parametrize("file", PURE)
def test_pure_file_sees_no_library_and_no_clock(file: str) -> None:
    names = {name.split(".")[0] for name in imported(ROOT / file)}

    assert names <= sys.stdlib_module_names | {"policies", "billing"}
    assert not names & {"asyncio", "time", "os", "socket"}


def test_proxy_is_ours_and_not_the_distribution_of_that_name() -> None:
    assert proxy.__file__ is not None
    assert Path(proxy.__file__).is_relative_to(ROOT)


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_package_file_is_a_map_and_no_code(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        body = ast.parse(path.read_text()).body

        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_s_map_names_all_that_is_in_it(package: str) -> None:
    missing = []
    for map_ in (ROOT / package).rglob("__init__.py"):
        told = set(re.findall(r"\w+", map_.read_text()))
        inside = {path.stem for path in map_.parent.glob("*.py")} - {"__init__"}
        inside |= {path.parent.name for path in map_.parent.glob("*/__init__.py")}
        missing += [f"{map_.relative_to(ROOT)}: {name}" for name in sorted(inside - told)]

    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_stay_small(package: str) -> None:
    long = [str(p) for p in sources(package) if len(p.read_text().splitlines()) > _LINES]

    assert not long


def test_sql_stands_in_store_files_only() -> None:
    words = ("select ", "insert into ", "update ", "delete from ")
    wrong = []
    for package in PACKAGES:
        for path in sources(package):
            name = str(path.relative_to(ROOT))
            if name.startswith(_SQL_HOMES):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                text = node.value if isinstance(node, ast.Constant) else None
                is_sql = isinstance(text, str) and text.lstrip().lower().startswith(words)
                if is_sql and (" from " in str(text) or " set " in str(text)):
                    wrong.append(f"{name}:{getattr(node, 'lineno', 0)}")

    assert not wrong


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    suffixes = {".py", ".md", ".yaml", ".toml", ".html", ".lock"}
    marks = ["/" + "work/", "/" + "root/", "/home/" + "user"]
    wrong = [
        str(path.relative_to(ROOT))
        for folder in (*PACKAGES, "docs", "deploy", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and any(mark in path.read_text() for mark in marks)
    ]

    assert not wrong
