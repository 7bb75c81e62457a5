"""Random draws that are a function of their key alone, so that a step is the same whenever and wherever it is made."""

import hashlib

import torch


def generator_for(*key: int | str) -> torch.Generator:
    """A CPU random generator for a key such as (seed, step, "latents")."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
