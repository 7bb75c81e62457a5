"""Settings: frozen dataclasses hold the defaults and the checks, TOML files and `--set` hold only the differences.

    data = merge(load_toml("my.toml"), parse_set("train.batch=8"))
    config = from_dict(RunConfig, data)

Keys are strict: an unknown key, a wrong type or a value that is not allowed is a ConfigError that names the key.
Field types: bool, int, float, str, Literal, tuple, None, unions of these, and further dataclasses.
TOML has no null, so the text "none" stands for None wherever a field may be None.
"""

import dataclasses
import difflib
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from smoothvid.errors import ConfigError

T = TypeVar("T")

_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "none"}


def load_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; a missing or broken file is a ConfigError that names it."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this settings file ({error.strerror or error})") from None
    except ValueError as error:  # TOMLDecodeError says line and column; UnicodeDecodeError is one too
        raise ConfigError(f"{path}: not a valid TOML file ({error})") from None


def parse_set(text: str) -> dict[str, Any]:
    """Turn `section.key=value` into nested dicts.

    The value is read as TOML (`8`, `1e-3`, `true`, `[16, 32]`, `"text"`); what is not TOML is text as it stands.
    """
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"--set {text}: write section.key=value, for example --set train.batch=8")
    nested: Any = _parse_value(value.strip())
    for part in reversed(parts):
        nested = {part: nested}
    return nested


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return base with the values of over put on top, table by table; neither argument changes."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def from_dict(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build a settings dataclass from plain data, strictly.

    Args:
        cls: a dataclass, keyword-only and frozen by convention; `__post_init__` may raise ValueError.
        data: plain values by field name; fields left out take their defaults.
        where: the dotted name of this section, for messages.

    Raises:
        ConfigError: an unknown or missing key, a wrong type, a value that is not allowed, or a failed check.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or 'settings'}: must be a table of settings, got {_show(data)}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise ConfigError(f"{_join(where, key)}: no such setting; {suggest(key, fields)}")
    for name, field in fields.items():
        if name not in data and _default(field) is dataclasses.MISSING:
            raise ConfigError(f"{_join(where, name)}: needs a value ({_describe(hints[name])})")
    values = {}
    for key, value in data.items():
        default = _default(fields[key])
        if dataclasses.is_dataclass(default) and isinstance(value, Mapping):
            value = merge(to_dict(default), value)  # this section's own defaults, not those of its class
        values[key] = _convert(hints[key], value, _join(where, key))
    try:
        return cls(**values)
    except (ValueError, ConfigError) as error:  # from __post_init__, which does not know where it stands
        raise ConfigError(f"{where}: {error}" if where else str(error)) from None


def check_ranges(settings: Any, low: float, high: float, *names: str) -> None:
    """For `__post_init__`: raise ValueError unless each of these fields lies between `low` and `high`, or is None."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value}")


def to_dict(instance: Any) -> dict[str, Any]:
    """Return a settings dataclass as plain dicts, lists and values: `from_dict(type(x), to_dict(x)) == x`."""
    return {field.name: _plain(getattr(instance, field.name)) for field in dataclasses.fields(instance) if field.init}


def suggest(name: str, known: Iterable[str]) -> str:
    """Say what was probably meant, else what there is: the second half of a "no such ..." message."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {close[0]}?" if close else f"there is {', '.join(names) or 'none'}"


def _default(field: "dataclasses.Field[Any]") -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _parse_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = parsed["value"]
    is_data = isinstance(value, bool | int | float | str | list | dict)  # a date, say, is text to us
    return value if is_data and len(parsed) == 1 else text


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check value against a type hint and return it in that type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        items = args[:1] * len(value) if args[1:] == (...,) else args
        if len(items) == len(value):
            pairs = enumerate(zip(items, value, strict=True))
            return tuple(_convert(item, part, f"{where}[{index}]") for index, (item, part) in pairs)
    if origin is Literal and any(value == allowed and type(value) is type(allowed) for allowed in args):
        return value
    if hint is float and type(value) is int and abs(value) < 2**1000:
        return float(value)
    if hint is Any or (hint in _PLAIN and type(value) is hint and value == value):  # nan is no value to train with
        return value
    raise ConfigError(f"{where}: must be {_describe(hint)}, got {_show(value)}")


def _convert_union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if type(None) in members:
        if value is None or value == "none":
            return None
        members = tuple(member for member in members if member is not type(None))
    tables = [member for member in members if dataclasses.is_dataclass(member)]
    if len(tables) == 1 and isinstance(value, Mapping):
        return _convert(tables[0], value, where)  # so that a mistake inside the table is named, not the table
    for member in sorted(members, key=lambda member: member is float):  # so that 1 stays an int in int | float
        try:
            return _convert(member, value, where)
        except ConfigError:
            continue
    raise ConfigError(f"{where}: must be {' or '.join(map(_describe, members))}, got {_show(value)}")


def _describe(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(_show, args))
    if origin in (Union, types.UnionType):
        return " or ".join(map(_describe, args))
    if origin is tuple and args[1:] == (...,):
        return f"a list, each {_describe(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}: {', '.join(map(_describe, args))}"
    return _PLAIN.get(hint, f"a table of settings ({getattr(hint, '__name__', hint)})")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _show(value: Any) -> str:
    """Write a value the way a settings file would."""
    names = {None: "none", True: "true", False: "false"}
    return names[value] if value is None or isinstance(value, bool) else repr(value)
