"""Plain values out of records: numbers, texts, lists and tables, with OmegaConf's references followed."""

import re
from typing import Any

import numpy as np

from smoothvid.errors import CheckpointError
from smoothvid.importing.records import Record, as_bytes, as_dict, name_of

_MAX_STEPS = 100_000
_MAX_DEPTH = 32
_MAX_TEXT = 4096
_REFERENCE = re.compile(r"\$\{([^${}]*)\}")  # an innermost one
_TABLE, _LIST = "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig"
_SEQUENCES = {"torch.Size", "builtins.tuple", "builtins.list", "builtins.set", "builtins.frozenset"}
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")


def plain(value: Any) -> Any:
    """None, bool, int, float, str, lists and dicts of them with text keys; what is none of these becomes "<ITS NAME>".

    References ${...} that lead out of what the pickle holds stay as they are.

    Raises:
        CheckpointError: nested too deeply, or more values than any configuration has.
    """
    return _Reader().read(value)


class _Reader:
    def __init__(self) -> None:
        self.steps = 0

    def spend(self, depth: int) -> None:
        """One step further: small pickles may hold what is endless to walk through."""
        self.steps += 1
        if self.steps > _MAX_STEPS or depth > _MAX_DEPTH:
            raise CheckpointError("its settings are nested too deeply, or without end; refused")

    def read(self, value: Any, depth: int = 0) -> Any:
        self.spend(depth)
        if value is None or type(value) in (bool, float):
            return value
        if type(value) is int:
            return value if abs(value) < 2**63 else "<a large number>"
        if type(value) is str:
            return _text(value)
        if type(value) in (list, tuple, set, frozenset):
            return [self.read(item, depth + 1) for item in value]
        if (table := as_dict(value)) is not None:
            pairs = ((str(key), item) for key, item in table.items() if type(key) in (str, int, float, bool))
            return {_text(key): self.read(item, depth + 1) for key, item in pairs}
        name = name_of(value)
        if name in (_TABLE, _LIST) or name.startswith("omegaconf.nodes."):
            return self.read_node(value, depth)
        if name in _SEQUENCES and value.args and type(value.args[0]) in (list, tuple):
            return [self.read(item, depth + 1) for item in value.args[0]]
        if name == "numpy.core.multiarray.scalar":
            return _number(value)
        return f"<{name or type(value).__name__}>"

    def read_node(self, node: Record, depth: int) -> Any:
        """A node of OmegaConf: a table, a list, a value, or a reference in the place of any of them."""
        content = _content(node)
        if type(content) is not str:
            return self.read(content, depth + 1)
        if (reference := _REFERENCE.fullmatch(content)) is not None:
            target = self.find(node, reference[1], depth + 1)
            return _text(content) if target is None else self.read(target, depth + 1)
        before = None
        while content != before:  # references may stand in each other
            before, parts = content, _REFERENCE.split(content)
            for index in range(1, len(parts), 2):
                target = self.find(node, parts[index], depth + 1)
                parts[index] = f"${{{parts[index]}}}" if target is None else str(self.read(target, depth + 1))
            content = "".join(parts)[:_MAX_TEXT]
        return _text(content)

    def find(self, node: Record, path: str, depth: int) -> Any:
        """What a reference in a node means: "a.b" from the root, ".a" beside the node, "..a" beside its parent.

        None where that leads to nothing.
        """
        found: Any = node
        ups = len(path) - len(path.lstrip(".")) or _MAX_DEPTH  # as far as there are parents
        for _ in range(min(ups, _MAX_DEPTH)):
            parent = (as_dict(found.state) or {}).get("_parent")
            found = parent if name_of(parent) in (_TABLE, _LIST) else found
        keys = [key for key in re.split(r"[.\[\]]", path) if key]
        for key in keys:
            self.spend(depth)
            content = _content(found)
            reference = _REFERENCE.fullmatch(content) if type(content) is str else None
            if reference is not None:  # one on the way
                content = _content(self.find(found, reference[1], depth + 1))
            if type(content) is list:
                content = {str(index): item for index, item in enumerate(content)}
            found = content.get(key) if type(content) is dict else None
        return found if keys else None


def _text(value: str) -> str:
    """Fit for a terminal, where it may be shown."""
    return "".join(letter if letter.isprintable() else " " for letter in value[:_MAX_TEXT])


def _content(node: Any) -> Any:
    """What a node of OmegaConf holds; None for anything else."""
    name = name_of(node)
    if not name.startswith("omegaconf."):
        return None
    return (as_dict(node.state) or {}).get("_content" if name in (_TABLE, _LIST) else "_val")


def _number(scalar: Record) -> Any:
    """The value of a NumPy scalar."""
    dtype, data = scalar.args if len(scalar.args) == 2 else (None, None)
    kind = dtype.args[0] if isinstance(dtype, Record) and name_of(dtype) == "numpy.dtype" and dtype.args else None
    raw = as_bytes(data)
    if type(kind) is str and _NUMBERS.fullmatch(kind) and len(raw) == int(kind[1]):
        return np.frombuffer(raw, f"<{kind}").item()
    return f"<{scalar.name}>"
