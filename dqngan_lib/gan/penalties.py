"""What holds a discriminator back: two penalties on its gradient, and a limit on its weights.

A penalty is added to the discriminator's loss, times a weight. Both need the gradient of the
discriminator with respect to its *input*, and a gradient of that: `create_graph=True`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import require

Critic = Callable[[Tensor], Tensor]
"""From a batch of inputs to one number each, `(batch,)`; a network, or a function around one."""


def input_gradient(critic: Critic, inputs: Tensor) -> Tensor:
    """Return ∇ₓ D(x) for each input, as a row: `(batch, numbers in an input)`.

    The result can be differentiated again with respect to the critic's weights.

    Args:
        critic: Maps each input to a number without looking at the others.
        inputs: `(batch, …)`.

    Raises:
        ValueError: The critic does not return `(batch,)`.
    """
    inputs = inputs.detach().requires_grad_(True)
    outputs = critic(inputs)
    fits = outputs.shape == inputs.shape[:1]
    one = f"a function with one number an input, ({len(inputs)},)"
    require(fits, "critic", tuple(outputs.shape), one)
    # Σ D(xᵢ) has ∇D(xᵢ) in row i, as no output depends on another input.
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    return gradient.flatten(1)


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """Return ½ E[‖∇ₓ D(x)‖²] over real inputs, to be weighted by λ.

    Mescheder et al. 2018, 1801.04406, equation 9, where the weight is called γ. Where the data
    are, the discriminator is to be flat: then the generator is not pushed away once it has
    arrived.

    Args:
        critic: See `input_gradient`.
        real: Real inputs `(batch, …)`.
    """
    # ‖∇ D(x)‖² in each row, `(batch,)`
    return 0.5 * input_gradient(critic, real).square().sum(1).mean()


def points_between(real: Tensor, fake: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Return x̂ = ε x + (1 − ε) x̃, one ε uniform in [0, 1] for each pair, `(batch, …)`.

    Raises:
        ValueError: `real` and `fake` have different shapes.
    """
    shapes = tuple(real.shape), tuple(fake.shape)
    one = "of one shape, a pair for each row"
    require(shapes[0] == shapes[1], "real and fake", shapes, one)
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng).to(real)
    return share * real + (1 - share) * fake


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, rng: torch.Generator | None = None
) -> Tensor:
    """Return E[(‖∇ₓ D(x̂)‖ − 1)²] on points between real and fake; its weight is λ, usually 10.

    Gulrajani et al. 2017, 1704.00028, equation 3: x̂ = ε x + (1 − ε) x̃ with ε uniform in [0, 1],
    one ε for each pair of a real input x and a fake one x̃.

    Args:
        critic: See `input_gradient`.
        real: Real inputs `(batch, …)`.
        fake: As many fake ones.
        rng: Where ε is drawn from; torch's global random numbers if None.

    Raises:
        ValueError: `real` and `fake` have different shapes.
    """
    between = points_between(real, fake, rng).detach()
    # ‖∇ D(x̂)‖, (batch,): 1 is wanted, less or more is punished
    return (input_gradient(critic, between).norm(dim=1) - 1).square().mean()


@torch.no_grad()
def clip_weights(network: nn.Module, limit: float) -> None:
    """Move every weight of a network into [−limit, limit], in place.

    Arjovsky et al. 2017, 1701.07875, algorithm 1, line 7, with limit c = 0.01.

    Raises:
        ValueError: `limit` is not above 0.
    """
    require(limit > 0, "limit", limit, "> 0")
    for parameter in network.parameters():
        parameter.clamp_(-limit, limit)
