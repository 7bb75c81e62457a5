"""What a file is by its first bytes, and what one does with such a file here."""

import os
from pathlib import Path

_STARTS = [  # place of the first bytes, the bytes, what the file is, what to do
    (4, b"ftyp", "a video", "prepare"),
    (0, b"\x1aE\xdf\xa3", "a video", "prepare"),
    (8, b"AVI ", "a video", "prepare"),
    (0, b"\x00\x00\x01\xba", "a video", "prepare"),
    (0, b"GIF8", "a picture or video", "prepare"),
    (0, b"\x89PNG", "a picture", ""),
    (0, b"\xff\xd8\xff", "a picture", ""),
    (8, b"WEBP", "a picture", ""),
    (0, b"PK\x03\x04", "a zip archive", ""),
    (0, b"PK\x05\x06", "an empty zip archive", ""),
    (0, b"\x1f\x8b", "a gzip file", "unpack"),
    (0, b"7z\xbc\xaf", "a 7z file", "unpack"),
    (0, b"Rar!", "a RAR archive", "unpack"),
    (257, b"ustar", "a tar archive", "unpack"),
    (0, b"\x89HDF", "an HDF5 file", ""),
    (0, b"version https://git-lfs", "a stand-in that git-lfs left", "fetch"),
    (0, b"%PDF", "a PDF document", ""),
    (0, b"\x80\x02", "a pickle", "import"),
    (0, b"\x80\x03", "a pickle", "import"),
    (0, b"\x80\x04", "a pickle", "import"),
    (0, b"\x80\x05", "a pickle", "import"),
]
_ADVICE = {
    "": "",
    "prepare": "; make a dataset of it: smoothvid prepare {} --out DATASET",
    "import": "; if it is a snapshot of other people's code: smoothvid import {} --out MODEL",
    "unpack": "; unpack it first",
    "fetch": "; fetch the file itself",
}


def file_kind(path: Path) -> tuple[str, str]:
    """What a file looks like, and, where there is something to do with it, the advice ("; ..."); both may be empty.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        start, size = file.read(512), os.fstat(file.fileno()).st_size
    if not start:
        return "an empty file", ""
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < size:
        return "a safetensors file", ""
    for place, first, kind, advice in _STARTS:
        if start.startswith(first, place):
            return kind, _ADVICE[advice].format(path)
    if start[:1] == b"G" and start[188:189] == b"G":
        return "a video", _ADVICE["prepare"].format(path)
    text = start.lstrip()
    if text[:1] == b"<":
        return "a web page, perhaps of a download that asks for a click", ""
    if text[:1] in (b"{", b"["):
        return "a JSON file", ""
    return "", ""
