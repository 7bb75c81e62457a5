"""`python -m smoothvid_cli` is `smoothvid`, and what `torchrun` starts: `torchrun -m smoothvid_cli train ...`."""

from smoothvid_cli.main import run

if __name__ == "__main__":
    run()
