"""The files of the pretrained feature networks: found, or fetched, and checked before anything loads them.

    path = weights(I3D, folder=None)

They are TorchScript, which can run code, so that only a file with the known SHA-256 is ever loaded.
"""

import hashlib
import http.client
import os
import secrets
import ssl
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

from smoothvid.errors import WeightsMissingError

Progress = Callable[[int, int, str], None]  # bytes done, bytes in all, name of the file

_TIMEOUT = 30.0  # seconds without an answer
_CHUNK = 1 << 20


@dataclass(frozen=True)
class WeightsFile:
    """A file that everybody has the same copy of. urls: where it is, https only, tried in this order."""

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


INCEPTION = WeightsFile(
    name="inception-2015-12-05.pt",
    size=95_607_719,
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    urls=("https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",),
)
I3D = WeightsFile(
    name="i3d_torchscript.pt",
    size=51_235_320,
    sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
    urls=(
        "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
        "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/main/i3d_torchscript.pt",
    ),
)
FILES = {"inception": INCEPTION, "i3d": I3D}


def cache_folder() -> Path:
    """Where fetched files and statistics are kept: $SMOOTHVID_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("SMOOTHVID_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "smoothvid"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "smoothvid"


def find_weights(file: WeightsFile, folder: Path | None = None) -> Path | None:
    """The file in the given folder, else in the cache folder; None if it is in neither.

    Raises:
        WeightsMissingError: what lies there under its name is another file.
    """
    for place in (folder, cache_folder()):
        if place is not None and (place / file.name).is_file():
            check_weights(file, place / file.name)
            return place / file.name
    return None


def weights(file: WeightsFile, folder: Path | None = None, on_progress: Progress | None = None) -> Path:
    """`find_weights`, or `fetch_weights` if there is none."""
    return find_weights(file, folder) or fetch_weights(file, on_progress)


def check_weights(file: WeightsFile, path: Path) -> None:
    """Raise WeightsMissingError unless the file at path has the known size and SHA-256."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest() if size == file.size else "not looked at"
    except OSError as error:
        raise WeightsMissingError(f"{path} cannot be read ({error.strerror}).") from error
    if (size, found) != (file.size, file.sha256):
        raise WeightsMissingError(
            f"{path} is refused: it is not the {file.name} that everybody uses. It has {size} bytes, SHA-256 {found}; "
            f"{file.size} bytes, SHA-256 {file.sha256} are expected. Remove it and run: smoothvid eval --fetch"
        )


def fetch_weights(file: WeightsFile, on_progress: Progress | None = None) -> Path:
    """Fetch a file into the cache folder, unless the right one is there already.

    It arrives under a temporary name and gets its own when it is whole and right, so that several processes may fetch
    at once, and a transfer that breaks off leaves nothing behind.

    Args:
        on_progress: called with (bytes done, bytes in all, name of the file).

    Raises:
        WeightsMissingError: no address gave the file; names the reasons and what to do without a connection.
    """
    target, reasons = cache_folder() / file.name, []
    try:
        check_weights(file, target)
        return target
    except WeightsMissingError:
        pass  # there is none, or a wrong one that the right one will replace
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in file.urls:
            try:
                with temporary_beside(target) as stream:
                    _receive(file, url, stream, on_progress)
                return target
            except _Refused as error:
                reasons.append(f"{url}: {error}")
    except OSError as error:
        reasons.append(f"{target.parent} cannot be written: {error.strerror}")
    raise WeightsMissingError(
        f"{file.name} could not be fetched:\n  " + "\n  ".join(reasons) + f"\nWithout a connection, bring the file "
        f"({file.size} bytes, SHA-256 {file.sha256}) from one of these addresses and put it at {target}, or into a "
        "folder that you name with --weights. With a connection, `smoothvid eval --fetch` fetches all such files."
    )


class _Refused(Exception):
    """What an address gave is not the file."""


@contextmanager
def temporary_beside(target: Path) -> Iterator[IO[bytes]]:
    """A new file that becomes the target, at one stroke, if all goes well, and is removed if not."""
    # not mkstemp, whose files nobody but their owner can read
    name = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(name, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _receive(file: WeightsFile, url: str, stream: IO[bytes], on_progress: Progress | None) -> None:
    """Copy what an address gives into the stream. Raises _Refused unless it is the file."""
    digest, done = hashlib.sha256(), 0
    for chunk in _chunks(url):
        done += len(chunk)
        if done > file.size:
            raise _Refused(f"gives more than the {file.size} bytes of the file")
        digest.update(chunk)
        stream.write(chunk)
        if on_progress:
            on_progress(done, file.size, file.name)
    if done < file.size:
        raise _Refused(f"broke off after {done} of {file.size} bytes")
    if digest.hexdigest() != file.sha256:
        raise _Refused(f"gives another file, with SHA-256 {digest.hexdigest()}")


def _chunks(url: str) -> Iterator[bytes]:
    """What an address gives, as it comes. Raises _Refused when it cannot be reached or breaks off."""
    request = urllib.request.Request(url, headers={"User-Agent": "smoothvid"})
    try:
        with _https_only().open(request, timeout=_TIMEOUT) as answer:
            while chunk := answer.read1(_CHUNK):
                yield chunk
    except HTTPError as error:
        error.close()
        raise _Refused(f"answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Refused(f"cannot be reached, or broke off ({getattr(error, 'reason', error)})") from error


def _https_only() -> urllib.request.OpenerDirector:
    """urllib's opener without anything but https (through a proxy, if the environment names one)."""
    opener = urllib.request.OpenerDirector()
    https = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    errors = urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor()
    for handler in (urllib.request.ProxyHandler(), https, _StayOnHttps(), *errors, urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


class _StayOnHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        address = args[-1]
        if not address.startswith("https://"):
            raise _Refused(f"leads to {address}, which is not https")
        return super().redirect_request(*args)
