"""`smoothvid train`: video training."""

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


def train(
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
    """Train on videos, from the weights of `smoothvid pretrain` with --init.

    The settings start from the preset made for the dataset's frame size, the networks are those of --init. Ctrl-C
    saves a checkpoint; the same command with --resume goes on exactly.

    Example: `smoothvid train sky --out runs/sky --init runs/sky-images`
    """
    run_training(
        dataset,
        out,
        "train",
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
