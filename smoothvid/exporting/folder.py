"""An exported model: one folder that `smoothvid sample`, `smoothvid.load` and the Hugging Face Hub take as it is."""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from smoothvid import __version__
from smoothvid.checksums import CHECKSUMS
from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.exporting.card import Preview, model_card
from smoothvid.exporting.figures import read_figures
from smoothvid.exporting.manual import write_manual
from smoothvid.exporting.parts import parts_of
from smoothvid.exporting.place import CARD_FILE, CONFIG_FILE, LIBRARY, check_place, whole_folder
from smoothvid.exporting.programs import SUFFIX, check_kinds, write_programs
from smoothvid.nn import kernels
from smoothvid.plain_text import write_json
from smoothvid.sampling.model import MODEL_FILE, ModelFacts, VideoModel, load_model
from smoothvid.sampling.model_file import model_files, read_facts, read_model
from smoothvid.training.checkpoint import STATE_FILE, strip_checkpoint
from smoothvid.training.preview import write_previews

Progress = Callable[[int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What the `export` command asks for."""

    checkpoint: Path
    """A run (its newest checkpoint), a checkpoint folder or a model file."""
    out: Path
    license: str | None = None
    """As the Hub names it, for example apache-2.0."""
    results: Path | None = None
    """What `smoothvid eval --json` said of this checkpoint."""
    with_training: bool = False
    """Take the discriminator along, so that trainings can start from the folder."""
    programs: tuple[str, ...] = ()
    """Kinds of programs to add, of programs.SUFFIX."""
    preview: Preview = Preview(seeds=range(4), num_frames=64, truncation_psi=1.0)
    device: str | torch.device = "auto"
    force: bool = False


def check_request(request: ExportRequest) -> list[str]:
    """Find what is wrong before anything is written; returns the names of what will be.

    Raises:
        ConfigError: there is something at `out`, the packages for ONNX are missing, or no such licence can be.
        CheckpointError: no model, or no training state although it is asked for.
        DataError: the results are none, or of another model.
    """
    check_place(request.out, request.force)
    check_kinds(request.programs)
    _check_license(request.license)
    file = model_files(request.checkpoint)[0]
    facts = read_facts(file)
    if request.results is not None:
        read_figures(request.results, facts)
    if request.with_training and not (file.parent / STATE_FILE).is_file():
        raise CheckpointError(f"{file.parent}: no {STATE_FILE} here, so a training cannot start from it")
    training = [STATE_FILE, CHECKSUMS] if request.with_training else []
    return [CONFIG_FILE, MODEL_FILE, CARD_FILE, *request.preview.files, *training, *request.programs]


def export_model(request: ExportRequest, on_progress: Progress = lambda frames: None) -> dict[str, Any]:
    """Write the folder, whole or not at all.

    Args:
        on_progress: called with the number of frames of the preview that were made.

    Returns:
        out, family, seen_clips; files (name → bytes); differences and left_out by kind of program and part.

    Raises:
        See `check_request`; CheckpointError too for a damaged file, DataError where the disk does not take it.
    """
    check_request(request)
    file = model_files(request.checkpoint)[0]
    facts = read_facts(file)
    figures = None if request.results is None else read_figures(request.results, facts)
    differences, left_out = dict[str, dict[str, float]](), dict[str, dict[str, str]]()
    with whole_folder(request.out, request.force) as folder:
        if request.with_training:
            strip_checkpoint(file.parent, folder)
        else:
            folder.mkdir()
            shutil.copyfile(file, folder / MODEL_FILE)
        model = load_model(folder, request.device)  # what is there now is what others get
        _write_preview(model, request.preview, folder, on_progress)
        for kind in request.programs:
            differences[kind], left_out[kind] = _write_programs(folder, kind, facts)
        (folder / CONFIG_FILE).write_text(write_json(_config(facts), indent=2) + "\n", encoding="utf-8")
        name, trains = request.out.name, request.with_training
        card = model_card(name, facts, request.license, request.preview, figures, trains, request.programs)
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return {
        "out": str(request.out),
        "family": facts.family,
        "seen_clips": facts.seen_clips,
        "files": _sizes(request.out),
        "differences": differences,
        "left_out": left_out,
    }


def _check_license(license: str | None) -> None:
    if license is not None and not (license.isascii() and license.replace("-", "").replace(".", "").isalnum()):
        raise ConfigError(f"--license {license}: give the name that the Hub has for it, for example apache-2.0")


def _config(facts: ModelFacts) -> dict[str, Any]:
    """What the model file says about itself, for people and for the Hub; nothing here is read back."""
    return {"library_name": LIBRARY, "smoothvid_version": __version__, **dataclasses.asdict(facts)}


def _write_preview(model: VideoModel, preview: Preview, folder: Path, on_progress: Progress) -> None:
    at_once = 1 if model.device.type == "cpu" and model.resolution >= 128 else 8
    chunks = model.stream(
        preview.seeds, num_frames=preview.num_frames, truncation_psi=preview.truncation_psi, chunk=at_once
    )
    made = []
    for chunk in chunks:  # [B, T, 3, H, W]
        made.append(chunk)
        on_progress(chunk.shape[0] * chunk.shape[1])
    write_previews(torch.cat(made, dim=1), folder, "preview", model.fps)


def _write_programs(folder: Path, kind: str, facts: ModelFacts) -> tuple[dict[str, float], dict[str, str]]:
    generator: Any = read_model(folder / MODEL_FILE)[0]
    generator.eval().requires_grad_(False)
    with kernels.chosen("matrices"):
        generator.prepare()
    parts = parts_of(generator, len(facts.label_names))
    (folder / kind).mkdir()
    differences, left_out = write_programs(parts, kind, folder / kind)
    write_manual(folder / kind, SUFFIX[kind], generator, parts, facts, differences, left_out)
    return differences, left_out


def _sizes(folder: Path) -> dict[str, int]:
    files: Sequence[Path] = sorted(item for item in folder.rglob("*") if item.is_file())
    return {str(item.relative_to(folder)): item.stat().st_size for item in files}
