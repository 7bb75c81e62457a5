"""A pickle read as data: whatever it names becomes a record of the name, and what it would call is noted instead.

A pickle is a small program. Its power lies in two steps: it imports what it names, and it calls, or hands a state to,
what it has imported. Here a name is only ever turned into a subclass of `Record` made on the spot, and calling that or
handing it a state writes down the arguments. No name is imported, none of its code is looked at, and a name that no
snapshot has cause to hold ends the reading.
"""

import pickle
import re
from typing import Any, BinaryIO, ClassVar

from smoothvid.errors import CheckpointError

# What snapshots of the StyleGAN line are made of, as MODULE.NAME.
_CONTENT = re.compile(
    r"""
    dnnlib\.util\.EasyDict
    | torch_utils\.persistence\._reconstruct_persistent_obj
    | collections\.(OrderedDict|defaultdict)
    | torch\._utils\._rebuild_(tensor|tensor_v2|parameter)
    | torch\.storage\._load_from_bytes
    | torch\.(Size|device|float16|bfloat16|float32|float64|uint8|int8|int16|int32|int64|bool)
    | torch\.nn\.modules\.[a-z_]+\.[A-Z]\w*
    | omegaconf\.(dictconfig\.DictConfig|listconfig\.ListConfig|base\.(Container)?Metadata|nodes\.[A-Z]\w*Node)
    | numpy\.(dtype|ndarray|core\.multiarray\.(scalar|_reconstruct)|core\.numeric\._frombuffer)
    | builtins\.(object|dict|list|tuple|set|frozenset|str|unicode|int|long|float|bool|bytes|bytearray)
    | typing\.Any
    | copyreg\._reconstructor
    | _codecs\.encode
    """,
    re.VERBOSE | re.ASCII,
)
# The same things under other names: as a package below src, by Python 2, by NumPy 2.
_OTHER_NAMES = [("src.", ""), ("__builtin__.", "builtins."), ("copy_reg.", "copyreg."), ("numpy._core.", "numpy.core.")]


class _Sealed(type):
    """Classes in which a pickle can change nothing."""

    name: str

    def __setattr__(cls, name: str, value: Any) -> None:
        raise TypeError("records do not change")


class Record(metaclass=_Sealed):
    """One use of a name: the arguments of the call, then the state and the pairs handed to the result."""

    __slots__ = ("args", "pairs", "state")
    name: ClassVar[str] = ""
    args: tuple[Any, ...]
    state: Any
    pairs: dict[Any, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Record":
        record = super().__new__(cls)
        record.args, record.state, record.pairs = args, None, {}
        return record

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.pairs[key] = value


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.classes: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = known = f"{module}.{name}"
        for other, usual in _OTHER_NAMES:
            if known.startswith(other):
                known = usual + known.removeprefix(other)
        if not _CONTENT.fullmatch(known):
            raise CheckpointError(f"{printable(full)} is not something a snapshot contains; refused")
        if known not in self.classes:
            self.classes[known] = _Sealed(known, (Record,), {"__slots__": (), "name": known})
        return self.classes[known]

    def persistent_load(self, pid: Any) -> Any:
        raise CheckpointError("it refers to things outside of it, as torch.save's files do; refused")


def unpickle(file: BinaryIO) -> Any:
    """Read a pickle into plain containers, numbers, texts, bytes and records.

    Raises:
        CheckpointError: it names what no snapshot contains, or is damaged, or no pickle at all.
        MemoryError: it asks for more than there is.
    """
    try:
        return _Unpickler(file).load()
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:  # whatever an odd sequence of instructions may lead to
        reason = printable(str(error)) or type(error).__name__
        raise CheckpointError(f"no pickle, or a damaged one ({reason})") from None


def name_of(value: Any) -> str:
    """What a value is a record of; empty for anything else."""
    if not isinstance(value, Record):
        return ""
    if value.name == "copyreg._reconstructor" and value.args and isinstance(value.args[0], _Sealed):
        return value.args[0].name  # older pickles make all objects by it
    return value.name


def as_dict(value: Any) -> dict[Any, Any] | None:
    """A dict, or what was made as some kind of dict, as a dict; None for anything else."""
    if type(value) is dict:
        return value
    if name_of(value) not in ("dnnlib.util.EasyDict", "collections.OrderedDict", "collections.defaultdict"):
        return None
    start = value.args[-1] if value.args else {}
    return {**start, **value.pairs} if type(start) is dict else value.pairs


def as_bytes(value: Any) -> bytes:
    """Bytes, as they are or in the spelling of older pickles; none for anything else."""
    if name_of(value) == "_codecs.encode" and value.args and type(value.args[0]) is str:
        return bytes(value.args[0], "latin1", "replace")
    return value if type(value) is bytes else b""


def printable(text: str, length: int = 100) -> str:
    """A text out of a file of strangers, fit for a terminal: one line, ASCII, not long."""
    return ascii(text[:length])[1:-1] + ("..." if len(text) > length else "")
