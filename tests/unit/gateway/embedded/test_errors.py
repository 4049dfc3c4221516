import errno
from pathlib import Path

import pytest

from gateway.embedded.errors import EmbeddedError, disk_full, translated


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "cannot write to /data"),
        (errno.EROFS, "--data DIR"),
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.ENOTDIR, "is not a folder"),
        (errno.EIO, "cannot use the data folder /data"),
    ],
)
def test_what_the_file_system_refuses_is_told_in_one_line(number: int, words: str) -> None:
    with pytest.raises(EmbeddedError) as caught, translated(Path("/data")):
        raise OSError(number, "as the system says")

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(KeyError), translated(Path("/data")):
        raise KeyError


def test_a_full_disk_names_the_folder() -> None:
    assert "/data" in disk_full(Path("/data"))
