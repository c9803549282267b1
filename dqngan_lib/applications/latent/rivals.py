"""What else can change a generated digit's class: gradients, an encoder, arithmetic with noise."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.applications.latent.steering import CLASSES, LogProbability, of_class
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress
from dqngan_lib.course.training import set_learning_rate


def climb(
    log_probability: LogProbability, noise: Tensor, asked: Tensor, steps: int, size: float
) -> Tensor:
    """Go up the gradient of log p(class | G(z)) in z, by steps of one length.

    Each step costs one evaluation of the generator, and its gradient.

    Args:
        log_probability: See `class_log_probability`.
        noise: Where to begin, `(n, noise_size)`.
        asked: The classes asked for, int64 `(n,)`.
        steps: How many.
        size: Length of each step.

    Returns:
        The whole way, `(steps + 1, n, noise_size)`.
    """
    whole("steps", steps, 1)
    require(size > 0, "size", size, "> 0")
    way = [noise]
    for _ in range(steps):
        # z ← z + size · ∇ log p(class | G(z)) / |∇ …|
        z = way[-1].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(of_class(log_probability(z), asked).sum(), z)
        way.append(way[-1] + size * functional.normalize(gradient, dim=1))
    return torch.stack(way)


@torch.no_grad()
def local_search(
    log_probability: LogProbability,
    noise: Tensor,
    asked: Tensor,
    moves: Tensor,
    steps: int,
    tries: int,
    seed: int = 0,
) -> Tensor:
    """Try some of the moves at each step, and take the best one if log p(class | G(z)) rises.

    A step costs as many evaluations of the generator as there are tries. One try is trial and
    error; as many as there are moves is exact greedy search.

    Args:
        log_probability: See `class_log_probability`.
        noise: Where to begin, `(n, noise_size)`.
        asked: The classes asked for, int64 `(n,)`.
        moves: What each action adds to z, `(actions, noise_size)`.
        steps: How many.
        tries: Different moves tried in a step, from 1 to `actions`.
        seed: Seed of the choice among them.

    Returns:
        Where it ended, `(n, noise_size)`.
    """
    whole("steps", steps, 1)
    whole("tries", tries, 1, len(moves))
    rng = torch.Generator().manual_seed(int(seed))
    height = of_class(log_probability(noise), asked)
    for _ in range(steps):
        order = torch.rand(len(noise), len(moves), generator=rng).topk(tries).indices
        tried = noise.unsqueeze(1) + moves[order]
        heights = of_class(
            log_probability(tried.flatten(0, 1)), asked.repeat_interleave(tries)
        ).view(-1, tries)
        best, place = heights.max(1)
        better = best > height
        noise = torch.where(better.unsqueeze(1), tried[torch.arange(len(noise)), place], noise)
        height = torch.where(better, best, height)
    return noise


class NoiseEncoder(nn.Module):
    """From z and a class to the new z at once.

    Args:
        noise_size: Numbers in z.
        width: Units in each of two hidden layers.
        reach: The longest step that it can take.
    """

    def __init__(self, noise_size: int, width: int = 256, reach: float = 6.0) -> None:
        super().__init__()
        self.reach = reach
        self.layers = nn.Sequential(
            nn.Linear(noise_size + CLASSES, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, noise_size),
        )

    def forward(self, noise: Tensor, asked: Tensor) -> Tensor:
        """Map z `(n, noise_size)` and classes `(n,)` to new z, at most `reach` away."""
        goal = functional.one_hot(asked, CLASSES).to(noise)
        change = self.layers(torch.cat([noise, goal], 1))
        length = change.norm(dim=1, keepdim=True)
        return noise + change * (self.reach / length.clamp(min=self.reach))


def train_encoder(
    encoder: NoiseEncoder,
    log_probability: LogProbability,
    noise_size: int,
    evaluations: int,
    *,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> int:
    """Train an encoder by gradients through the generator; return the evaluations it took.

    The classes asked for are drawn among all ten, so that the pictures before need not be judged.

    Args:
        encoder: Changed in place.
        log_probability: See `class_log_probability`.
        noise_size: Numbers in z.
        evaluations: How many pictures may be generated.
        batch_size: Pictures in a gradient step.
        learning_rate: Of Adam at the start; it falls in a straight line to 0.
        seed: Seed of the batches.
    """
    whole("evaluations", evaluations, batch_size)
    rng = torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(encoder.parameters(), learning_rate, fused=True)
    updates = evaluations // batch_size
    for number in progress(range(updates), label="encoder"):
        set_learning_rate(adam, learning_rate * (1 - number / updates))
        noise = torch.randn(batch_size, noise_size, generator=rng)
        asked = torch.randint(CLASSES, (batch_size,), generator=rng)
        loss = -of_class(log_probability(encoder(noise, asked)), asked).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return updates * batch_size


def class_shift(noise: Tensor, before: Tensor, asked: Tensor, means: Tensor) -> Tensor:
    """Return z − mean of the old class + mean of the new one: arithmetic with noise.

    Radford et al. (2016, 1511.06434, section 6.3.2) did so with three pictures a class.

    Args:
        noise: `(n, noise_size)`.
        before: The classes now, int64 `(n,)`.
        asked: The classes asked for.
        means: Mean noise of each class, `(10, noise_size)`.
    """
    return noise + means[asked] - means[before]


def class_means(noise: Tensor, classes: Tensor) -> Tensor:
    """Return the mean noise of each class, `(10, noise_size)`; 0 where there is none."""
    member = functional.one_hot(classes, CLASSES).to(noise)
    return member.T @ noise / member.sum(0).clamp(min=1).unsqueeze(1)


def neighbour_classes(
    pictures: Tensor, training: Tensor, labels: Tensor, neighbours: int = 5
) -> Tensor:
    """Return the class of most of each picture's nearest training pictures, int64 `(n,)`.

    A second judge: who learnt to please the digit scorer has never met it.

    Args:
        pictures: float `(n, 1, height, width)`.
        training: float `(m, 1, height, width)`.
        labels: Their classes, int64 `(m,)`.
        neighbours: How many have a vote.
    """
    whole("neighbours", neighbours, 1, len(training))
    distance = torch.cdist(pictures.flatten(1), training.flatten(1))
    votes = labels[distance.topk(neighbours, largest=False).indices]
    return functional.one_hot(votes, CLASSES).sum(1).argmax(1)
