"""Exercises of notebook 04: the game of generator and discriminator."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

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
    flags,
    normal,
    perceptron,
    uniform,
    whole,
)
from dqngan_lib.gan.losses import discriminator_loss, generator_loss
from dqngan_lib.gan.networks import PointDiscriminator


def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """Return D* = p / (p + q), and ½ where neither has mass."""
    total = p + q
    return torch.where(total > 0, p / total, 0.5)


def check_optimal_discriminator(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with fractions worked by hand; the last point belongs to nobody."""
    p = torch.tensor([0.6, 0.3, 0.1, 0.0, 0.0])
    q = torch.tensor([0.2, 0.3, 0.0, 0.5, 0.0])
    expected = torch.tensor([0.75, 0.5, 1.0, 0.0, 0.5])
    given = expect_tensor(answer(p.clone(), q.clone()), (5,), "the result").double()
    if close(given, expected):
        return
    mass, right = slice(0, 4), expected[:4]
    if close(given[mass], 1 - right):
        raise Wrong("this is q / (p + q): the discriminator must be near 1 where the *real* are")
    if close(given[mass], right):
        raise Wrong(
            "the last point has p = q = 0, and there your answer is "
            f"{given[4].item():.4g}: it must be 0.5, since nothing is known there"
        )
    if close(given[:2], [3.0, 1.0]):
        raise Wrong("this is the ratio p / q; D is a probability, p divided by p + q")
    if close(given[:2], [math.log(3), 0.0]):
        raise Wrong("this is the logit log(p / q); the sigmoid of it is D")
    if close(given[:2], [0.4, 0.0]):
        raise Wrong("this is p − q; divide p by p + q instead")
    if close(given[:2], [1.0, 1.0]) or close(given[:2], [1.0, 0.0]):
        raise Wrong(
            "this is a verdict, 0 or 1; D* says how sure one can be: at point 0, 0.6 against 0.2 "
            "gives 0.75"
        )
    place = next(i for i in range(5) if not close(given[i], expected[i]))
    raise Wrong(
        f"at point {place}, p = {p[place]:.1f} and q = {q[place]:.1f} give "
        f"{expected[place]:.2f}; yours is {given[place].item():.4g}"
    )


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Return ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q) / 2, in natural logarithms."""
    m = (p + q) / 2
    return 0.5 * (torch.xlogy(p, p / m).nansum() + torch.xlogy(q, q / m).nansum())


def _divergence(p: list[float], q: list[float]) -> float:
    """Return KL(p ‖ q) by a loop; 0 log 0 counts as 0."""
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0 and b > 0)


def check_jensen_shannon(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a loop, on points where both have mass, and where only one or none has."""
    p, q = [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    to_m, from_m = _divergence(p, m), _divergence(q, m)
    expected = (to_m + from_m) / 2
    given = expect_number(answer(torch.tensor(p), torch.tensor(q)), "the result")
    known = {
        to_m + from_m: "each of the two divergences counts half: the factor ½ is missing",
        _divergence(p, q): "this is KL(p ‖ q); compare each of p and q with their mean m instead",
        _divergence(q, p): "this is KL(q ‖ p); compare each of p and q with their mean m instead",
        (_divergence(p, q) + _divergence(q, p)) / 2: "compare p and q with m = (p + q) / 2, not "
        "with each other",
        expected / math.log(2): "this is in bits; use the natural logarithm, torch.log",
        math.sqrt(expected): "this is the square root (the Jensen–Shannon distance); leave the "
        "root out",
        to_m: "this is KL(p ‖ m) alone; take the mean with KL(q ‖ m)",
        to_m / 2: "half of KL(p ‖ m) is there; half of KL(q ‖ m) is missing",
        -expected: "the sign is wrong: a divergence is never negative",
        expected / 3: "sum over the points, do not take the mean: p and q are weights already",
    }
    if not close(given, expected):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(
            message
            or f"for {p} and {q} it is {expected:.4f}, but yours is {given:.4g} "
            "(is m the mean of p and q?)"
        )
    apart = [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]
    given = expect_number(answer(*map(torch.tensor, apart)), "the result")
    if not close(given, math.log(2)):
        raise Wrong(
            "for distributions that share no point it is log 2 = 0.6931, but yours is "
            f"{given:.4g}: let 0 · log 0 be 0"
        )


def non_saturating_loss(fake_logits: Tensor) -> Tensor:
    """Return −E[log D(G(z))] from logits: the mean of log(1 + e^(−l))."""
    return softplus(-fake_logits).mean()


def check_non_saturating_loss(answer: Callable[[Tensor], Tensor]) -> None:
    """Compare value and gradient at usual logits, and where a sigmoid rounds to 0."""
    logits = torch.tensor([0.0, 2.0, -1.0])
    terms = [math.log1p(math.exp(-x)) for x in logits.tolist()]
    expected = sum(terms) / 3
    given = expect_tensor(answer(logits.clone()), (), "the loss").detach()
    if not close(given, expected):
        other = [math.log1p(math.exp(x)) for x in logits.tolist()]
        known = {
            sum(terms): "take the mean over the batch, not the sum",
            -expected: "the sign is wrong: this loss must fall when D(G(z)) rises",
            -sum(other) / 3: "this is the saturating loss E[log(1 − D)]; you need −E[log D]",
            sum(other) / 3: "this is −E[log(1 − D)], the discriminator's loss on fakes",
            -logits.mean().item(): "this is the hinge or Wasserstein loss, −E[l]; the logarithm "
            "of the sigmoid is missing",
        }
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"for logits 0, 2, −1 it is {expected:.4f}, yours is {given:.4g}")
    extreme = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = answer(extreme)
    if not loss.isfinite() or not close(loss, 100.0):
        raise Wrong(
            f"for logits −200 and 200 the loss is 100, but yours is {loss.item():.4g}: the sigmoid "
            "of −200 is rounded to 0, and its logarithm is lost. Never take the logarithm of a "
            "sigmoid; softplus does both in one"
        )
    if not loss.requires_grad:
        raise Wrong("the value is right, but it has no gradient: the generator could not learn")
    loss.backward()
    if not close(extreme.grad, [-0.5, 0.0]):
        raise Wrong(
            "the value is right, but for logits −200 and 200 the gradient must be −0.5 and 0; "
            f"yours is {extreme.grad.tolist()}. A clamp cuts the gradient off"
        )


def gan_round(
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer,
    real: Tensor,
) -> tuple[float, float]:
    """Let D learn, then G with the non-saturating loss; return both losses before the steps."""
    noise = torch.randn(len(real), generator.noise_size)
    fake = generator(noise).detach()  # D's step does not reach G
    d_loss = discriminator_loss(discriminator(real), discriminator(fake))
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()

    noise = torch.randn(len(real), generator.noise_size)
    g_loss = generator_loss(discriminator(generator(noise)))
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()  # D's weights have gradients now too; its zero_grad clears them
    return d_loss.item(), g_loss.item()


class _Place(nn.Module):
    """A generator that puts every fake on one place, and keeps the noise that it was given."""

    noise_size = 3

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(place))
        self.noise: list[Tensor] = []

    def forward(self, noise: Tensor) -> Tensor:
        """Return the place for each row of noise, `(batch, 1)`."""
        self.noise.append(noise.detach().clone())
        return self.place.expand(len(noise), 1)


class _Slope(nn.Module):
    """A discriminator whose logit is w x."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, 1)` to logits `(batch,)`."""
        return self.w * x.squeeze(1)


class _Line(nn.Module):
    """A generator of normal numbers: its weights are their mean and standard deviation."""

    noise_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.std = (nn.Parameter(torch.tensor(x)) for x in (0.0, 1.0))

    def forward(self, noise: Tensor) -> Tensor:
        """Map noise `(batch, 1)` to numbers `(batch, 1)`."""
        return self.mean + self.std * noise


_REAL, _RATE = (2.0, 4.0), 0.5
"""The real numbers of the example worked by hand, and both learning rates."""


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _round_by_hand(
    w: float, place: float, *, saturating: bool = False, flipped: bool = False
) -> tuple[float, float, float, float]:
    """Return w and the place after a round of `_Slope` and `_Place`, and both losses."""
    sign = -1 if flipped else 1
    d_loss = sum(math.log1p(math.exp(-sign * w * x)) for x in _REAL) / 2
    d_loss += math.log1p(math.exp(sign * w * place))
    # d log(1 + e^(−wx)) / dw = −(1 − D) x for real x, and D x for a fake.
    push = sum((1 - _sigmoid(sign * w * x)) * x for x in _REAL) / 2
    w = w + sign * _RATE * (push - _sigmoid(sign * w * place) * place)
    d_fake = _sigmoid(w * place)
    slope = d_fake if saturating else 1 - d_fake
    g_loss = math.log(1 - d_fake) if saturating else -math.log(d_fake)
    return w, place + _RATE * slope * w, d_loss, g_loss


def check_gan_round(answer: Callable[..., tuple[float, float]]) -> None:
    """Follow two rounds by hand; then let the answer learn a normal distribution that is known."""
    w, place = 0.4, 1.0
    generator, discriminator = _Place(place), _Slope(w)
    optimizers = [torch.optim.SGD(x.parameters(), _RATE) for x in (generator, discriminator)]
    real = torch.tensor(_REAL)[:, None]
    for number in (1, 2):
        generator.noise.clear()
        losses = answer(generator, discriminator, *optimizers, real.clone())
        if not isinstance(losses, tuple | list) or len(losses) != 2:
            raise Wrong("return two numbers: the loss of D and the loss of G")
        found = [x.item() for x in (discriminator.w, generator.place)]
        _name_round(found, w, place, number)
        _name_noise(generator.noise, len(real))
        w, place, *expected = _round_by_hand(w, place)
        for loss, right, who in zip(losses, expected, "DG", strict=True):
            if isinstance(loss, Tensor) and loss.requires_grad:
                raise Wrong(f"the loss of {who} still has its graph: return loss.item()")
            if not close(expect_number(loss, f"the loss of {who}"), right):
                raise Wrong(
                    f"both steps are right, but in round {number} the loss of {who} is "
                    f"{right:.4f} before its step; yours is {float(loss):.4g}"
                )
    _let_it_learn(answer)


def _name_round(found: list[float], w: float, place: float, number: int) -> None:
    """Raise `Wrong` unless w and the place are as they must be after this round."""
    new_w, new_place, *_ = _round_by_hand(w, place)
    if close(found, [new_w, new_place]):
        return
    if number == 2:
        raise Wrong(
            "the first round is right and the second is not: gradients of the round before are "
            "left over. Each optimizer needs zero_grad() before its backward()"
        )
    d, g = found
    if close(found, [w, place]):
        raise Wrong("no weight has moved: each player needs backward() and step()")
    if close(d, w):
        raise Wrong("D has not moved: its step is missing")
    if close(d, _round_by_hand(w, place, flipped=True)[0]):
        raise Wrong("D learns the wrong way round: real must be near 1, fake near 0")
    if not close(d, new_w):
        raise Wrong(
            f"after a round D's weight should be {new_w:.4f}, but is {d:.4g}. D takes one step, on "
            "real and fake; G's step must not move it"
        )
    if close(g, place):
        raise Wrong("G has not moved: its step is missing, or its fakes are detached there, too")
    if close(g, place + _RATE * (1 - _sigmoid(w * place)) * w):
        raise Wrong("G learns from the old D: let D take its step first")
    if close(g, _round_by_hand(w, place, saturating=True)[1]):
        raise Wrong("G learns with the minimax loss log(1 − D); asked for is −log D")
    if close(g, new_place - _RATE * _sigmoid(w * place) * w):
        raise Wrong("D's loss has left a gradient in G: detach the fakes in D's half")
    if g < place:
        raise Wrong("G goes down the slope of D: its loss must fall when D(G(z)) rises")
    raise Wrong(
        f"after a round G's weight should be {new_place:.4f}, but is {g:.4g}: one step, with the "
        "gradient of the mean of −log D(G(z))"
    )


def _name_noise(noise: list[Tensor], batch: int) -> None:
    """Raise `Wrong` unless each step had noise of its own, of the right shape."""
    for given in noise:
        expect_tensor(given, (batch, _Place.noise_size), "the noise, (batch, noise_size),")
    if any(torch.equal(one, two) for one, two in pairwise(noise)):
        raise Wrong("both steps use the same noise: draw new noise for G")
    if len(noise) == 1:
        raise Wrong("both steps use the same fakes: make new ones for G")


def _let_it_learn(answer: Callable[..., tuple[float, float]]) -> None:
    """Let an answer play 250 rounds against real numbers with mean 2 and standard deviation ½."""
    torch.manual_seed(0)
    generator, discriminator = _Line(), PointDiscriminator(width=16, size=1)
    optimizers = [
        torch.optim.Adam(x.parameters(), 0.02, betas=(0.5, 0.99))
        for x in (generator, discriminator)
    ]
    rng, late = torch.Generator().manual_seed(0), []
    for number in range(250):
        real = 2 + 0.5 * torch.randn(128, 1, generator=rng)
        answer(generator, discriminator, *optimizers, real)
        if number >= 200:
            late.append((generator.mean.item(), abs(generator.std.item())))
    mean, std = (sum(numbers) / len(late) for numbers in zip(*late, strict=True))
    if not (abs(mean - 2) <= 0.2 and abs(std - 0.5) <= 0.25):
        raise Wrong(
            "two rounds are right, but 250 of them do not learn numbers with mean 2 and standard "
            f"deviation 0.5: they end at {mean:.2f} and {std:.2f}"
        )


def count_modes(points: Tensor, centres: Tensor, radius: float, least: int) -> tuple[int, float]:
    """Return how many centres have at least `least` good points, and the share of good points."""
    distance, nearest = torch.cdist(points, centres).min(1)
    good = distance <= radius
    counts = torch.bincount(nearest[good], minlength=len(centres))
    return int((counts >= least).sum()), good.float().mean().item()


def check_count_modes(answer: Callable[..., tuple[int, float]]) -> None:
    """Compare with a small set of points whose good ones are counted by hand."""
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    # Centre 0: three good points. Centre 1: one good, one bad. Centre 2: two good. Centre 3: bad.
    good = [(0.1, 0.1), (-0.4, 0.0), (0.0, 0.3), (10.0, 0.45), (0.0, 9.8), (0.2, 10.2)]
    bad = [(10.4, 0.4), (10.0, 9.3), (5.0, 5.0), (9.4, 10.0)]
    points = torch.tensor([*good, *bad])
    given = answer(points.clone(), centres.clone(), 0.5, 2)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise Wrong(
            "return two things, the number of modes found and the share of good points; yours is "
            f"{type(given).__name__}"
        )
    modes = expect_number(given[0], "the number of modes")
    share = expect_number(given[1], "the share of good points")
    if close(share, 0.9):
        raise Wrong(
            "9 of our 10 points are counted as good, but only 6 are: compare the distance "
            "√(dx² + dy²) with the radius, not its square"
        )
    if modes != 2:
        known = {
            1: "one: a mode with exactly the least number of good points is found too",
            3: "three: centre 1 has one good point only, and here 2 are needed",
            4: "four: a point counts for its nearest centre only if it is within the radius",
            5: "five: there are four centres; count each once",
            6: "six: that is the number of good points, not of centres",
        }
        raise Wrong(
            f"centres 0 and 2 have two good points or more, so 2 modes are found, not "
            f"{known.get(int(modes), f'{modes:g}')}"
        )
    if close(share, 6.0):
        raise Wrong("six points are good; the share is that number divided by the number of points")
    if close(share, 60.0):
        raise Wrong("the share must be from 0 to 1, not in per cent")
    if close(share, 0.5):
        raise Wrong(
            "a good point counts for the share even if its mode is not found: 6 of 10, not 5"
        )
    if not close(share, 0.6):
        raise Wrong(f"6 of our 10 points are good, a share of 0.6; yours is {share:.4g}")
    none = answer(points + 100, centres.clone(), 0.5, 1)
    if none[0] != 0 or none[1] != 0:
        raise Wrong("when no point is good, no mode is found and the share is 0")


def r1(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Return ½ E[‖∇ₓ l(x)‖²] over real inputs."""
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return 0.5 * gradient.square().sum(1).mean()


def check_r1(answer: Callable[..., Tensor]) -> None:
    """Compare value and gradient with those of l(x) = w · x², worked by hand."""
    weights = torch.tensor([1.0, 2.0], requires_grad=True)
    real = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]])
    # ∇l = 2 w x: (2, 4), (4, 0), (0, −4). Squared norms 20, 16, 16. Half of their mean: 26/3.
    given = answer(lambda points: (weights * points**2).sum(1), real.clone())
    given = expect_tensor(given, (), "the penalty")
    value = given.item()
    if not close(value, 26 / 3):
        norms = (math.sqrt(20) + 4 + 4) / 3
        known = {
            52 / 3: "the factor ½ is missing",
            26.0: "take the mean over the batch, not the sum",
            52.0: "½ and the mean over the batch are missing",
            norms / 2: "this is ½ E[‖∇l‖]; the norm must be squared",
            norms: "square the norm of the gradient, and take half",
            13 / 3: "sum the squares over the two coordinates of a point, then take the mean over "
            "the points; a mean over all numbers halves it",
            26 / 27: "differentiate the *sum* of the outputs; their mean makes each gradient "
            "three times smaller",
            ((math.sqrt(20) - 1) ** 2 + 18) / 3: "this is the gradient penalty (‖∇l‖ − 1)²; R1 "
            "wants the gradient to be 0",
            29 / 6: "this penalises the outputs; differentiate D with respect to x first",
        }
        message = next((text for number, text in known.items() if close(value, number)), None)
        raise Wrong(message or f"on our critic it is 26/3 = 8.667, yours is {value:.4g}")
    if not given.requires_grad:
        raise Wrong(
            "the penalty has no gradient for the critic's weights: torch.autograd.grad needs "
            "create_graph=True, and nothing after it may be detached or made a plain number"
        )
    given.backward()
    # ½ mean(4 w₁² x₁² + 4 w₂² x₂²) differentiated: 4 w mean(x²) = 4 · (1, 2) · (5/3, 2/3).
    if weights.grad is None or not close(weights.grad, [20 / 3, 16 / 3]):
        raise Wrong("the value is right, but its gradient with respect to the critic's weights not")
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))
    kept = real.clone()
    answer(network, kept)
    if any(parameter.grad is not None for parameter in network.parameters()):
        raise Wrong(
            "your function leaves gradients in the critic's weights: torch.autograd.grad returns "
            "what you need, backward() puts it into .grad"
        )
    if kept.requires_grad:
        raise Wrong(
            "your function changes `real` itself: real.detach() is a tensor of its own, which "
            "requires_grad_(True) may mark"
        )


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_optimal_discriminator(rng: torch.Generator) -> Iterator[Case]:
    """Draw distributions of which some numbers are 0."""
    for stage, things in (("other distributions", 4), ("other distributions", 9), ("one thing", 1)):
        yield Case(stage, (uniform(rng, things), uniform(rng, things)))
    some = uniform(rng, 8) * flags(rng, 8), uniform(rng, 8) * flags(rng, 8)
    yield Case("zeros at random", some)
    yield Case("zeros at random", (torch.tensor([0.0, 0.3, 0.0]), torch.tensor([0.0, 0.0, 0.5])))


def cases_jensen_shannon(rng: torch.Generator) -> Iterator[Case]:
    """Draw distributions of which some numbers are 0."""

    def share(p: Tensor) -> Tensor:
        return p / p.sum()

    for things in (2, 5, 9):
        p, q = uniform(rng, 2, things) + 0.01
        yield Case("other distributions", (share(p), share(q)))
    p, q = uniform(rng, 2, 6) + 0.01
    yield Case("zeros in one of them", (share(p), share(q * torch.tensor([1, 0, 1, 0, 1, 1]))))
    yield Case("zeros in one of them", (share(p * torch.tensor([0, 1, 1, 0, 1, 0])), share(q)))
    yield Case("equal distributions", (share(p), share(p)))
    yield Case("one thing", (torch.ones(1), torch.ones(1)))


def cases_non_saturating_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw logits near 0 and far from it; the generator must learn from each."""
    for stage, batch, scale in (
        ("other logits", 6, 2.0),
        ("a batch of 1", 1, 2.0),
        ("logits far from 0", 6, 100.0),
    ):
        yield Case(stage, ((scale * normal(rng, batch)).requires_grad_(),))


def cases_gan_round(rng: torch.Generator) -> Iterator[Case]:
    """Draw pairs of small networks, which a round must leave as the solution does."""

    def players(noise_size: int, width: int, batch: int, seed: int) -> tuple:
        own = torch.Generator().manual_seed(seed)
        generator = perceptron(own, noise_size, 4, width)
        generator.noise_size = noise_size
        discriminator = nn.Sequential(perceptron(own, width, 4, 1), nn.Flatten(0))
        steps = [torch.optim.Adam(x.parameters(), 0.01) for x in (generator, discriminator)]
        return generator, discriminator, *steps, normal(own, batch, width)

    for stage, *sizes in (
        ("other networks", 2, 2, 6),
        ("other networks", 5, 3, 4),
        ("a batch of 1", 1, 2, 1),
    ):
        seed = int(whole(rng, 10**6))
        yield Case(stage, partial(players, *sizes, seed))


def cases_count_modes(rng: torch.Generator) -> Iterator[Case]:
    """Draw points about a few centres; some lie exactly at the radius."""
    for stage, modes, points, least in (
        ("other points", 3, 12, 2),
        ("other points", 7, 30, 3),
        ("other points", 4, 9, 1),
        ("one centre", 1, 5, 2),
        ("one point", 3, 1, 1),
    ):
        centres = 4 * torch.stack([torch.arange(modes), whole(rng, 3, modes)], 1).float()
        about = centres[whole(rng, modes, points)] + 0.6 * normal(rng, points, 2)
        yield Case(stage, (about, centres, 0.7, least))
    centres = torch.tensor([[0.0, 0.0], [8.0, 0.0]])
    edge = torch.tensor([[0.5, 0.0], [8.0, -0.5], [8.0, 0.25], [8.0, 0.75]])
    yield Case("points exactly at the radius", (edge, centres, 0.5, 2))
    yield Case("points exactly at the radius", (edge, centres, 0.5, 1))


def cases_r1(rng: torch.Generator) -> Iterator[Case]:
    """Draw small critics and points."""
    for stage, batch in (("other critics", 5), ("other critics", 2), ("a batch of 1", 1)):
        critic = nn.Sequential(perceptron(rng, 2, 4, 1), nn.Flatten(0))
        yield Case(stage, (critic, normal(rng, batch, 2)), 1e-3)


EXERCISES = (
    Exercise(
        "04.1",
        check_optimal_discriminator,
        (
            "Section 2 has the formula; it holds at each point separately.",
            "Where p + q = 0 the division gives nan. torch.where chooses between two results.",
            "torch.where(p + q > 0, p / (p + q), 0.5)",
        ),
        optimal_discriminator,
        "the best discriminator knows nothing but the two densities",
        cases=cases_optimal_discriminator,
        why="of all that is shown at a point, the share p / (p + q) is real",
    ),
    Exercise(
        "04.2",
        check_jensen_shannon,
        (
            "First m = (p + q) / 2. Then twice the same sum: Σ p log(p / m).",
            "Where p is 0 its term is 0, but torch computes 0 · log 0 = nan.",
            "torch.xlogy(x, y) is x log y, and 0 where x is 0; nansum leaves nan out:\n"
            "0.5 * (torch.xlogy(p, p / m).nansum() + torch.xlogy(q, q / m).nansum())",
        ),
        jensen_shannon,
        "0 for equal distributions, log 2 for those that share no point",
        cases=cases_jensen_shannon,
        why="m is above 0 wherever p or q is, so each logarithm that counts is finite",
    ),
    Exercise(
        "04.3",
        check_non_saturating_loss,
        (
            "With D = sigmoid(l) = 1 / (1 + e^(−l)), what is −log D?",
            "−log D = log(1 + e^(−l)). torch.nn.functional has a function log(1 + eˣ).",
            "Then the mean:\nsoftplus(-fake_logits).mean()",
        ),
        non_saturating_loss,
        "finite for every logit, and strongest where the fake is found out",
        cases=cases_non_saturating_loss,
        why="−log σ(l) = log(1 + e^(−l)) = softplus(−l), which never rounds σ(l) to 0 first",
    ),
    Exercise(
        "04.4",
        check_gan_round,
        (
            "Two halves, D's and G's. Each: noise, fakes, the loss, zero_grad(), backward(), "
            "step() of one optimizer.",
            "In D's half no gradient may reach G: generator(noise).detach(). In G's half the "
            "gradient goes through D, but only g_optimizer takes a step.",
            "D's half; G's is shorter, with generator_loss(discriminator(generator(noise))):\n"
            "d_loss = discriminator_loss(discriminator(real), discriminator(fake))",
        ),
        gan_round,
        "it has learnt a distribution whose mean and spread nobody wrote down",
        cases=cases_gan_round,
        why="D's fakes are detached, so its step leaves G alone; G's step goes through the new D, "
        "and zero_grad clears what it leaves there",
    ),
    Exercise(
        "04.5",
        check_count_modes,
        (
            "torch.cdist(points, centres) has shape (points, centres). Each point belongs to its "
            "nearest centre.",
            "`distance, nearest = table.min(1)`; good points have distance <= radius.",
            "torch.bincount counts the good points of each centre:\n"
            "counts = torch.bincount(nearest[good], minlength=len(centres))",
        ),
        count_modes,
        "two numbers, because either alone can be had for nothing",
        cases=cases_count_modes,
        why="each point belongs to its nearest centre alone, so no point counts twice",
    ),
    Exercise(
        "04.6",
        check_r1,
        (
            "You need the gradient with respect to the input: real.detach().requires_grad_(True).",
            "torch.autograd.grad(critic(real).sum(), real, create_graph=True) returns a tuple "
            "with one tensor, a gradient for each point.",
            "½ times the mean over the points of the sum of squares over the coordinates:\n"
            "0.5 * gradient.square().sum(1).mean()",
        ),
        r1,
        "a gradient of a gradient: the penalty can itself be learnt from",
        cases=cases_r1,
        why="points do not mix, so the gradient of the sum holds each point's own; create_graph"
        " keeps its graph",
    ),
)
