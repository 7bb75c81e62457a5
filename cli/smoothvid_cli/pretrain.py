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
from smoothvid_cli.run_training import Choice, FamilyName, Init, RunFolder, Workers, run_training


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
    resume: Resume = False,
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
        Choice(preset=preset, config=config, sets=sets or [], model=model, kimg=kimg, batch=batch),
        init=init,
        seed=seed,
        device=device,
        workers=workers,
        resume=resume,
        force=force,
        dry_run=dry_run,
        as_json=as_json,
    )
