"""The adversarial losses: non-saturating logistic with R1 (Goodfellow et al., 2014; Mescheder et al., ICML 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake_logits: Tensor) -> Tensor:
    """−log σ(D(G(z))), one per video."""
    return F.softplus(-fake_logits)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−log σ(D(x)) − log(1 − σ(D(G(z)))), one per video."""
    return F.softplus(-real_logits) + F.softplus(fake_logits)


def r1_penalty(real_logits: Tensor, real_images: Tensor) -> Tensor:
    """Squared norm of the gradient of the summed logits for each real image [N, 3, H, W] → [N]; itself differentiable."""
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return gradient.square().sum((1, 2, 3))
