"""What the programs take and give, and what makes a frame of a seed and a time: io.json, and a README.md beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from smoothvid import __version__
from smoothvid.exporting.parts import Part
from smoothvid.plain_text import write_json
from smoothvid.sampling.model import ModelFacts

_MEANING = {
    "z": "what is shown: normal numbers, the same for all frames of a video",
    "truncation": "1 keeps the full variety, 0 gives the mean",
    "labels": "one-hot: 1 at the number of the label, 0 elsewhere",
    "motion_z": "normal numbers: code `first_code` and those after it; code i of a video is always the same",
    "times": "in frames of the dataset, any, in any order",
    "first_code": "number of the code that motion_z begins with",
    "start_phase": "numbers from 0 to 1, the same for all frames of a video",
    "ws": "content, from mapping",
    "v": "motion at one time, from motion",
    "frames": "red, green, blue in about -1 to 1: clamp, add 1, times 127.5, round",
}
_FURTHEST = 2**20  # frames between two codes, at most


def write_manual(
    folder: Path,
    suffix: str,
    generator: Any,
    parts: Sequence[Part],
    facts: ModelFacts,
    differences: Mapping[str, float],
    left_out: Mapping[str, str],
) -> None:
    """Write io.json and README.md for the programs in a folder."""
    described: dict[str, Any] = {
        "smoothvid_version": __version__,
        "torch_version": str(torch.__version__),
        "resolution": facts.resolution,
        "fps": facts.fps,
        "label_names": list(facts.label_names),
        "programs": {part.name: _describe(part, suffix) for part in parts if part.name in differences},
        "largest_difference": dict(differences),
        "left_out": dict(left_out),
    }
    if "motion" in differences:
        described["codes"] = code_window(generator.motion)
    (folder / "io.json").write_text(write_json(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(described, suffix), encoding="utf-8")


def code_window(motion: Any) -> dict[str, int] | None:
    """Which codes times from a to b need: from floor(a / distance) on, floor(b / distance) - that + count of them.

    None where it is otherwise.
    """

    def window(first: float, last: float) -> tuple[int, int]:
        found, number = motion.code_range(torch.tensor([[first, last]], dtype=torch.float64))
        return int(found[0]), int(number)

    count = window(0, 0)[1]
    low, high = 0, _FURTHEST  # the first whole time that needs another code lies above low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if window(0, middle)[1] > count else (middle, high)
    for begin, end in ((0, 5 * high + 1), (3 * high - 0.5, 3 * high), (1e6, 1e6 + 7.5 * high)):
        first = int(begin // high)
        if window(begin, end) != (first, int(end // high) - first + count):
            return None
    return {"distance": high, "count": count}


def _describe(part: Part, suffix: str) -> dict[str, Any]:
    def tensor(name: str, axes: Sequence[str | int] | None, dtype: torch.dtype) -> dict[str, Any]:
        shape = {} if axes is None else {"shape": list(axes)}
        return {**shape, "dtype": str(dtype).removeprefix("torch."), "meaning": _MEANING[name]}

    inputs = {name: tensor(name, axes, part.dtypes[name]) for name, axes in part.axes.items()}
    return {
        "file": part.name + suffix,
        "inputs": inputs,
        "output": {part.result: tensor(part.result, None, torch.float32)},
    }


def _readme(described: dict[str, Any], suffix: str) -> str:
    rows = [
        f"| {name} | `{key}` | {' × '.join(map(str, given['shape']))} | {given['dtype']} | {given['meaning']} |"
        for name, program in described["programs"].items()
        for key, given in program["inputs"].items()
    ]
    table = "\n".join(["| program | input | shape | type | meaning |", "|---|---|---|---|---|", *rows])
    checks = ", ".join(f"{name} {value:.2g}" for name, value in described["largest_difference"].items())
    left = "".join(f"\n\n**{name}** is not here: {reason}." for name, reason in described["left_out"].items())
    return (
        "# Programs\n\n"
        "`mapping` turns z into a content ws, `motion` codes and times into motion codes v, `synthesis` one ws and one "
        "v each into a frame. Sizes with a name are free; the same is in `io.json`.\n\n"
        f"{table}\n\n"
        f"Largest difference from the networks of smoothvid {described['smoothvid_version']}, over other inputs and "
        f"sizes than they were made with: {checks}.{left}\n\n"
        f"{_TORCH if suffix == '.pt2' else _ONNX}{_codes(described)}"
    )


def _codes(described: dict[str, Any]) -> str:
    window, labels = described.get("codes"), described["label_names"]
    text = "\n\n## Which numbers\n\nAny normal numbers make a video. Those of `smoothvid sample --seed N` come from "
    text += "`smoothvid.sampling.motion_noise`, one file that needs only NumPy:\n\n"
    lines = ["z = content_code(seed, z_dim)"]
    if labels:
        lines.append(f"label = drawn_label(seed, {len(labels)})  # where none is asked for: {', '.join(labels)}")
    if window is None:
        text += "```python\n" + "\n".join(lines) + "\n```\n"
        return text + "\nMotion codes v: `smoothvid.load(FOLDER).motions([seed], times)`, float32 [1, T, v_dim].\n"
    distance, count = window["distance"], window["count"]
    lines += [
        f"first = floor(min(times) / {distance})  # first_code",
        f"count = floor(max(times) / {distance}) - first + {count}",
        "motion_z = motion_codes(seed, first, count, motion_z_dim)",
    ]
    if "start_phase" in described["programs"]["motion"]["inputs"]:
        lines.append("start_phase = start_phases(seed, num_phases)")
    return text + "```python\n" + "\n".join(lines) + "\n```\n"


_TORCH = """## Run them

```python
import torch

synthesis = torch.export.load("synthesis.pt2").module()
frames = synthesis(ws=ws, v=v)
```

They were made on the CPU, in float32 (motion in float64 inside), by the version of PyTorch that `io.json` names.
`torch.export.load` unpickles parts of a file, which can run code: load only files that you trust. `model.safetensors`
has no such risk."""

_ONNX = """## Run them

```python
import onnxruntime

synthesis = onnxruntime.InferenceSession("synthesis.onnx")
(frames,) = synthesis.run(None, {"ws": ws, "v": v})
```

Inputs are NumPy arrays. The figures above are ONNX Runtime's on the CPU."""
