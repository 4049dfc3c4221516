"""What a bare word of YAML means: the core schema of YAML 1.2.

In YAML 1.1, which the library would follow, `no` is a boolean and `22:30` a number.
"""

import re

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# No setting is longer; what is stays a text, such as a key of digits.
_INT_CHARS = 19
_FLOAT_CHARS = 39

Scalar = None | bool | int | float | str


class Substituted(str):
    """A bare value made of one reference alone: it means what it would mean in the file.

    It stays a text until the schema asks for something else, as a password of digits does.
    """

    __slots__ = ()


def resolve(text: str) -> Scalar:
    """Return what the bare text means: null, a boolean, a number, or the text."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text) and len(text) <= _INT_CHARS:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) <= _FLOAT_CHARS:
        return float(text)
    return str(text)
