"""What `pretrain` and `train` share: their own options, the choice of settings, and running to the end or to Ctrl-C."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smoothvid.plain_text import write_json
from smoothvid_cli import console

if TYPE_CHECKING:
    from smoothvid.run_config import RunConfig
    from smoothvid.training.batch_parts import BatchGpu
    from smoothvid.training.loop import Training
    from smoothvid.training.run import RunRequest
    from smoothvid.training.transfer import TransferReport

RunFolder = Annotated[
    Path, typer.Option("--out", "-o", metavar="RUN", help="The run's folder: settings, log, checkpoints, previews.")
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="RUN|CHECKPOINT",
        help="Start from these weights, usually of `smoothvid pretrain`; or a model that ships (see `info shipped`).",
    ),
]
FamilyName = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The model family; by default stylesv.")
]
BatchGpuOption = Annotated[
    str | None,
    typer.Option(
        "--batch-gpu",
        metavar="N|auto",
        help="Videos at once in each process, for the same result in less memory; auto: as many as the card holds.",
    ),
]
OnNan = Annotated[
    Literal["stop", "skip"] | None,
    typer.Option("--on-nan", help="At gradients that are not finite: save and stop (default), or skip that update."),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept", metavar="KEY", help="With --resume: this setting, or `dataset`, may differ; may be repeated."
    ),
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write TensorBoard events to RUN/events, too (an extra to install).")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=0, max=1024, help="Processes that read ahead; by default none on a CPU."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The settings options of a command, as given."""

    preset: str | None
    config: Path | None
    sets: list[str]
    model: str | None
    kimg: float | None
    batch: int | None
    on_nan: str | None = None


def run_training(
    dataset: Path,
    out: Path,
    phase: Literal["pretrain", "train"],
    choice: Choice,
    *,
    init: str | None,
    seed: int,
    device: str,
    workers: int | None,
    batch_gpu: str | None,
    resume: bool,
    accept: list[str] | None,
    tensorboard: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Settle the settings, train, and print what came of it; with `dry_run` print the settings and stop."""
    from smoothvid import processes
    from smoothvid.data.dataset import open_dataset
    from smoothvid.data.prepare_settings import available_cores
    from smoothvid.sampling.model import choose_device
    from smoothvid.training.loop import Training
    from smoothvid.training.pace import settled
    from smoothvid.training.run import RunRequest

    config = settle(dataset, out, phase, choice, init=init, resume=resume)
    if dry_run:
        # Settings that do not fit the data are told now.
        data = open_dataset(dataset)
        config = settled(config, data) if phase == "train" else config
        Training(out, data, config, phase, seed, batch_gpu=_batch_gpu(batch_gpu))
        return _print_settings(config, as_json)
    chosen = choose_device(processes.local_device(device))
    if workers is None:
        workers = 0 if chosen.type == "cpu" else min(8, max(1, available_cores() // processes.count_here()))
    request = RunRequest(
        dataset=dataset,
        out=out,
        phase=phase,
        config=config,
        seed=seed,
        device=chosen,
        workers=workers,
        init=init,
        resume=resume,
        accept=tuple(accept or ()),
        force=force,
        batch_gpu=_batch_gpu(batch_gpu),
        tensorboard=tensorboard,
    )
    if processes.rank():
        console.set_quiet(True)
    with processes.joined(processes.STEP_WAIT):
        _train(request, as_json)


def _batch_gpu(text: str | None) -> "BatchGpu":
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text}: write a number of videos, or auto", param_hint="--batch-gpu")
    return int(text)


def settle(dataset: Path, out: Path, phase: str, choice: Choice, *, init: str | None, resume: bool) -> "RunConfig":
    """The settings that the options come to.

    They start from --preset. Without it they start from the run itself when it is resumed, else from the family's
    preset for the dataset's frame size, with the networks of --init where there is one.
    """
    from smoothvid.errors import ConfigError
    from smoothvid.run_config import load_preset, run_config_from_dict, run_config_to_dict
    from smoothvid.sampling.model_file import read_facts
    from smoothvid.settings import load_toml, merge, parse_set
    from smoothvid.training.checkpoint import find_init
    from smoothvid.training.run import CONFIG_FILE, read_run_config

    if choice.preset is not None:
        data = load_preset(choice.preset)
    elif resume and (out / CONFIG_FILE).exists():
        data = run_config_to_dict(read_run_config(out))
    else:
        facts = None if init is None else read_facts(find_init(init))
        name = preset_for(dataset, choice.model or (facts.family if facts else "stylesv"))
        data = load_preset(name)
        if facts is not None:
            if choice.model not in (None, facts.family):
                raise ConfigError(f"--model {choice.model}: {init} is of {facts.family}, whose weights do not fit")
            pace = data.get("model", {}).get("motion", {}).get("pace")  # is the new data's, not of the weights
            data |= {"family": facts.family, "model": facts.config}
            data = data if pace is None else merge(data, {"model": {"motion": {"pace": pace}}})
        console.say(f"settings: preset {name}" + (f", networks as in {init}" if init is not None else ""))
    if choice.config is not None:
        data = merge(data, load_toml(choice.config))
    sets = [f"family={choice.model}"] if choice.model is not None else []
    sets += choice.sets
    short_forms = {"kimg": choice.kimg, "batch": choice.batch, "on_nan": choice.on_nan}
    sets += [f"{phase}.{name}={value}" for name, value in short_forms.items() if value is not None]
    for text in sets:
        data = merge(data, parse_set(text))
    return run_config_from_dict(data)


def preset_for(dataset: Path, family: str) -> str:
    """The preset of a family that is made for a dataset's frame size."""
    from smoothvid.data.dataset import open_dataset
    from smoothvid.errors import ConfigError
    from smoothvid.models import get_family
    from smoothvid.run_config import preset_names, resolve

    get_family(family)  # a name that does not exist is an error of its own
    side = open_dataset(dataset).resolution
    presets = {name: resolve(name) for name in preset_names()}
    # Of two for one size, that with the family's own name: the published recipe.
    ours = sorted(
        (name for name, config in presets.items() if config.family == family), key=lambda n: n.startswith(family)
    )
    sides = {presets[name].model.resolution: name for name in ours}
    if side not in sides:
        there = ", ".join(f"{name} ({size}×{size})" for size, name in sorted(sides.items()))
        raise ConfigError(
            f"{dataset}: no preset of {family} is made for {side}×{side} frames; prepare at the size of one of "
            f"{there}, or name one and pass --set model.resolution={side}"
        )
    return sides[side]


def _train(request: "RunRequest", as_json: bool) -> None:
    from smoothvid import processes
    from smoothvid.files import write_whole
    from smoothvid.training.pace import pace_of
    from smoothvid.training.progress import run_shown
    from smoothvid.training.run import prepare_run

    training, reports = prepare_run(request)
    if reports and processes.rank() == 0:
        everything = {name: asdict(report) for name, report in reports.items()}
        write_whole(request.out / "transfer.json", write_json(everything, indent=1) + "\n")
    for name, report in reports.items():
        console.say(f"{name} from {request.init}: {report.summary()}")
    pace = pace_of(training.config)
    if pace not in ("auto", 1):
        console.say(f"pace: {pace} times as many frames for everything as the settings are made for")
    if training.step_number:
        console.say(f"going on at {training.seen_clips} clips")
    try:
        run_shown(training, console.progress)
    except (KeyboardInterrupt, SystemExit):
        console.say(f"stopped; the same command with --resume goes on: smoothvid {request.phase} ... --resume")
        raise
    if processes.rank() == 0:
        _print_result(training, reports, as_json)


def _print_result(training: "Training", reports: dict[str, "TransferReport"], as_json: bool) -> None:
    from smoothvid.training.checkpoint import checkpoint_folders
    from smoothvid.training.journal import read_log

    ticks = read_log(training.run_folder / "log.jsonl")
    newest = next(iter(checkpoint_folders(training.run_folder)), None)
    result = {"run": str(training.run_folder), "checkpoint": str(newest), "last_tick": ticks[-1] if ticks else None}
    if as_json:
        transfer = {name: asdict(report) for name, report in reports.items()}
        return console.print_json({**result, "transfer": transfer})
    rows = [("run", result["run"]), ("checkpoint", result["checkpoint"])]
    console.print_table(["", training.phase_name], [*rows, *(ticks[-1].items() if ticks else [])])
    next_step = "train DATASET --init" if training.phase_name == "pretrain" else "sample"
    console.say(f"next: smoothvid {next_step} {training.run_folder} --out ...")


def _print_settings(config: "RunConfig", as_json: bool) -> None:
    from smoothvid.run_config import run_config_to_dict

    data = run_config_to_dict(config)
    if as_json:
        console.print_json(data)
    else:
        print(to_toml(data), end="")


def to_toml(data: dict[str, Any], above: str = "") -> str:
    """Settings as a file that `--config` reads: plain values first, then the tables."""
    lines = [f"{name} = {_toml_value(value)}" for name, value in data.items() if not isinstance(value, dict)]
    text = "\n".join([f"[{above}]"] * bool(above and lines) + lines + [""] * bool(lines))
    for name, value in data.items():
        if isinstance(value, dict):
            inner = to_toml(value, f"{above}.{name}" if above else name)
            text += ("\n" if text else "") + inner
    return text


def _toml_value(value: Any) -> str:
    return '"none"' if value is None else write_json(value, ensure_ascii=False)
