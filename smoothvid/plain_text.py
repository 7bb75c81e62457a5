"""JSON as the standard has it, and strangers' text that can be shown.

What comes out of files is checked here once: no numbers without an end, no nesting that exhausts the reader, no half
characters that no file can hold. What goes into files and onto terminals is plain in the same sense.
"""

import json
import math
from typing import Any

_DEEPEST = 64  # tables in tables
_LONGEST_NUMBER = 300  # digits and signs: float64 ends at 1e308


def read_json(text: str | bytes, finite: bool = True) -> Any:
    """The data that a JSON text holds, its numbers finite, its texts whole.

    Args:
        finite: refuse numbers that are not finite; else they are read as they are.

    Raises:
        ValueError: no JSON; numbers that are not finite or too long; nesting without end; half characters.
    """
    number = _finite if finite else float
    try:
        data = json.loads(text, parse_float=number, parse_int=_short, parse_constant=number)
        _check_depth(data)
        mark = "\\ud" if isinstance(text, str) else b"\\ud"
        if mark in text.lower():  # type: ignore[operator]
            json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half a character") from None
    return data


def write_json(data: Any, indent: int | None = None, ensure_ascii: bool = True, **options: Any) -> str:
    """JSON of plain data; a number that is not finite becomes null, for which alone JSON has a word."""
    return json.dumps(_with_null(data), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False, **options)


def printable(text: str, keep: str = "") -> str:
    """The same text without anything that a terminal may obey: such characters are spelled, but for `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else json.dumps(c)[1:-1] for c in text)


def _check_depth(data: Any) -> None:
    level = [data]
    for _ in range(_DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [value for values in inner for value in values]
    if level:
        raise RecursionError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _short(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"{text[:20]}... is a number of {len(text)} digits")
    return int(text)


def _with_null(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _with_null(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_with_null(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
