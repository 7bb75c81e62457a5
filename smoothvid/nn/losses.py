"""Adversarial losses: non-saturating logistic with R1 (Goodfellow et al., 2014; Mescheder et al., ICML 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake_logits: Tensor) -> Tensor:
    """−log σ(D(G(z))), elementwise."""
    return F.softplus(-fake_logits)


def real_loss(real_logits: Tensor) -> Tensor:
    """−log σ(D(x)), elementwise."""
    return F.softplus(-real_logits)


def fake_loss(fake_logits: Tensor) -> Tensor:
    """−log(1 − σ(D(G(z)))), elementwise."""
    return F.softplus(fake_logits)


def r1_penalty(real_logits: Tensor, real_frames: Tensor) -> Tensor:
    """Squared norm, per frame, of the gradient of the summed logits; differentiable: [..., C, H, W] → [...]."""
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_frames, create_graph=True)
    return gradient.square().sum((-3, -2, -1))
