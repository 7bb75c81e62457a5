"""Networks as programs: torch.export's .pt2 files and ONNX files, each checked against the network it came from.

They are made of plain PyTorch operations on the CPU, with free sizes where inputs have them. What cannot be made so, or
comes out different, is left out, with the reason.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from smoothvid.errors import ConfigError
from smoothvid.exporting.parts import Part
from smoothvid.nn import kernels
from smoothvid.settings import suggest

Run = Callable[[dict[str, Tensor]], Tensor]

SUFFIX = {"torch": ".pt2", "onnx": ".onnx"}
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = {"torch": 1e-5, "onnx": 1e-4}
"""Greatest difference, where frames go from -1 to 1: ONNX runtimes order and fuse sums in their own ways."""
NO_ONNX_MOTION = (
    "motion is reckoned in double precision, which ONNX Runtime lacks for convolutions and PyTorch's ONNX exporter for "
    "constants"
)
_TRACED = {"batch": 3, "frames": 5, "codes": 7}  # sizes the tracer sees; it takes 0 and 1 for constants
_CHECKED = ({"batch": 1, "frames": 2}, {"batch": 4, "frames": 7})  # others


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise ConfigError for a kind of program that does not exist, or where the packages for ONNX are missing."""
    for kind in kinds:
        if kind not in SUFFIX:
            raise ConfigError(f"--format {kind}: no such kind of program; {suggest(kind, SUFFIX)}")
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if "onnx" in kinds and missing:
        raise ConfigError(f'--format onnx needs {", ".join(missing)}: pip install "smoothvid[onnx]"')


def write_programs(parts: Sequence[Part], kind: str, folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Write one file for each part that can be a program.

    Returns:
        The largest difference from the network by the name of the part, and why parts were left out, if any were.
    """
    differences, left_out = dict[str, float](), dict[str, str]()
    for part in parts:
        if kind == "onnx" and part.name == "motion":
            left_out[part.name] = NO_ONNX_MOTION
            continue
        path = folder / (part.name + SUFFIX[kind])
        try:
            program = trace(part)
        except Exception as error:  # whatever the tracer meets in a network that is not made for it
            left_out[part.name] = f"PyTorch cannot trace it ({_one_line(error)})"
            continue
        run = _save_torch(program, path) if kind == "torch" else _save_onnx(program, part, path)
        difference = largest_difference(part, run)
        if difference <= TOLERANCE[kind]:
            differences[part.name] = difference
        else:
            path.unlink()
            left_out[part.name] = f"the program's results differ by {difference:.2g}"
    return differences, left_out


@torch.no_grad()
def trace(part: Part) -> ExportedProgram:
    """The part as a graph of PyTorch's operations, which names no file of this machine."""
    inputs = part.example(_TRACED, seed=0)
    with kernels.chosen("matrices"):
        part.module(**part.example({name: 1 for name in _TRACED}, seed=0))  # constants that are kept are made for real
        free = {
            name: {at: Dim.DYNAMIC for at, axis in enumerate(axes) if isinstance(axis, str)}
            for name, axes in part.axes.items()
        }
        with _silent():
            program = torch.export.export(part.module, (), inputs, dynamic_shapes=free)
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            for name in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn"):
                node.meta.pop(name, None)
    return program


@torch.no_grad()
def largest_difference(part: Part, run: Run) -> float:
    """Between a program and the part, over inputs of other sizes than it was traced with."""
    found = 0.0
    with kernels.chosen("matrices"):
        for seed, sizes in enumerate(_CHECKED, start=1):
            inputs = part.example({"codes": 1, **sizes}, seed)
            found = max(found, float((run(inputs) - part.module(**inputs)).abs().max()))
    return found


def _save_torch(program: ExportedProgram, path: Path) -> Run:
    torch.export.save(program, path)
    module: Any = torch.export.load(path).module()
    return lambda inputs: module(**inputs)


def _save_onnx(program: ExportedProgram, part: Part, path: Path) -> Run:
    names: dict[str, Any] = {"input_names": list(part.axes), "output_names": [part.result]}
    with _silent():
        onnx: Any = torch.onnx.export(program, dynamo=True, **names, external_data=False, verbose=False)
    onnx.save(path)
    return onnx_runner(path)


def onnx_runner(path: Path) -> Run:
    """Runs an ONNX file on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {name: t.numpy() for name, t in inputs.items()})[0])


@contextmanager
def _silent() -> Iterator[None]:
    """Hold back what PyTorch prints on the way, such as whole graphs; why it failed is told in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _one_line(error: Exception) -> str:
    """The first sentence, without files of this machine."""
    sentence = " ".join(str(error).split()).split(". ")[0]
    return re.sub(r"\(?/[^\s'\")]+", "...", sentence)[:160] or type(error).__name__
