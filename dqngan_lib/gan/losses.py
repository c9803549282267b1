"""The losses of a generative adversarial network, from logits: four pairs of them."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import relu, softplus

from dqngan_lib.course.arguments import require

LossKind = Literal["minimax", "non-saturating", "hinge", "wasserstein"]
KINDS = ("minimax", "non-saturating", "hinge", "wasserstein")


def _require_logits(**logits: Tensor) -> None:
    for name, value in logits.items():
        row = value.dim() == 1 and len(value) > 0
        require(row, name, tuple(value.shape), "(batch,), not empty")


def discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor, kind: LossKind = "non-saturating"
) -> Tensor:
    """Return what the discriminator makes small, from logits l; its output is D = sigmoid(l).

    With ς(l) = log(1 + eˡ), which is `softplus`: −log D = ς(−l) and −log(1 − D) = ς(l), finite
    for every logit. The logarithm of a sigmoid is not: it is −∞ where the sigmoid rounds to 0.

    - `minimax`, `non-saturating`: −E[log D(x)] − E[log(1 − D(G(z)))] = E[ς(−l)] + E[ς(l̃)]
      (Goodfellow et al. 2014, 1406.2661, equation 1; negated, since it is made small).
    - `hinge`: E[max(0, 1 − l)] + E[max(0, 1 + l̃)] (Lim and Ye 2017, 1705.02894; Miyato et al.
      2018, 1802.05957, equation 16).
    - `wasserstein`: E[l̃] − E[l] (Arjovsky et al. 2017, 1701.07875, equation 2, negated). The
      logits are then no logits but any numbers.

    Args:
        real_logits: l for real inputs, `(batch,)`.
        fake_logits: l̃ for generated ones, `(batch,)`; the two sizes may differ.
        kind: Which of the four.

    Raises:
        ValueError: The kind is unknown, or logits have another shape.
    """
    _require_logits(real_logits=real_logits, fake_logits=fake_logits)
    if kind in ("minimax", "non-saturating"):  # −log D(x) − log(1 − D(x̃))
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()
    if kind == "hinge":  # nothing is left to learn beyond a margin of 1
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()
    if kind == "wasserstein":  # no logarithm: D is a critic, and its slope must be held
        return fake_logits.mean() - real_logits.mean()
    raise ValueError(f"kind must be one of {KINDS}; got {kind!r}")


def generator_loss(fake_logits: Tensor, kind: LossKind = "non-saturating") -> Tensor:
    """Return what the generator makes small, from the discriminator's logits l̃ on its outputs.

    - `minimax`: E[log(1 − D(G(z)))] = −E[ς(l̃)] (Goodfellow et al. 2014, 1406.2661, equation 1).
      Its gradient with respect to l̃ is −D: none is left where D sees through every fake.
    - `non-saturating`: −E[log D(G(z))] = E[ς(−l̃)] (the same paper, end of section 3). Its
      gradient is −(1 − D): largest there.
    - `hinge` and `wasserstein`: −E[l̃].

    Args:
        fake_logits: l̃, `(batch,)`.
        kind: Which of the four.

    Raises:
        ValueError: The kind is unknown, or logits have another shape.
    """
    _require_logits(fake_logits=fake_logits)
    if kind == "minimax":  # log(1 − D(x̃)), gradient −D
        return -softplus(fake_logits).mean()
    if kind == "non-saturating":  # −log D(x̃), gradient −(1 − D)
        return softplus(-fake_logits).mean()
    if kind in ("hinge", "wasserstein"):
        return -fake_logits.mean()
    raise ValueError(f"kind must be one of {KINDS}; got {kind!r}")
