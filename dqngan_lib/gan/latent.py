"""Ways through a generator's noise: great circles, and directions that matter."""

import math

import torch
from torch import Tensor

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.gan.model import GAN


def spherical_walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return points on the great circle from one noise vector to another, both included.

    With θ the angle between them: sin((1 − t) θ)/sin θ · start + sin(t θ)/sin θ · end (Shoemake
    1985; for generators White 2016, 1609.04468). Lengths in between lie between those of the
    ends, where the generator was trained; on a straight line they would be shorter.

    Args:
        start: Noise `(size,)`.
        end: Noise `(size,)`.
        steps: The number of points, at least 2.

    Returns:
        Points `(steps, size)`.

    Raises:
        ValueError: The shapes differ, a vector is 0, both point in opposite directions, or
            there are fewer than two steps.
    """
    shapes = tuple(start.shape), tuple(end.shape)
    require(len(shapes[0]) == 1 and shapes[0] == shapes[1], "start and end", shapes, "both (size,)")
    whole("steps", steps, 2)
    lengths = start.norm() * end.norm()
    if lengths == 0:
        raise ValueError("start and end must not be 0: they point nowhere")
    angle = ((start @ end) / lengths).clamp(-1, 1).acos()
    if angle > math.pi - 1e-3:
        raise ValueError("start and end point in opposite directions: there is no shortest way")
    share = torch.linspace(0, 1, steps).to(start).unsqueeze(1)
    if angle < 1e-3:
        return (1 - share) * start + share * end
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()


def strongest_directions(weight: Tensor, count: int) -> Tensor:
    """Return the directions of the noise that the generator's first layer answers to most.

    They are the first right singular vectors of its weight matrix A: unit vectors n that make
    ‖A n‖ greatest, one after the other and at right angles (Shen and Zhou 2021, 2007.06600). Each
    is turned so that its largest number is positive.

    Args:
        weight: A, `(outputs, noise_size)`.
        count: How many directions, from 1 to noise_size.

    Returns:
        Directions `(count, noise_size)`, the strongest first.

    Raises:
        ValueError: `weight` is no matrix, or there are not so many directions.
    """
    require(weight.dim() == 2, "weight", tuple(weight.shape), "(outputs, noise_size)")
    whole("count", count, 1, weight.shape[1])
    # The right singular vectors of A are the eigenvectors of AᵀA, which is small.
    directions = torch.linalg.eigh(weight.detach().double().T @ weight.detach().double())[1]
    directions = directions.flip(1)[:, :count].T
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).to(weight.dtype)


@torch.no_grad()
def draw(gan: GAN, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return what the averaged generator makes of the given noise, on the CPU.

    Args:
        gan: The pair.
        noise: `(n, noise_size)`.
        labels: The classes asked for, `(n,)`, where the generator has classes.
    """
    network = gan.averaged
    was_training = network.training
    network.eval()
    inputs = [noise] if labels is None else [noise, labels]
    images = network(*(part.to(gan.device) for part in inputs)).cpu()
    network.train(was_training)
    return images
