"""`smoothvid pretrain`: image pretraining."""

from smoothvid_cli.options import (
    Batch,
    Config,
    Dataset,
    Debug,
    Device,
    DryRun,
    Force,
    Json,
    Kimg,
    Preset,
    Quiet,
    Resume,
    Seed,
    Sets,
)
from smoothvid_cli.run_training import (
    Accept,
    BatchGpuOption,
    Choice,
    FamilyName,
    Init,
    OnNan,
    RunFolder,
    TensorBoard,
    Workers,
    run_training,
)


def pretrain(
    dataset: Dataset,
    out: RunFolder,
    init: Init = None,
    model: FamilyName = None,
    preset: Preset = None,
    config: Config = None,
    sets: Sets = None,
    kimg: Kimg = None,
    batch: Batch = None,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
    batch_gpu: BatchGpuOption = None,
    on_nan: OnNan = None,
    resume: Resume = False,
    accept: Accept = None,
    tensorboard: TensorBoard = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train on single frames, motion off: what things look like is learnt first.

    The settings start from the preset made for the dataset's frame size. Ctrl-C saves a checkpoint; the same command
    with --resume goes on exactly.

    --init drive-32 starts from a small image model of roads that ships with smoothvid (preset tiny).

    Example: `smoothvid pretrain sky --out runs/sky-images`
    """
    run_training(
        dataset,
        out,
        "pretrain",
        Choice(preset=preset, config=config, sets=sets or [], model=model, kimg=kimg, batch=batch, on_nan=on_nan),
        init=init,
        seed=seed,
        device=device,
        workers=workers,
        batch_gpu=batch_gpu,
        resume=resume,
        accept=accept,
        tensorboard=tensorboard,
        force=force,
        dry_run=dry_run,
        as_json=as_json,
    )
