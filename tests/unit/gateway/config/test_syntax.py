import pytest

from gateway.config.reflect import open_keys
from gateway.config.syntax import hidden_in


def _shown(line: str) -> str:
    hidden = hidden_in(line, 1, open_keys())
    return line if hidden is None else line[: hidden.column - 1]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("", ""),
        ("  port: 8080", "  port: 8080"),
        ("listen:", "listen:"),
        ("  - {path: /, access: public", "  - {path: /, access: public"),
        ("  signing_key: hunter2", "  signing_key: "),
        ('  signing_key: "port: hunter2', '  signing_key: "'),
        ("  stripe: {livemode: true, secret_key: hunter2", "  stripe: {"),
        ("  - hunter2", "  - "),
        ("hunter2", ""),
        ("hunter2 port: 1", ""),
        ("  unknown: hunter2", "  unknown: "),
        ("  url: redis://:hunter2@h", "  url: "),
        ("# hunter2", ""),
    ],
)
def test_of_a_line_outside_any_tree_only_harmless_values_are_shown(line: str, shown: str) -> None:
    assert _shown(line) == shown
