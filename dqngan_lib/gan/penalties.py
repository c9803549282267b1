"""What holds a discriminator back: two penalties on its gradient, and a limit on its weights.

A penalty is added to the discriminator's loss, times a weight. Both need the gradient of the
discriminator with respect to its *input*, and a gradient of that: `create_graph=True`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

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
    if outputs.shape != inputs.shape[:1]:
        raise ValueError(
            f"critic must return one number an input, ({len(inputs)},); got {tuple(outputs.shape)}"
        )
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
    return 0.5 * input_gradient(critic, real).square().sum(1).mean()


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Return E[(‖∇ₓ D(x̂)‖ − 1)²] on points between real and fake; its weight is λ, usually 10.

    Gulrajani et al. 2017, 1704.00028, equation 3: x̂ = ε x + (1 − ε) x̃ with ε uniform in [0, 1],
    one ε for each pair of a real input x and a fake one x̃.

    Args:
        critic: See `input_gradient`.
        real: Real inputs `(batch, …)`.
        fake: As many fake ones.
        generator: Where ε is drawn from; torch's global generator if None.

    Raises:
        ValueError: `real` and `fake` have different shapes.
    """
    if real.shape != fake.shape:
        raise ValueError(
            "real and fake must have one shape, a pair for each row; got "
            f"{tuple(real.shape)} and {tuple(fake.shape)}"
        )
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator).to(real)
    between = share * real.detach() + (1 - share) * fake.detach()
    return (input_gradient(critic, between).norm(dim=1) - 1).square().mean()


@torch.no_grad()
def clip_weights(network: nn.Module, limit: float) -> None:
    """Move every weight of a network into [−limit, limit], in place.

    Arjovsky et al. 2017, 1701.07875, algorithm 1, line 7, with limit c = 0.01.

    Raises:
        ValueError: `limit` is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit must be > 0; got {limit!r}")
    for parameter in network.parameters():
        parameter.clamp_(-limit, limit)
