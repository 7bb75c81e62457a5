"""Parameter names of the published StyleSV code, and what they are called here.

Weights trained elsewhere are matched by these rules alone. Filters and fixed frequencies are recomputed, so their
entries have no counterpart; `low_rank_gain` is ours and equals one in the published network.
"""

import re
from collections.abc import Mapping

from torch import Tensor, ones

# (published pattern, our name). L{i} counts synthesis layers, the last being ToRGB.
GENERATOR_RULES = [
    (r"mapping\.w_avg", r"mapping.w_avg"),
    (r"mapping\.embed\.(weight|bias)", r"mapping.embed.\1"),
    (r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.layers.\1.\2"),
    (r"synthesis\.motion_mask", r"synthesis.motion_mask"),
    (r"synthesis\.affine_w\.(weight|bias)", r"synthesis.join.\1"),
    (r"synthesis\.input\.(weight|transform|freqs|phases)", r"synthesis.input.\1"),
    (r"synthesis\.input\.affine\.(weight|bias)", r"synthesis.input.affine.\1"),
    (r"synthesis\.input\.motion_affine\.(weight|bias)", r"synthesis.input_motion.\1"),
    (r"synthesis\.L(\d+)_\d+_\d+\.bias", r"synthesis.layers.\1.bias"),
    (r"synthesis\.L(\d+)_\d+_\d+\.(weight|magnitude_ema)", r"synthesis.layers.\1.conv.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.affine\.(weight|bias)", r"synthesis.layers.\1.conv.affine.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.affine_t\.(weight|bias)", r"synthesis.layers.\1.conv.motion_affine.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.w1", r"synthesis.layers.\1.conv.low_rank_out"),
    (r"synthesis\.L(\d+)_\d+_\d+\.w2", r"synthesis.layers.\1.conv.low_rank_in"),
    (r"synthesis\.motion_encoder\.conv\.(\d)\.(weight|bias)", r"motion.conv\1.\2"),
    (r"synthesis\.motion_encoder\.time_encoder\.periods_predictor\.weight", r"motion.speed.weight"),
    (r"synthesis\.motion_encoder\.time_encoder\.phase_predictor\.weight", r"motion.phase.weight"),
    (r"synthesis\.motion_encoder\.time_encoder\.aligners_predictor\.weight", r"motion.align.weight"),
]
DISCRIMINATOR_RULES = [
    (r"b\d+\.fromrgb\.(weight|bias)", r"from_rgb.\1"),
    (r"b4\.(conv|fc|out)\.(weight|bias)", r"head.\1.\2"),
    (r"b(\d+)\.(conv0|conv1|skip)\.(weight|bias)", r"blocks.\1.\2.\3"),
    (r"mapping\.embed\.(weight|bias)", r"condition.embed.\1"),
    (r"mapping\.fc(\d+)\.(weight|bias)", r"condition.layers.\1.\2"),
    (r"time_encoder\.const_embed\.weight", r"gap_encoding.embedding.weight"),
]
RECOMPUTED = re.compile(
    r".*\.(up_filter|down_filter|resample_filter)|.*time_encoder\.(freqs|phase_scales)|.*\.fourier_coefs"
)


def from_published(state: Mapping[str, Tensor], num_layers: int | None = None) -> dict[str, Tensor]:
    """Rename a published state dict to ours.

    Args:
        num_layers: synthesis layers before ToRGB, for a generator; None for a discriminator.
    Raises:
        KeyError: an entry that no rule names.
    """
    rules = DISCRIMINATOR_RULES if num_layers is None else GENERATOR_RULES
    renamed = {}
    for name, value in state.items():
        if RECOMPUTED.fullmatch(name):
            continue
        ours = next((re.sub(rule, to, name) for rule, to in rules if re.fullmatch(rule, name)), None)
        if ours is None:
            raise KeyError(name)
        if num_layers is not None:
            ours = ours.replace(f"synthesis.layers.{num_layers}.", "synthesis.to_rgb.")
        renamed[ours] = value
        if ours.endswith("low_rank_out"):
            renamed[ours.replace("low_rank_out", "low_rank_gain")] = ones(value.shape[0])
    return renamed
