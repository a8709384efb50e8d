"""What takes seconds to work out from the rules is kept in a file, for the next process to read in a moment.

Where no folder was named, or it cannot be written, everything is worked out each time.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)
_folder: Path | None = None


def use(folder: Path | None) -> None:
    """Keep files in this folder from now on; None: keep none."""
    global _folder
    _folder = folder


def kept[T](name: str, version: str, kind: type[T], make: Callable[[], T]) -> T:
    """What `make` gives, or gave a process before for the same `version`. Of each name only one is kept."""
    if _folder is None:
        return make()
    path = _folder / f"{name}-{hashlib.sha256(version.encode()).hexdigest()[:16]}.msgpack"
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        logger.info(
            "The safety rules (%s) are new here: their index is worked out once, in half a minute or less",
            name,
        )
        made = make()
        _write(path, msgspec.msgpack.encode(made), name)
        return made


def _write(path: Path, content: bytes, name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(fresh).replace(path)
        for old in path.parent.glob(f"{name}-*.msgpack"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("The safety rules' index is not kept, and every start takes longer: %s", error)
