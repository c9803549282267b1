"""Exercises of notebook 06: earth moving, what holds a critic, and a sick GAN."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    normal,
    perceptron,
    uniform,
)


def wasserstein_equal(x: Tensor, y: Tensor) -> float:
    """Return W between equally many points of equal weight."""
    return (x.sort().values - y.sort().values).abs().mean().item()


def check_wasserstein_equal(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Compare with a pairing worked by hand, and with equal sets in another order."""
    x, y = torch.tensor([5.0, 0.0, 2.0, 1.0]), torch.tensor([3.0, 9.0, 1.0, 2.0])
    given = expect_number(answer(x.clone(), y.clone()), "the distance")
    # Sorted: 0 1 2 5 and 1 2 3 9. Ways: 1 1 1 4. Mean: 7/4.
    known = {
        (2 + 9 + 1 + 1) / 4: "sort both sets first: you pair the points in the order they come",
        7.0: "each point weighs 1/n: take the mean of the ways, not their sum",
        -7 / 4: "a way has no sign: take absolute values before the mean",
        19 / 4: "this squares the ways; W takes absolute values",
        math.sqrt(19 / 4): "this is the root of the mean square; W takes absolute values",
        1.0: "this is the median way; all ways count: take the mean",
        15 / 4: "one of the sets is sorted downwards: the least goes to the least",
        4.0: "this is the longest way; all ways count: take the mean",
    }
    if not close(given, 7 / 4):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"on our four points the distance is 1.75, yours is {given:.4g}")
    # Means 2 and 2: a difference of means would not see that these heaps differ.
    given = expect_number(answer(torch.tensor([0.0, 4.0]), torch.tensor([2.0, 2.0])), "it")
    if close(given, 0.0):
        raise Wrong(
            "points at 0 and 4 against two points at 2 give 2, yours 0: you compare the means, "
            "and heaps of one mean can differ"
        )
    if not close(given, 2.0):
        raise Wrong(f"points at 0 and 4 against two points at 2 give 2, yours {given:.4g}")


def wasserstein_weighted(x: Tensor, p: Tensor, y: Tensor, q: Tensor) -> float:
    """Return W = ∫ |F_p − F_q| for points with weights that sum to 1."""
    places, order = torch.cat([x, y]).sort()
    difference = torch.cat([p, -q])[order].cumsum(0)
    return (difference[:-1].abs() * places.diff()).sum().item()


def check_wasserstein_weighted(answer: Callable[..., float]) -> None:
    """Compare with three heaps by hand, then with many points by a fine sum of quantiles."""
    x, p = torch.tensor([4.0, 0.0, 1.0]), torch.tensor([0.125, 0.5, 0.375])
    y, q = torch.tensor([2.0, 7.0]), torch.tensor([0.75, 0.25])
    # F_p − F_q: 0.5 on [0, 1), 0.875 on [1, 2), 0.125 on [2, 4), 0.25 on [4, 7). Area: 2.375.
    given = expect_number(answer(x.clone(), p.clone(), y.clone(), q.clone()), "the distance")
    hand = 0.5 + 0.875 + 0.125 * 2 + 0.25 * 3
    known = {
        0.5 + 0.875 + 0.125 + 0.25: "multiply each |F_p − F_q| by its gap, places.diff()",
        0.25 + 0.875**2 + 0.125**2 * 2 + 0.0625 * 3: "this squares F_p − F_q; W takes |F_p − F_q|",
        0.875: "this is the greatest |F_p − F_q| (Kolmogorov–Smirnov); W is the area between",
    }
    if not close(given, hand):
        message = next((text for value, text in known.items() if close(given, value)), None)
        if close(given, _with_equal_weights(x, y)):
            message = "the weights p and q are not used: yours is the distance for equal weights"
        elif close(given, _unsorted(x, p, y, q)):
            message = "the weights must follow their points: sort p and −q with the same order"
        raise Wrong(message or f"on our heaps the distance is 2.375, yours is {given:.4g}")
    # F_p − F_q changes its sign: mass moves both ways.
    both = [torch.tensor(v) for v in ([0.0, 10.0], [0.5, 0.5], [3.0, 6.0], [0.5, 0.5])]
    given = expect_number(answer(*both), "the distance")
    if close(given, 0.5):
        raise Wrong(
            "where weight moves to the left, F_p − F_q is negative: take the absolute value of "
            "each piece, not of the sum"
        )
    if not close(given, 3.5):
        raise Wrong(
            f"half a heap moves 3 to the right and half moves 4 to the left: 3.5, not {given:.4g}"
        )
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, generator=rng), torch.randn(9, generator=rng) + 1
    p, q = torch.rand(5, generator=rng), torch.rand(9, generator=rng)
    p, q = p / p.sum(), q / q.sum()
    given = expect_number(answer(x.clone(), p.clone(), y.clone(), q.clone()), "the distance")
    expected = _by_quantiles(x, p, y, q)
    if not close(given, expected, 1e-3):
        raise Wrong(
            f"5 points against 9 random ones are {expected:.4g} apart, yours is {given:.4g}. "
            "The sets may differ in size"
        )


def _with_equal_weights(x: Tensor, y: Tensor) -> float:
    return wasserstein_weighted(
        x, torch.full((len(x),), 1 / len(x)), y, torch.full((len(y),), 1 / len(y))
    )


def _unsorted(x: Tensor, p: Tensor, y: Tensor, q: Tensor) -> float:
    """Return the area with the places sorted and the weights left as they came."""
    places = torch.cat([x, y]).sort().values
    return (torch.cat([p, -q]).cumsum(0)[:-1].abs() * places.diff()).sum().item()


def _by_quantiles(x: Tensor, p: Tensor, y: Tensor, q: Tensor) -> float:
    """Return the mean of |F⁻¹(u) − G⁻¹(u)| over 100,000 levels u."""
    level = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    sides = []
    for points, weights in ((x, p), (y, q)):
        order = points.argsort()
        reached = weights[order].double().cumsum(0)
        index = torch.searchsorted(reached, level).clamp(max=len(points) - 1)
        sides.append(points[order].double()[index])
    return (sides[0] - sides[1]).abs().mean().item()


def my_r1(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Return ½ E[‖∇ₓ l(x)‖²] over real inputs."""
    real = real.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1).mean()


class _Quadratic(nn.Module):
    """The critic ½ a |x|² + b · x: its gradient is a x + b, known at every point."""

    def __init__(self, a: float, b: list[float]) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))
        self.b = nn.Parameter(torch.tensor(b))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.a * x.square().sum(1) / 2 + x @ self.b


def check_r1(answer: Callable[..., Tensor]) -> None:
    """Compare value and gradient with a critic whose slope is known."""
    linear = _Quadratic(0.0, [3.0, 4.0])
    real = torch.tensor([[1.0, 2.0], [0.0, -1.0], [5.0, 5.0]])
    given = expect_tensor(answer(linear, real.clone()), (), "the penalty")
    known = {
        25.0: "the factor ½ is missing",
        2.5: "this is half the norm; R1 takes half the *squared* norm",
        12.5 * 3: "take the mean over the batch, not the sum",
        6.25: "sum the squares over the numbers of an input; the mean is over the batch alone",
        12.5 / 3: "each gradient is a third too small: differentiate the sum of the outputs; the "
        "mean has 1/n in it",
        12.5 / 9: "each gradient is a third of what it should be: differentiate the sum of the "
        "outputs, since their mean has 1/n in it",
        8.0: "this is the gradient penalty's (‖∇l‖ − 1)²/2; R1 wants slope 0, not slope 1",
        16.0: "this is the gradient penalty's (‖∇l‖ − 1)²; R1 wants slope 0, not slope 1",
    }
    if not close(given, 12.5):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(
            message
            or f"l(x) = 3x₀ + 4x₁ has slope 5 everywhere: R1 is 12.5, yours is {given.item():.4g}"
        )
    if not given.requires_grad:
        raise Wrong(
            "the penalty has no gradient for the critic's weights: pass create_graph=True, and "
            "do not detach"
        )
    curved = _Quadratic(2.0, [0.0, 1.0])
    pictures = torch.tensor([[[[1.0], [0.0]]], [[[0.0], [-1.0]]]])  # (2, 1, 2, 1)
    given = expect_tensor(answer(curved, pictures.clone()), (), "the penalty of pictures")
    # Gradients 2x + b: (2, 1) and (0, −1). Squared norms 5 and 1: ½ · 3 = 1.5.
    if not close(given, 1.5):
        raise Wrong(
            f"for two pictures of shape (1, 2, 1) R1 is 1.5, yours is {given.item():.4g}: "
            "flatten each gradient to a row before its norm"
        )
    curved.zero_grad()
    given.backward()
    # d/da ½ mean |a x + b|² = mean (a x + b) · x = (2 + 1)/2; d/db = mean (a x + b).
    if curved.a.grad is None or not close(curved.a.grad, 1.5):
        raise Wrong("the value is right, but its gradient for the critic's weights is not")


def my_gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor
) -> Tensor:
    """Return E[(‖∇f(x̂)‖ − 1)²] at x̂ = share · real + (1 − share) · fake."""
    share = share.reshape(-1, *[1] * (real.dim() - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def check_gradient_penalty(answer: Callable[..., Tensor]) -> None:
    """Compare with a linear critic, then with a curved one that knows where it was asked."""
    real = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    fake = torch.tensor([[0.0, 1.0], [6.0, 0.0]])
    share = torch.tensor([0.25, 0.75])
    linear = _Quadratic(0.0, [0.3, 0.4])
    given = expect_tensor(
        answer(linear, real.clone(), fake.clone(), share.clone()), (), "the penalty"
    )
    known = {
        0.25 * 2: "take the mean over the batch, not the sum",
        0.0: "slope 0.5 costs (0.5 − 1)² too: this penalty pulls the slope *to* 1 from both sides",
        0.125: "there is no factor ½ in this penalty",
        0.5625: "this is (‖∇f‖² − 1)²: subtract 1 from the norm, not from its square",
        -0.5: "square the difference: a slope below 1 must cost, not pay",
        (0.7**2 + 0.6**2) / 2: "the norm is that of a whole gradient; subtract 1 after it",
    }
    if not close(given, 0.25):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(
            message
            or f"f(x) = 0.3x₀ + 0.4x₁ has slope 0.5: the penalty is 0.25, yours is "
            f"{given.item():.4g}"
        )
    if not given.requires_grad:
        raise Wrong(
            "the penalty has no gradient for the critic's weights: pass create_graph=True, and "
            "do not detach the result"
        )
    bowl = _Quadratic(1.0, [0.0, 0.0])

    def at(points: list[list[float]]) -> float:
        """Return the penalty of the bowl ½|x|²: its slope at a point is the point's length."""
        return sum((math.hypot(*point) - 1) ** 2 for point in points) / len(points)

    given = expect_tensor(answer(bowl, real.clone(), fake.clone(), share.clone()), (), "it")
    expected = at([[0.5, 0.75], [1.5, 3.0]])
    if not close(given, expected):
        known = {
            at(real.tolist()): "you look at the real inputs; look at points between",
            at(fake.tolist()): "you look at the fakes; look at points between real and fake",
            at([[1.5, 0.25], [4.5, 1.0]]): "share belongs to the real input, 1 − share to the fake",
            at([[1.0, 0.5], [3.0, 2.0]]): "this is the middle of each pair; use `share`",
            at([[0.5, 0.25], [4.5, 3.0]]): "share must be one number a pair, and yours went "
            "along the columns: reshape it to (batch, 1, …)",
        }
        message = next((text for v, text in known.items() if close(given, v)), None)
        raise Wrong(
            message
            or f"for the bowl f(x) = ½|x|² the penalty is {expected:.4g}, yours is "
            f"{given.item():.4g}. At which points do you look?"
        )
    pictures = (real.reshape(2, 1, 2, 1), fake.reshape(2, 1, 2, 1))
    given = expect_tensor(answer(bowl, *pictures, share.clone()), (), "the penalty of pictures")
    if not close(given, expected):
        raise Wrong("for pictures (batch, 1, 2, 1) it goes wrong: flatten each gradient to a row")
    bowl.zero_grad()
    given.backward()
    # The slope is a|x̂| with a = 1, so d/da mean (a|x̂| − 1)² = mean 2 (|x̂| − 1) |x̂|.
    lengths = torch.tensor([math.hypot(0.5, 0.75), math.hypot(1.5, 3.0)])
    if bowl.a.grad is None or not close(bowl.a.grad, (2 * (lengths - 1) * lengths).mean()):
        raise Wrong("the value is right, but its gradient for the critic's weights is not")


def greatest_stretch(weight: Tensor, start: Tensor, steps: int) -> float:
    """Return the greatest singular value of A by power iteration."""
    v = start / start.norm()
    for _ in range(steps):
        u = weight @ v
        u = u / u.norm()
        v = weight.T @ u
        v = v / v.norm()
    return (u @ (weight @ v)).item()


def check_spectral_norm(answer: Callable[..., float]) -> None:
    """Compare with matrices whose singular values are known, wide, tall and rotated."""
    diagonal = torch.tensor([[3.0, 0.0, 0.0], [0.0, -5.0, 0.0]])
    start = torch.tensor([1.0, 1.0, 1.0])
    given = expect_number(answer(diagonal.clone(), start.clone(), 50), "the spectral norm")
    known = {
        25.0: "this is σ², the eigenvalue of AᵀA; the spectral norm is σ",
        math.sqrt(34.0): "this is the root of the sum of all squares (the Frobenius norm), not "
        "the greatest stretch",
        -5.0: "a stretch has no sign: with u = A v / ‖A v‖ the value uᵀ A v is positive",
        3.0: "this is the greatest entry; A's second row stretches by 5 (its sign turns around)",
        1.0: "u and v have length 1: return how much A stretches, uᵀ A v or ‖A v‖",
        8.0: "this adds the singular values; the spectral norm is the greatest of them",
    }
    if not math.isfinite(given):
        raise Wrong("the numbers grew without bound: divide u and v by their lengths in each step")
    if not close(given, 5.0, 1e-3):
        message = next((text for v, text in known.items() if close(given, v, 1e-3)), None)
        raise Wrong(
            message or f"A = [[3, 0, 0], [0, −5, 0]] stretches at most by 5, yours says {given:.4g}"
        )
    large = expect_number(answer(1e3 * diagonal, start.clone(), 50), "the spectral norm")
    if not close(large, 5e3, 1e-3):
        raise Wrong(
            "for a matrix a thousand times as large the result is not a thousand times as large: "
            "divide u and v by their lengths in each step"
        )
    shear = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    given = expect_number(answer(shear.clone(), torch.tensor([1.0, 0.0]), 50), "it")
    golden = (1 + math.sqrt(5)) / 2
    if not close(given, golden, 1e-3):
        if close(given, 1.0, 0.1):
            raise Wrong(
                "for [[1, 1], [0, 1]] the answer is 1.618, yours is near the eigenvalue 1: "
                "alternate A and its transpose Aᵀ"
            )
        raise Wrong(f"for [[1, 1], [0, 1]] the answer is 1.618, yours is {given:.4g}")
    one = expect_number(answer(shear.clone(), torch.tensor([1.0, 0.0]), 1), "it")
    if close(one, golden, 1e-3):
        raise Wrong("with steps=1 the estimate cannot be exact yet: use `start` and `steps`")
    tall = torch.tensor([[1.0, 2.0], [2.0, 4.0], [2.0, 4.0]])  # rank 1: 3 · √5
    given = expect_number(answer(tall.clone(), torch.tensor([1.0, 0.5]), 20), "it")
    if not close(given, 3 * math.sqrt(5), 1e-3):
        raise Wrong(f"for a matrix of shape (3, 2) the answer is 6.708, yours is {given:.4g}")


def mended_round(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_optimizer: torch.optim.Optimizer,
    discriminator_optimizer: torch.optim.Optimizer,
    real: Tensor,
    noise: Tensor,
) -> None:
    """Let the discriminator learn, held by R1 with λ = 1, and then the generator."""
    # 1. The discriminator learns. The fakes are cut off: its step must not reach the generator.
    fake = generator(noise).detach()
    at_real = real.clone().requires_grad_(True)
    slope = torch.autograd.grad(discriminator(at_real).sum(), at_real, create_graph=True)[0]
    penalty = 0.5 * slope.flatten(1).square().sum(1).mean()
    loss = softplus(-discriminator(real)).mean() + softplus(discriminator(fake)).mean()
    discriminator_optimizer.zero_grad()
    (loss + penalty).backward()
    discriminator_optimizer.step()
    # 2. The generator learns from the discriminator as it is now, with the non-saturating loss.
    loss = softplus(-discriminator(generator(noise))).mean()
    generator_optimizer.zero_grad()
    loss.backward()
    generator_optimizer.step()


class _Shift(nn.Module):
    """The generator x̃ = z + θ: one weight, which says where the fakes are."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(place))

    def forward(self, noise: Tensor) -> Tensor:
        return noise + self.place


class _Line(nn.Module):
    """The discriminator l(x) = w x + b, with slope w everywhere."""

    def __init__(self, slope: float, bias: float) -> None:
        super().__init__()
        self.slope, self.bias = (nn.Parameter(torch.tensor(v)) for v in (slope, bias))

    def forward(self, x: Tensor) -> Tensor:
        return (self.slope * x + self.bias).squeeze(1)


def check_mended_round(answer: Callable[..., None]) -> None:
    """Measure each of the three faults on a pair of three numbers, then let the pair play."""
    rate, slope, bias, place = 0.5, 1.5, -1.0, -2.0
    x, z = [1.0, 2.0, 0.5], [0.5, -1.0, 0.25]
    pair = _Shift(place), _Line(slope, bias)
    optimizers = [torch.optim.SGD(network.parameters(), rate) for network in pair]
    answer(*pair, *optimizers, torch.tensor(x).unsqueeze(1), torch.tensor(z).unsqueeze(1))
    new_slope, new_bias, new_place = (
        v.item() for v in (pair[1].slope, pair[1].bias, pair[0].place)
    )
    if (new_slope, new_bias) == (slope, bias):
        raise Wrong("the discriminator has not moved: step 1 is not part of the disease")
    if new_place == place:
        raise Wrong("the generator has not moved: step 2 is not part of the disease")
    # By hand: D's loss falls along σ(−l) x on real and −σ(l) x̃ on fakes; R1 is w²/2.
    on_real = [_sigmoid(-(slope * a + bias)) for a in x]
    on_fake = [_sigmoid(slope * (a + place) + bias) for a in z]
    fakes = [a + place for a in z]
    if not close(new_bias, bias + rate * (_mean(on_real) - _mean(on_fake)), 1e-3):
        raise Wrong(
            "the discriminator's own loss is not what it was, or its step: in the sick round the "
            "terms of real and fake were healthy, with the sum of two means"
        )
    free = rate * (_mean_product(on_real, x) - _mean_product(on_fake, fakes))
    held = free - rate * slope
    pulls, idle = (close(new_slope - slope, move, 1e-3) for move in (held, free))
    if not (pulls or idle):
        raise Wrong(
            f"λ = 1: our discriminator's slope {slope} should become {slope + held:.3f}, yours "
            f"becomes {new_slope:.3f}. R1 is half the mean *squared* slope at the real inputs"
        )
    now = [_sigmoid(new_slope * a + new_bias) for a in fakes]
    steep = rate * new_slope * _mean([1 - share for share in now])  # the loss −log D
    flat = rate * new_slope * _mean(now)  # the loss log(1 − D)
    leak = rate * slope * _mean(on_fake)  # what D's own loss would do to the generator
    moved = new_place - place
    ways = {(True, True): steep, (True, False): steep - leak, (False, True): flat}
    ways[False, False] = flat - leak
    found = next((way for way, move in ways.items() if close(moved, move, 1e-3)), None)
    if found is None:
        early = [close(moved, rate * slope * _mean(s), 1e-3) for s in (_opposite(on_fake), on_fake)]
        raise Wrong(
            "the generator has learnt from the discriminator as it was before step 1"
            if any(early)
            else f"the generator should move by {steep:.4f}, and moves by {moved:.4f}. Its loss is "
            "the mean of log(1 + e^(−l)) over the fakes, and nothing else may be in its step"
        )
    if not (pulls and all(found)):
        raise Wrong(_diagnosis(pulls, *found, slope + free, slope + held, flat, steep, leak))
    _play(answer)


def _diagnosis(
    pulls: bool, pushes: bool, apart: bool, idle: float, held: float, flat: float, steep: float,
    leak: float,
) -> str:  # fmt: skip
    """Say which of the three faults are mended, and what was measured of the others."""
    said = [
        "the penalty ✓"
        if pulls
        else f"the penalty is added, and nothing is held: our discriminator's slope of 1.5 becomes "
        f"{idle:.3f}, as without a penalty. With λ = 1 it must become {held:.3f}",
        "the loss ✓"
        if pushes
        else f"the loss does not push: our discriminator sees through all fakes, and the "
        f"generator's loss moves it by {flat:.4f}. It must push hardest there, by {steep:.4f}",
        "the update ✓"
        if apart
        else f"the update mixes two losses: a part of the generator's step, {-leak:.4f}, makes the "
        "*discriminator's* loss smaller",
    ]
    return f"{pulls + pushes + apart} of 3 mended. " + "; ".join(said)


def _play(answer: Callable[..., None]) -> None:
    """Let a pair of single numbers play 40 rounds: with R1 it comes to rest where the real are."""
    pair = _Shift(2.0), _Line(0.5, 0.0)
    optimizers = [torch.optim.SGD(network.parameters(), 1.0) for network in pair]
    real = torch.zeros(2, 1)
    for _ in range(40):
        answer(*pair, *optimizers, real, torch.zeros(2, 1))
    place = pair[0].place.item()
    if not abs(place) < 0.02:
        raise Wrong(
            "each of the three is mended in a single round. But in a game of 40 rounds, real "
            f"points at 0, the fakes end at {place:.3g}: do gradients of older rounds stay in a "
            "sum? Or is a network left frozen?"
        )


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _mean_product(values: list[float], others: list[float]) -> float:
    return _mean([a * b for a, b in zip(values, others, strict=True)])


def _opposite(shares: list[float]) -> list[float]:
    return [1 - share for share in shares]


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_wasserstein_equal(rng: torch.Generator) -> Iterator[Case]:
    """Draw sets of points, and single points."""
    for stage, count in (("other points", 6), ("other points", 3), ("one point each", 1)):
        yield Case(stage, (normal(rng, count), 2 * normal(rng, count) + 1))


def cases_wasserstein_weighted(rng: torch.Generator) -> Iterator[Case]:
    """Draw sets that differ in size, and places that both have."""
    for stage, n, m in (
        ("other points", 4, 7),
        ("other points", 6, 2),
        ("as many points", 3, 3),
        ("one point each", 1, 1),
    ):
        p, q = normal(rng, n).softmax(0), normal(rng, m).softmax(0)
        yield Case(stage, (normal(rng, n), p, normal(rng, m) - 1, q))
    p, q = normal(rng, 4).softmax(0), normal(rng, 3).softmax(0)
    yield Case(
        "places that both have", (torch.tensor([3.0, 0, 1, -2]), p, torch.tensor([1.0, -2, 3]), q)
    )


def cases_greatest_stretch(rng: torch.Generator) -> Iterator[Case]:
    """Draw matrices of which one stretch is far greater than the others, wide and tall."""
    for stage, rows, columns in (
        ("other matrices", 3, 5),
        ("other matrices", 4, 2),
        ("one row", 1, 3),
        ("one column", 3, 1),
    ):
        one = 5 * normal(rng, rows, 1) @ normal(rng, 1, columns)
        start = 10 * normal(rng, columns)
        yield Case(stage, (one + 0.1 * normal(rng, rows, columns), start, 40), 1e-3)
        yield Case("rank 1 and one step", (one, start, 1), 1e-3)

    # Here every way of counting the steps gives the same.
    singular = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([0.0, 2.0])
    yield Case("a start that A turns into itself", (*singular, 2))


def _critic(rng: torch.Generator, size: int) -> nn.Module:
    """Return a small critic of inputs of any shape with so many numbers."""
    return nn.Sequential(nn.Flatten(1), perceptron(rng, size, 4, 1), nn.Flatten(0))


def cases_gradient_penalty(rng: torch.Generator) -> Iterator[Case]:
    """Draw critics, rows and pictures, and shares with both ends."""
    for stage, shape in (
        ("other critics", (5, 3)),
        ("pictures", (3, 1, 2, 3)),
        ("pictures", (2, 2, 3, 1)),
        ("a batch of 1", (1, 1, 2, 2)),
        ("a batch of 1", (1, 3)),
    ):
        critic = _critic(rng, math.prod(shape[1:]))
        real, fake = normal(rng, 2, *shape)
        yield Case(stage, (critic, real, fake, uniform(rng, shape[0])), 1e-3)
    real, fake = normal(rng, 2, 4, 3)
    share = torch.tensor([0.0, 1.0, 1.0, 0.0])
    yield Case("shares of 0 and 1", (_critic(rng, 3), real, fake, share), 1e-3)


def cases_r1(rng: torch.Generator) -> Iterator[Case]:
    """Draw critics, rows and pictures."""
    for stage, shape in (
        ("other critics", (5, 3)),
        ("pictures", (3, 1, 2, 3)),
        ("pictures", (2, 2, 3, 1)),
        ("a batch of 1", (1, 1, 2, 2)),
        ("a batch of 1", (1, 3)),
    ):
        yield Case(stage, (_critic(rng, math.prod(shape[1:])), normal(rng, *shape)), 1e-3)


def cases_mended_round(rng: torch.Generator) -> Iterator[Case]:
    """Draw pairs for points and for pictures, optimizers of two kinds, and batches of 1."""
    for stage, batch, shape, kind in (
        ("other points", 5, (3,), torch.optim.SGD),
        ("Adam", 4, (2,), torch.optim.Adam),
        ("pictures", 3, (2, 3, 2), torch.optim.SGD),
        ("a batch of 1", 1, (1, 2, 2), torch.optim.SGD),
    ):
        size = math.prod(shape)
        generator = nn.Sequential(perceptron(rng, 2, 4, size), nn.Unflatten(1, shape))
        pair = generator, _critic(rng, size)
        real, noise = normal(rng, batch, *shape), normal(rng, batch, 2)
        yield Case(stage, partial(_ready, pair, kind, real, noise))


def _ready(
    pair: tuple[nn.Module, nn.Module],
    kind: type[torch.optim.Optimizer],
    real: Tensor,
    noise: Tensor,
) -> tuple:
    """Return a copy of a pair with optimizers of its own, and the batch."""
    mine = deepcopy(pair)
    optimizers = [kind(network.parameters(), lr=0.1) for network in mine]
    return *mine, *optimizers, real.clone(), noise.clone()


EXERCISES = (
    Exercise(
        "06.1",
        check_wasserstein_equal,
        (
            "On a line the cheapest plan never crosses: the least point goes to the least.",
            "`x.sort().values` are the sorted points.",
            "(x.sort().values - y.sort().values).abs().mean().item()",
        ),
        wasserstein_equal,
        "no plan is cheaper than the sorted one",
        cases=cases_wasserstein_equal,
        why="on a line no plan is cheaper than the sorted one, in which no two ways cross",
    ),
    Exercise(
        "06.2",
        check_gradient_penalty,
        (
            "Between: x̂ = share · real + (1 − share) · fake, one share a pair. Reshape share to "
            "(batch, 1, …).",
            "x̂ needs requires_grad_(True). torch.autograd.grad(critic(x̂).sum(), x̂, "
            "create_graph=True) gives a gradient for each x̂.",
            "Flatten each gradient to a row, take its norm, subtract 1, square, take the mean:\n"
            "(gradient.flatten(1).norm(dim=1) - 1).square().mean()",
        ),
        my_gradient_penalty,
        "value, place and gradient are right",
        cases=cases_gradient_penalty,
        why="each pair has its own point, gradient and norm, and the graph is kept for the "
        "critic to learn from",
    ),
    Exercise(
        "06.3",
        check_r1,
        (
            "Start as in exercise 06.2, but at the real inputs themselves.",
            "Half of the squared norm: the sum of squares over the numbers of an input.",
            "With create_graph=True before:\n0.5 * gradient.flatten(1).square().sum(1).mean()",
        ),
        my_r1,
        "where the data are, the discriminator is pulled flat",
        cases=cases_r1,
        why="each input has its own gradient, and the graph is kept for the critic to learn from",
    ),
    Exercise(
        "06.4",
        check_mended_round,
        (
            "Three silent faults, one each in the penalty, in the generator's loss, and in what "
            "its update is made of. Print numbers: the slope at real inputs, the logits of fakes, "
            "the generator's gradients before step 2.",
            "The penalty: does it carry a gradient for the discriminator's weights? Exercise 06.3 "
            "had the same trap.",
            "The loss: with fakes that are seen through, how long is the gradient of "
            "log(1 − D), and of −log D? Notebook 04 compared them.",
            "The update: step 1 runs backward through the fakes, too. What does it leave in the "
            "generator's `.grad`?",
            "create_graph=True in the penalty; softplus(-logits).mean() as the generator's loss; "
            "and fakes that are cut off in step 1:\n"
            "fake = generator(noise).detach()",
        ),
        mended_round,
        "3 of 3 mended, and the game of 40 rounds comes to rest where the real points are",
        cases=cases_mended_round,
        why="the penalty keeps its graph, the loss pushes hardest where the generator is worst, "
        "and each network's step follows its own loss alone",
    ),
    Exercise(
        "06.5",
        check_wasserstein_weighted,
        (
            "W is the area between F_p and F_q. Both are steps that change at the points alone.",
            "Put all points on one line, sorted; p counts up at x, q counts down at y.",
            "places, order = torch.cat([x, y]).sort(); F_p − F_q after each place is "
            "torch.cat([p, -q])[order].cumsum(0).",
            "Multiply |F_p − F_q| after each place but the last by the gap:\n"
            "(difference[:-1].abs() * places.diff()).sum().item()",
        ),
        wasserstein_weighted,
        "this is all that `dqngan_lib.gan.wasserstein.wasserstein_1d` does",
        cases=cases_wasserstein_weighted,
        why="across each gap the mass |F_p − F_q| must be carried, as far as the gap is long",
    ),
    Exercise(
        "06.6",
        check_spectral_norm,
        (
            "A stretches most along its first right singular vector v. Which vector does AᵀA turn "
            "towards v?",
            "In each step: u ← A v, divided by its length; v ← Aᵀ u, divided by its length.",
            "At the end the stretch is:\n(u @ (weight @ v)).item()",
        ),
        greatest_stretch,
        "one such step per update is what spectral norm usually costs",
        cases=cases_greatest_stretch,
        why="each step multiplies v by AᵀA, which makes the direction of the greatest stretch "
        "grow fastest",
    ),
)
