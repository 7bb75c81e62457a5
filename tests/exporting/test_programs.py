"""Networks as programs give what the networks give, for other inputs and sizes than they were traced with."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothvid.errors import ConfigError
from smoothvid.exporting.folder import ExportRequest, export_model
from smoothvid.exporting.manual import code_window
from smoothvid.exporting.parts import Mapping, Part
from smoothvid.exporting.programs import NO_ONNX_MOTION, ONNX_PACKAGES, check_kinds, onnx_runner, write_programs
from smoothvid.models import family_names
from smoothvid.sampling import motion_noise
from smoothvid.sampling.model import VideoModel, load_model

RequestFor = Callable[..., ExportRequest]
TIMES = np.array([1000.5, 1003.0, 1012.25])


@pytest.fixture(scope="module")
def exported(request_once: RequestFor) -> Callable[[str], tuple[Path, VideoModel]]:
    """`exported("stylesv")`: a folder with torch programs, and the model that it came from."""
    made: dict[str, tuple[Path, VideoModel]] = {}

    def make(family: str) -> tuple[Path, VideoModel]:
        if family not in made:
            request = request_once(family, programs=("torch",))
            told = export_model(request)
            assert max(told["differences"]["torch"].values()) <= 1e-5
            made[family] = request.out, load_model(request.checkpoint, "cpu")
        return made[family]

    return make


def program(folder: Path, name: str) -> Callable[..., Tensor]:
    return torch.export.load(folder / "torch" / f"{name}.pt2").module()  # type: ignore[return-value]


@pytest.mark.parametrize("family", family_names())
def test_mapping_and_synthesis_for_any_batch(family: str, exported: Any) -> None:
    folder, model = exported(family)
    mapping, synthesis = program(folder, "mapping"), program(folder, "synthesis")
    for seeds in ([3], [4, 5], [6, 7, 8, 9, 10]):
        z = torch.from_numpy(np.stack([motion_noise.content_code(seed, model.generator.z_dim) for seed in seeds]))
        labels = torch.eye(2)[[motion_noise.drawn_label(seed, 2) for seed in seeds]]
        ws = mapping(z=z, truncation=torch.full((len(seeds),), 0.7), labels=labels)
        torch.testing.assert_close(ws, model.contents(seeds, truncation_psi=0.7), atol=1e-5, rtol=0)
        v = model.motions(seeds, TIMES[:1])[:, 0]
        frames = synthesis(ws=ws, v=v)
        expected = torch.stack([model.frames(seed, TIMES[:1], truncation_psi=0.7)[0] for seed in seeds])
        torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", family_names())
def test_motion_is_a_program_or_a_reason_is_given(family: str, exported: Any) -> None:
    folder, model = exported(family)
    told = json.loads((folder / "torch" / "io.json").read_text())
    readme = (folder / "torch" / "README.md").read_text()
    if "motion" in told["left_out"]:
        assert "cannot trace it (" in told["left_out"]["motion"] and "**motion** is not here" in readme
        assert not (folder / "torch" / "motion.pt2").exists() and ".motions([seed], times)" in readme
        return
    recipe = readme.split("## Which numbers")[1].split("```python\n")[1].split("```")[0]
    inputs = told["programs"]["motion"]["inputs"]
    names: dict[str, Any] = {**vars(motion_noise), "floor": floor, "seed": 7, "times": TIMES}
    names |= {"z_dim": model.generator.z_dim, "motion_z_dim": inputs["motion_z"]["shape"][2]}
    if "start_phase" in inputs:
        names["num_phases"] = inputs["start_phase"]["shape"][1]
    exec(recipe, names)
    given = {"motion_z": names["motion_z"], "times": TIMES, "first_code": names["first"]}
    given |= {"start_phase": names["start_phase"]} if "start_phase" in inputs else {}
    given |= {"labels": np.eye(2)[names["label"]]}
    tensors = {name: torch.from_numpy(np.array(value))[None] for name, value in given.items()}
    tensors = {name: tensor.to(getattr(torch, inputs[name]["dtype"])) for name, tensor in tensors.items()}
    v = program(folder, "motion")(**tensors)
    torch.testing.assert_close(v, model.motions([7], TIMES), atol=1e-5, rtol=0)
    frames = program(folder, "synthesis")(ws=model.contents([7]).expand(3, -1, -1), v=v[0])
    torch.testing.assert_close(frames, model.frames(7, TIMES), atol=1e-5, rtol=0)


def test_stylesv_and_styleganv_are_whole(exported: Any) -> None:
    for family in ("stylesv", "styleganv"):
        folder, _ = exported(family)
        told = json.loads((folder / "torch" / "io.json").read_text())
        assert told["left_out"] == {} and set(told["largest_difference"]) == {"mapping", "motion", "synthesis"}
        files = {"io.json", "README.md", "mapping.pt2", "motion.pt2", "synthesis.pt2"}
        assert {item.name for item in (folder / "torch").iterdir()} == files
        assert "[`torch/`](torch/README.md)" in (folder / "README.md").read_text()


def test_programs_name_no_file_of_this_machine(exported: Any) -> None:
    folder, _ = exported("stylesv")
    for file in (folder / "torch").glob("*.pt2"):
        with zipfile.ZipFile(file) as archive:
            assert_not_private({name: archive.read(name) for name in archive.namelist()})


def assert_not_private(contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        for private in (str(Path(__file__).parents[2]), str(Path.home()), "smoothvid/nn", "secret-project"):
            assert private.encode() not in content, (name, private)


@pytest.mark.parametrize("family", family_names())
def test_onnx(family: str, request_for: RequestFor, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ONNX_PACKAGES:
        pytest.importorskip(name, reason=f'needs {name}: pip install "smoothvid[onnx]"')
    request = request_for(family, programs=("onnx",))
    told = export_model(request)
    assert told["left_out"] == {"onnx": {"motion": NO_ONNX_MOTION}} and capfd.readouterr().out == ""
    assert set(told["differences"]["onnx"]) == {"mapping", "synthesis"}
    model, folder = load_model(request.checkpoint, "cpu"), request.out / "onnx"
    synthesis = onnx_runner(folder / "synthesis.onnx")
    for seeds in ([3], [4, 5, 6, 7, 8]):
        expected = torch.stack([model.frames(seed, TIMES[:1])[0] for seed in seeds])
        frames = synthesis({"ws": model.contents(seeds), "v": model.motions(seeds, TIMES[:1])[:, 0]})
        torch.testing.assert_close(frames, expected, atol=1e-4, rtol=0)
    assert_not_private({file.name: file.read_bytes() for file in folder.iterdir()})


def test_missing_packages_are_named(request_for: RequestFor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smoothvid.exporting.programs.find_spec", lambda name: None if name == "onnx" else object())
    check_kinds(["torch"])
    with pytest.raises(ConfigError, match="--format tflite.*onnx, torch"):
        check_kinds(["tflite"])
    with pytest.raises(ConfigError, match=r'needs onnx: pip install "smoothvid\[onnx\]"'):
        export_model(replace(request_for(), programs=("torch", "onnx")))


class Doubling(nn.Module):
    """As often as its input says: no graph can hold it."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(x[0, 0] > 0) + 1):
            x = x * 2
        return x


class Remembering(nn.Module):
    """Counts its calls: a program made of one call is wrong for the next."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.calls


@pytest.mark.parametrize(("module", "reason"), [(Doubling(), "cannot trace it"), (Remembering(), "differ by")])
def test_what_no_program_can_be_is_left_out(module: nn.Module, reason: str, tmp_path: Path) -> None:
    part = Part("odd", module, {"x": ("batch", 2)}, {"x": torch.float32}, "y")
    differences, left_out = write_programs([part], "torch", tmp_path)
    assert differences == {} and reason in left_out["odd"] and list(tmp_path.iterdir()) == []
    assert len(left_out["odd"]) < 250 and str(Path(__file__).parents[2]) not in left_out["odd"]


def test_truncation_is_that_of_the_mapping(exported: Any) -> None:
    _, model = exported("stylesv")
    z, labels = torch.randn(3, model.generator.z_dim), torch.eye(2)[[0, 1, 1]]
    ws = Mapping(model.generator)(z, torch.tensor([0.0, 0.3, 1.0]), labels)
    for row, psi in enumerate((0.0, 0.3, 1.0)):
        expected = model.generator.mapping(z, labels, truncation_psi=psi)[row]
        torch.testing.assert_close(ws[row], expected, atol=1e-6, rtol=0)


class Codes:
    """Motion whose codes stand every `distance` frames; at `odd` times it needs one more."""

    def __init__(self, distance: int, odd: bool) -> None:
        self.distance, self.odd = distance, odd

    def code_range(self, times: Tensor) -> tuple[Tensor, int]:
        segments = (times / self.distance).floor().long()
        first = segments.amin(1)
        return first, int((segments.amax(1) - first).max()) + 9 + int(self.odd and bool(times.max() > 1e5))


@pytest.mark.parametrize("distance", [1, 4, 256, 1000])
def test_the_window_of_codes_is_found_or_denied(distance: int) -> None:
    assert code_window(Codes(distance, odd=False)) == {"distance": distance, "count": 9}
    assert code_window(Codes(distance, odd=True)) is None
