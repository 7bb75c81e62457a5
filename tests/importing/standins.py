"""Snapshots as the published code writes them, made by classes of our own under its names.

The classes stand in sys.modules only while a snapshot is written. The source text that each network carries creates a
file if anybody runs it.
"""

import contextlib
import io
import pickle
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MARKER = "somebody-ran-it"


class EasyDict(dict):
    """A dict whose keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("a snapshot was unpickled for real")


class Persistent(nn.Module):
    """A module that pickles as published ones do: class name, source text and state."""

    class_name, source = "Part", ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._init_args, self._init_kwargs = args, EasyDict(kwargs)

    def __reduce__(self) -> Any:
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": self.class_name}
        return _reconstruct_persistent_obj, (EasyDict(meta, state=dict(self.__dict__)),), None


class Metadata:
    """What OmegaConf keeps about a node."""

    def __init__(self, key: Any, kind: type) -> None:
        self.ref_type, self.object_type, self.optional, self.key = Any, kind, True, key
        self.flags, self.flags_root, self.resolver_cache = None, False, {}


class ContainerMetadata(Metadata):
    """The same for a container."""


class _Node:
    """A node of OmegaConf, by the state that it pickles."""


class AnyNode(_Node):
    def __init__(self, value: Any, key: Any, parent: Any) -> None:
        self.__dict__.update(_metadata=Metadata(key, object), _parent=parent, _flags_cache=None, _val=value)


class DictConfig(_Node):
    def __init__(self, value: Mapping[str, Any] | str, key: Any = None, parent: Any = None) -> None:
        content: Any = value
        self.__dict__.update(_metadata=ContainerMetadata(key, dict), _parent=parent, _flags_cache=None)
        if not isinstance(value, str):
            content = {name: as_node(item, name, self) for name, item in value.items()}
        self.__dict__["_content"] = content


class ListConfig(_Node):
    def __init__(self, value: list[Any], key: Any = None, parent: Any = None) -> None:
        self.__dict__.update(_metadata=ContainerMetadata(key, list), _parent=parent, _flags_cache=None)
        self.__dict__["_content"] = [as_node(item, index, self) for index, item in enumerate(value)]


def as_node(value: Any, key: Any, parent: Any) -> Any:
    if isinstance(value, Mapping):
        return DictConfig(value, key, parent)
    return ListConfig(value, key, parent) if isinstance(value, list) else AnyNode(value, key, parent)


HOMES = {
    "dnnlib.util": [EasyDict],
    "torch_utils.persistence": [_reconstruct_persistent_obj],
    "omegaconf.base": [Metadata, ContainerMetadata],
    "omegaconf.nodes": [AnyNode],
    "omegaconf.dictconfig": [DictConfig],
    "omegaconf.listconfig": [ListConfig],
}


@contextlib.contextmanager
def published_names(below_src: bool) -> Iterator[None]:
    """Within it the classes here go by the published names; afterwards no trace of that is left."""
    modules: dict[str, types.ModuleType] = {}
    homes = [(item, item.__module__) for items in HOMES.values() for item in items]
    for home, items in HOMES.items():
        name = f"src.{home}" if below_src and not home.startswith("omegaconf") else home
        for end in range(1, name.count(".") + 2):
            package = ".".join(name.split(".")[:end])
            modules.setdefault(package, types.ModuleType(package))
        for item in items:
            item.__module__ = name
            setattr(modules[name], item.__name__, item)
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)
        for item, home in homes:
            item.__module__ = home


class _OnCuda(pickle.Pickler):
    """Writes storages as if they had been on a CUDA device."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, torch.storage.TypedStorage):
            return NotImplemented
        function, (data,) = obj.__reduce__()
        changed = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
        assert changed != data
        return function, (changed,)


def dumps(value: Any, *, cuda: bool = False, below_src: bool = True, protocol: int = 4) -> bytes:
    """The pickle that the published code would write."""
    file = io.BytesIO()
    with published_names(below_src):
        (_OnCuda if cuda else pickle.Pickler)(file, protocol).dump(value)
    return file.getvalue()


def network(class_name: str, tensors: Mapping[str, Tensor], marker: Path, *args: Any, **kwargs: Any) -> Persistent:
    """A network of nested modules, some of them torch's own, that holds these tensors by these names."""
    root = Persistent(*args, **kwargs)
    root.class_name, root.source = class_name, f"open({str(marker)!r}, 'w').write('run')\n"
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module: nn.Module = root
        for depth, part in enumerate(path):
            if part not in module._modules:
                inner: nn.Module = nn.Sequential() if path[depth + 1 :][:1] == ["0"] else Persistent()
                module.add_module(part, nn.Embedding(*tensor.shape) if part == "const_embed" else inner)
            module = module._modules[part]  # type: ignore[assignment]
        if last in ("weight", "bias", "const", "input", "motion_mask", "w1", "w2"):
            module.register_parameter(last, nn.Parameter(tensor.clone()))
        else:
            module.register_buffer(last, tensor.clone())
    return root.eval().requires_grad_(False)
