"""Where an exported folder goes: there whole or not at all, and in place of nothing but an earlier export."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoothvid.errors import ConfigError, DataError
from smoothvid.files import flush
from smoothvid.plain_text import read_json

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
LIBRARY = "smoothvid"
OURS = {
    CONFIG_FILE,
    CARD_FILE,
    "model.safetensors",
    "state.pt",
    "checksums.json",
    "preview.mp4",
    "preview.png",
    "torch",
    "onnx",
}
"""All that an export may hold."""


def check_place(out: Path, force: bool) -> None:
    """Raise ConfigError unless a folder can be written here: what is there, `force` replaces if it is an export."""
    if not out.name:
        raise ConfigError(f"--out {out}: give the folder a name")
    if not out.exists() and not out.is_symlink():
        return
    if not force:
        raise ConfigError(f"{out}: already exists; choose another --out, or pass --force to replace it")
    if not is_export(out) and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"{out}: is not just an exported model, so it is not replaced; choose another --out")


def is_export(folder: Path) -> bool:
    """Whether a folder is an exported model and holds nothing else."""
    try:
        config = read_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        return config.get("library_name") == LIBRARY and {item.name for item in folder.iterdir()} <= OURS
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def whole_folder(out: Path, force: bool) -> Iterator[Path]:
    """A path beside `out` to make a folder at; afterwards it is on the disk and called `out`, if all went well.

    Raises:
        ConfigError: something is at `out` already, see `check_place`.
        DataError: the disk does not take it.
    """
    check_place(out, force)
    out = out.absolute()
    partial, old = (out.with_name(f".{out.name}.{word}") for word in ("partial", "old"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
        yield partial
        for item in (*partial.rglob("*"), partial):
            flush(item)
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            os.rename(out, old)
        os.rename(partial, out)
        flush(out.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
