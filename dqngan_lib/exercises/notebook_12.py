"""Exercises of notebook 12: holes, a discriminator for pixels, and walks through noise."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_tensor,
    flags,
    normal,
    perceptron,
    uniform,
    whole,
)


def _compare(given: Tensor, expected: Tensor, known: Mapping[str, Tensor], otherwise: str) -> None:
    """Raise the message of the first known mistake that a wrong answer agrees with."""
    if close(given, expected):
        return
    for message, mistaken in known.items():
        if close(given, mistaken.expand_as(expected)):
            raise Wrong(message)
    raise Wrong(otherwise)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# 12.1 ---------------------------------------------------------------------------------------------


def relax(picture: Tensor, mask: Tensor) -> Tensor:
    """Return the picture with every pixel in the hole replaced by its neighbours' mean."""
    extended = functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    above, below = extended[..., :-2, 1:-1], extended[..., 2:, 1:-1]
    left, right = extended[..., 1:-1, :-2], extended[..., 1:-1, 2:]
    return torch.where(mask, (above + below + left + right) / 4, picture)


def check_relax(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a loop over pixels, on a hole that touches two edges of the picture."""
    picture = _random(2, 1, 5, 6)
    mask = torch.zeros(2, 1, 5, 6, dtype=torch.bool)
    mask[0, :, 1:4, 2:5], mask[1, :, 0:3, 4:6] = True, True
    before = picture.clone()
    given = expect_tensor(answer(picture, mask.clone()), (2, 1, 5, 6), "the picture")
    if not picture.equal(before):
        raise Wrong(
            "your function changed the picture that it was given: a pixel then sees neighbours "
            "that have already moved. Work on a new tensor"
        )

    def neighbours(n: int, row: int, column: int) -> list[Tensor]:
        places = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        return [picture[n, 0, min(max(y, 0), 4), min(max(x, 0), 5)] for y, x in places]

    mean, own, padded = picture.clone(), picture.clone(), picture.clone()
    for n in range(2):
        for row in range(5):
            for column in range(6):
                near = torch.stack(neighbours(n, row, column))
                mean[n, 0, row, column] = near.mean()
                own[n, 0, row, column] = (near.sum() + picture[n, 0, row, column]) / 5
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    padded = functional.conv2d(picture, cross, padding=1)
    rolled = sum(picture.roll(s, d) for s in (1, -1) for d in (2, 3)) / 4
    square = functional.avg_pool2d(functional.pad(picture, (1,) * 4, mode="replicate"), 3, 1)
    expected = torch.where(mask, mean, picture)
    known = {
        "all pixels have moved: only those in the hole may": mean,
        "it is turned round: the known pixels moved, and the hole stayed": torch.where(
            mask, picture, mean
        ),
        "nothing has moved": picture,
        "beyond the edge you count zeros: go on with the last pixel": torch.where(
            mask, padded / 4, picture
        ),
        "your picture goes on at its other side; beyond the edge go on with the last pixel": (
            torch.where(mask, rolled, picture)
        ),
        "the pixel's own value is no neighbour: it is unknown": torch.where(mask, own, picture),
        "these are all nine pixels of the 3 × 3 square; take the four neighbours": torch.where(
            mask, square, picture
        ),
        "this is the sum of the neighbours; divide by 4": torch.where(mask, 4 * mean, picture),
    }
    _compare(given, expected, known, "some pixels in the hole are not the mean of their four")


# 12.2 ---------------------------------------------------------------------------------------------


def nearest_by_known(picture: Tensor, mask: Tensor, training: Tensor) -> Tensor:
    """Return the place of the training picture with the least squared error where known."""
    error = (picture.unsqueeze(1) - training) ** 2
    return (error * ~mask.unsqueeze(1)).flatten(2).sum(2).argmin(1)


def check_nearest_by_known(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Compare with a loop; what stands in the holes would lead to other neighbours."""
    training = _random(9, 1, 4, 4, seed=3)
    picture, mask = _random(9, 1, 4, 4, seed=4), torch.zeros(9, 1, 4, 4, dtype=torch.bool)
    for n in range(9):
        mask[n, 0, n % 3 : n % 3 + 2, n // 3 : n // 3 + 2] = True
    given = answer(picture.clone(), mask.clone(), training.clone())
    if isinstance(given, Tensor) and given.is_floating_point():
        raise Wrong("places are whole numbers, int64; yours are floats. argmin says which")
    if isinstance(given, Tensor) and given.dim() == 0:
        raise Wrong("one place for each picture, (n,): you searched among all pictures at once")
    given = expect_tensor(given, (9,), "the places")
    error = torch.stack([((x - training) ** 2).flatten(1) for x in picture])
    known_pixels = (~mask).flatten(1).unsqueeze(1)
    expected = torch.tensor(
        [
            min(range(9), key=lambda t, n=n: error[n, t][~mask[n].flatten()].sum().item())
            for n in range(9)
        ]
    )
    covered = torch.stack([((x - training) ** 2).flatten(1) for x in picture * ~mask])
    signed = torch.stack([(x - training).flatten(1) for x in picture])
    known = {
        "what stands in the hole is unknown, and you compared it too: leave the hole out of the "
        "sum": error.sum(2).argmin(1),
        "you compared the training pictures with a black hole: leave the hole out of the sum": (
            covered.sum(2).argmin(1)
        ),
        "you compared inside the hole; compare where pixels are known": (
            (error * ~known_pixels).sum(2).argmin(1)
        ),
        "this is the training picture that agrees *least*": (
            (error * known_pixels).sum(2).argmax(1)
        ),
        "differences need a square: without it the brightest picture wins": (
            (signed * known_pixels).sum(2).argmin(1)
        ),
        "for each training picture you found a picture with a hole; search the other way": (
            (error * known_pixels).sum(2).argmin(0)
        ),
    }
    _compare(given, expected, known, "not every picture has its nearest training picture")


# 12.3 ---------------------------------------------------------------------------------------------


def critic_bonus(
    critic: Callable[[Tensor], Tensor],
    observation: Tensor,
    next_observation: Tensor,
    weight: float,
) -> Tensor:
    """Return λ (D(x′) − D(x)) in the hole, 0 outside, without gradients."""
    with torch.no_grad():
        rise = critic(next_observation) - critic(observation)
    return weight * rise * observation[:, 2]


def check_critic_bonus(answer: Callable[..., Tensor]) -> None:
    """Use a small network that is not linear, and masks that differ between pictures."""
    rng = torch.Generator().manual_seed(5)
    kernel = torch.randn(1, 3, 3, 3, generator=rng).requires_grad_(True)

    def critic(seen: Tensor) -> Tensor:
        return functional.conv2d(seen[:, :3], kernel, padding=1).squeeze(1).tanh()

    now, after = _random(3, 4, 3, 3, seed=6), _random(3, 4, 3, 3, seed=7)
    mask = (_random(3, 3, 3, seed=8) < 0.5).float()
    now[:, 2], after[:, 2] = mask, mask
    now[:, 1] = after[:, 1]
    given = answer(critic, now.clone(), after.clone(), 2.0)
    if isinstance(given, Tensor) and given.dim() == 4:
        raise Wrong("one number a pixel, (n, height, width): there is a dimension too many")
    given = expect_tensor(given, (3, 3, 3), "the reward")
    if given.requires_grad:
        raise Wrong(
            "the reward carries a gradient of the discriminator: a DQN's reward is a number. "
            "Compute it under torch.no_grad()"
        )
    with torch.no_grad():
        before, later = critic(now), critic(after)
    rise = later - before
    expected = torch.zeros(3, 3, 3)
    for place in mask.nonzero().tolist():
        expected[tuple(place)] = 2 * (later[tuple(place)] - before[tuple(place)])
    means = (rise * mask).sum((1, 2), keepdim=True) / mask.sum((1, 2), keepdim=True)
    known = {
        "the sign is turned round: D must be greater after the step": -expected,
        "pixels outside the hole cannot act: their reward is 0 (plane 2 of an observation is the "
        "mask)": 2 * rise,
        "it is turned round: the pixels in the hole are to be paid, not the others": 2
        * rise
        * (1 - mask),
        "λ is missing": expected / 2,
        "this is D after the step alone; the reward is its rise": 2 * later * mask,
        "this is D before the step alone": 2 * before * mask,
        "all pixels of a picture share their mean here: each must get its own": 2 * means * mask,
        "no sigmoid here: the reward is the rise of the logit": 2
        * (later.sigmoid() - before.sigmoid())
        * mask,
    }
    _compare(given, expected, known, "some pixels are paid wrongly; try one pixel by hand")


# 12.4 ---------------------------------------------------------------------------------------------


def uphill(
    log_probability: Callable[[Tensor], Tensor], noise: Tensor, target: Tensor, size: float
) -> Tensor:
    """Return z after one step of a given length up the gradient of its class's log p."""
    z = noise.detach().clone().requires_grad_(True)
    asked = log_probability(z).gather(1, target.unsqueeze(1)).sum()
    (gradient,) = torch.autograd.grad(asked, z)
    return noise + size * gradient / gradient.norm(dim=1, keepdim=True)


def check_uphill(answer: Callable[..., Tensor]) -> None:
    """Compare with finite differences, for walkers with different targets and slopes."""
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(9)).double()
    noise = (2 * _random(3, 4, seed=10) - 1).double() * torch.tensor([[0.2], [1.0], [2.0]])
    target = torch.tensor([2, 0, 1])

    def log_probability(z: Tensor) -> Tensor:
        return functional.log_softmax(z.tanh() @ weight.T, 1)

    before = noise.clone()
    given = answer(log_probability, noise, target.clone(), 0.5)
    if not noise.equal(before):
        raise Wrong("your function changed the noise that it was given; return a new tensor")
    given = expect_tensor(given, (3, 4), "the new noise")
    slope = torch.zeros_like(noise)
    total = torch.zeros_like(noise)
    for n in range(3):
        for i in range(4):
            shift = torch.zeros(1, 4, dtype=torch.double)
            shift[0, i] = 1e-4
            high, low = (log_probability(noise[n : n + 1] + s * shift)[0] for s in (1, -1))
            slope[n, i] = (high - low)[target[n]] / 2e-4
            total[n, i] = (high - low).sum() / 2e-4
    length = slope.norm(dim=1, keepdim=True)
    step = 0.5 * slope / length
    known = {
        "this goes downhill: the log-probability of the asked class falls": noise - step,
        "this is the step alone; add it to z": step,
        "this is the gradient times the size: each walker's step must have the same length, so "
        "divide by the norm of its gradient": noise + 0.5 * slope,
        "you divided by one norm for all walkers; each has its own (dim=1)": noise
        + 0.5 * slope / slope.norm(),
        "you normalised along the walkers; each row is a walker (dim=1)": noise
        + 0.5 * slope / slope.norm(dim=0, keepdim=True),
        "this climbs the sum of all classes; take the class that each walker is asked for": noise
        + 0.5 * total / total.norm(dim=1, keepdim=True),
        "the size is not used": noise + slope / length,
        "nothing has moved": noise,
        "this takes the sign of the gradient (all coordinates equally far); keep its direction": (
            noise + 0.5 * slope.sign()
        ),
    }
    _compare(given.double(), noise + step, known, "some walkers do not go straight uphill")


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_relax(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, and holes at random."""
    for stage, batch, height, width in (
        ("other sizes", 3, 4, 6),
        ("one picture", 1, 5, 3),
        ("one row", 2, 1, 5),
        ("one column", 2, 4, 1),
        ("one pixel", 1, 1, 1),
    ):
        shape = (batch, 1, height, width)
        yield Case(stage, (normal(rng, *shape), flags(rng, *shape)))
    picture, nothing = normal(rng, 2, 1, 3, 3), torch.zeros(2, 1, 3, 3, dtype=torch.bool)
    yield Case("no hole, or nothing else", (picture, nothing))
    yield Case("no hole, or nothing else", (picture, ~nothing))


def cases_nearest_by_known(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, fewer or more than the training pictures."""
    for stage, batch, training, height, width in (
        ("other sizes", 3, 6, 3, 4),
        ("other sizes", 6, 3, 4, 3),
        ("one picture", 1, 5, 3, 3),
        ("one training picture", 4, 1, 3, 3),
        ("one row", 3, 4, 1, 6),
    ):
        shape = (batch, 1, height, width)
        mask = uniform(rng, *shape) < 0.4
        mask[..., 0] = False
        yield Case(stage, (normal(rng, *shape), mask, normal(rng, training, 1, height, width)))


class _Judge(nn.Module):
    """A discriminator of pixels: a convolution over three planes of an observation."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.kernel = nn.Parameter(normal(rng, 1, 4, 3, 3))

    def forward(self, seen: Tensor) -> Tensor:
        return functional.conv2d(seen, self.kernel, padding=1).squeeze(1).tanh()


def cases_critic_bonus(rng: torch.Generator) -> Iterator[Case]:
    """Draw discriminators and observations that are not square."""
    for stage, batch, height, width in (
        ("other sizes", 4, 2, 5),
        ("one picture", 1, 3, 2),
        ("one row", 2, 1, 4),
        ("one column", 2, 4, 1),
    ):
        now, after = normal(rng, 2, batch, 4, height, width)
        now[:, 2] = after[:, 2] = flags(rng, batch, height, width).float()
        now[:, 1] = after[:, 1]
        yield Case(stage, (_Judge(rng), now, after, 0.2 + uniform(rng, 1).item()))


def cases_uphill(rng: torch.Generator) -> Iterator[Case]:
    """Draw classifiers and walkers; what is trained already is frozen."""
    for stage, walkers, size, classes in (
        ("other walkers", 5, 3, 4),
        ("other walkers", 2, 6, 3),
        ("sizes that are equal", 3, 3, 3),
        ("one walker", 1, 4, 3),
    ):
        network = nn.Sequential(perceptron(rng, size, 5, classes), nn.LogSoftmax(1))
        network.requires_grad_(False)
        target = whole(rng, classes, walkers)
        yield Case(
            stage, (network, normal(rng, walkers, size), target, 0.1 + uniform(rng, 1).item())
        )


EXERCISES = (
    Exercise(
        "12.1",
        check_relax,
        (
            "Which four pixels touch a pixel? What are they at the picture's edge?",
            "`functional.pad(picture, (1, 1, 1, 1), mode='replicate')` goes on with the last "
            "pixel; four slices of it are the four neighbours of all pixels.",
            "torch.where(mask, (above + below + left + right) / 4, picture)",
        ),
        relax,
        "repeated often enough, this step ends at the harmonic fill: a rubber sheet at rest",
        cases=cases_relax,
        why="all four slices read the old picture, so no pixel sees a neighbour that has moved",
    ),
    Exercise(
        "12.2",
        check_nearest_by_known,
        (
            "Compare each picture with all training pictures: `picture.unsqueeze(1) - training` "
            "has shape (n, m, 1, height, width).",
            "A pixel in the hole must not count: multiply its error by 0, with `~mask`.",
            "Sum over the pixels of a pair, then argmin(1) over the training pictures:\n"
            "(error * ~mask.unsqueeze(1)).flatten(2).sum(2).argmin(1)",
        ),
        nearest_by_known,
        "simple as it is, this is a strong rival: it never draws a stroke that no digit has",
        cases=cases_nearest_by_known,
        why="~mask takes the unknown pixels out of the sum, whatever stands in them",
    ),
    Exercise(
        "12.3",
        check_critic_bonus,
        (
            "Ask the discriminator twice: about the next observation, and about this one.",
            "Plane 2 of an observation is the mask, 1 in the hole. Pixels outside did nothing.",
            "Under torch.no_grad() the rise, then:\nweight * rise * observation[:, 2]",
        ),
        critic_bonus,
        "it is computed when a transition is drawn, so it is always today's opinion",
        cases=cases_critic_bonus,
        why="a reward is a number, so no gradient is kept; the mask pays only those who could act",
    ),
    Exercise(
        "12.4",
        check_uphill,
        (
            "Make a copy of the noise that asks for gradients: `.clone().requires_grad_(True)`.",
            "`gather` picks each row's own class. The rows do not mix, so the gradient of their "
            "sum holds the gradient of each.",
            "Divide each row of the gradient by its norm, times `size`:\n"
            "noise + size * gradient / gradient.norm(dim=1, keepdim=True)",
        ),
        uphill,
        "this is all that the rival of the DQN does; it needs a gradient at every step",
        cases=cases_uphill,
        why="divided by its norm each row has length 1, so each walker moves by `size`",
    ),
)
