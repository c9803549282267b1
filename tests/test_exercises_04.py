"""Exercises of notebook 04: plausible wrong answers are named, right ones accepted."""

import math

import torch
from exercise_cases import exercise_tests
from torch.func import grad, vmap
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from dqngan_lib.exercises.notebook_04 import EXERCISES
from dqngan_lib.gan.losses import discriminator_loss, generator_loss

# Exercise 04.1 ------------------------------------------------------------------------------------


def _optimal_by_loop(p, q):
    pairs = zip(p.tolist(), q.tolist(), strict=True)
    return torch.tensor([a / (a + b) if a + b > 0 else 0.5 for a, b in pairs])


OPTIMAL_WRONG = {
    "where the *real* are": lambda p, q: torch.nan_to_num(q / (p + q), nan=0.5),
    "must be 0.5": lambda p, q: p / (p + q),
    "the ratio p / q": lambda p, q: p / q,
    "this is the logit": lambda p, q: torch.log(p / q),
    "this is p − q": lambda p, q: p - q,
    "this is a verdict": lambda p, q: (p >= q).float(),
    "at point 0": lambda p, q: torch.sigmoid(p - q),
    "must have shape": lambda p, q: (p / (p + q)).mean(),
    "`return` missing": lambda p, q: print(end=""),
}
OPTIMAL_RIGHT = (
    _optimal_by_loop,
    lambda p, q: torch.nan_to_num(p / (p + q), nan=0.5),
    lambda p, q: torch.nan_to_num(torch.sigmoid(torch.log(p) - torch.log(q)), nan=0.5),
)

# Exercise 04.2 ------------------------------------------------------------------------------------


def _kl(p, q):
    return torch.where(p > 0, p * torch.log(p / q), 0.0).sum()


def _jsd(p, q):
    m = (p + q) / 2
    return (_kl(p, m) + _kl(q, m)) / 2


def _with_nan(p, q):
    m = (p + q) / 2
    return 0.5 * (p * torch.log(p / m)).sum() + 0.5 * (q * torch.log(q / m)).sum()


def _by_entropies(p, q):
    def entropy(x):
        return torch.special.entr(x).sum()

    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def _by_the_game(p, q):
    d = p / (p + q)
    value = torch.where(p > 0, p * torch.log(d), 0.0) + torch.where(q > 0, q * torch.log1p(-d), 0.0)
    return (value.sum() + math.log(4)) / 2


JENSEN_WRONG = {
    "factor ½ is missing": lambda p, q: 2 * _jsd(p, q),
    "this is KL(p ‖ q)": _kl,
    "this is KL(q ‖ p)": lambda p, q: _kl(q, p),
    "not with each other": lambda p, q: (_kl(p, q) + _kl(q, p)) / 2,
    "in bits": lambda p, q: _jsd(p, q) / math.log(2),
    "square root": lambda p, q: _jsd(p, q).sqrt(),
    "KL(p ‖ m) alone": lambda p, q: _kl(p, (p + q) / 2),
    "half of KL(q ‖ m) is missing": lambda p, q: _kl(p, (p + q) / 2) / 2,
    "the sign is wrong": lambda p, q: -_jsd(p, q),
    "do not take the mean": lambda p, q: _jsd(p, q) / len(p),
    "let 0 · log 0 be 0": _with_nan,
    "is m the mean": lambda p, q: 0.5 * (_kl(p, p + q) + _kl(q, p + q)),
    "one number": lambda p, q: torch.zeros(3),
}
JENSEN_RIGHT = (_jsd, _by_entropies, _by_the_game, lambda p, q: _jsd(p, q).item())

# Exercise 04.3 ------------------------------------------------------------------------------------

LOSS_WRONG = {
    "Never take the logarithm of a sigmoid": lambda x: -torch.log(torch.sigmoid(x)).mean(),
    "mean over the batch, not the sum": lambda x: softplus(-x).sum(),
    "the sign is wrong": lambda x: logsigmoid(x).mean(),
    "this is the saturating loss": lambda x: -softplus(x).mean(),
    "the discriminator's loss on fakes": lambda x: softplus(x).mean(),
    "hinge or Wasserstein": lambda x: -x.mean(),
    "has no gradient": lambda x: softplus(-x).mean().detach(),
    "the loss must have shape": lambda x: softplus(-x),
    "A clamp cuts the gradient off": lambda x: (
        softplus(-x).mean() - torch.relu(-x - 20).mean() + torch.relu(-x - 20).mean().detach()
    ),
    "for logits 0, 2, −1": lambda x: -torch.log(x.abs() + 1).mean(),
}
LOSS_RIGHT = (
    lambda x: -logsigmoid(x).mean(),
    lambda x: binary_cross_entropy_with_logits(x, torch.ones_like(x)),
    lambda x: torch.logaddexp(torch.zeros_like(x), -x).sum() / len(x),
)

# Exercise 04.4 ------------------------------------------------------------------------------------


def _round(
    g,
    d,
    g_step,
    d_step,
    real,
    *,
    order="DG",
    kind="non-saturating",
    flip=False,
    clear="DG",
    detach=True,
    steps="DG",
    sign=1,
    noise=None,
    fake=None,
    losses=lambda d_loss, g_loss: (d_loss.item(), g_loss.item()),
    also_d=False,
):
    """Play a round with one piece of it changed."""

    def made():
        z = torch.randn(len(real), g.noise_size) if noise is None else noise
        return g(z) if fake is None else fake

    found = {}
    for player in order:
        if player == "D":
            fakes = made()
            pair = d(real), d(fakes.detach() if detach else fakes)
            loss = discriminator_loss(*(pair[::-1] if flip else pair))
        else:
            loss = sign * generator_loss(d(made()), kind)
        if player in clear:
            (d_step if player == "D" else g_step).zero_grad()
        loss.backward()
        if player in steps:
            (d_step if player == "D" else g_step).step()
        if player == "G" and also_d:
            d_step.step()
        found[player] = loss
    return losses(found["D"], found["G"])


def _same_noise(g, d, gs, ds, real):
    return _round(g, d, gs, ds, real, noise=torch.randn(len(real), g.noise_size))


def _same_fakes(g, d, gs, ds, real):
    fake = g(torch.randn(len(real), g.noise_size))
    return _round(g, d, gs, ds, real, fake=fake)


def _fakes_before(g, d, gs, ds, real):
    """Judge G's fakes before D has learnt."""
    z = torch.randn(len(real), g.noise_size)
    g_loss = generator_loss(d(g(torch.randn(len(real), g.noise_size))))
    slope = torch.autograd.grad(g_loss, list(g.parameters()))
    d_loss = discriminator_loss(d(real), d(g(z).detach()))
    ds.zero_grad()
    d_loss.backward()
    ds.step()
    for weights, gradient in zip(g.parameters(), slope, strict=True):
        weights.grad = gradient
    gs.step()
    return d_loss.item(), g_loss.item()


def _one_number_of_noise(g, d, gs, ds, real):
    return _round(g, d, gs, ds, real, noise=torch.randn(len(real), 1))


def _loss_afterwards(g, d, gs, ds, real):
    _round(g, d, gs, ds, real)
    with torch.no_grad():
        fake = g(torch.randn(len(real), g.noise_size))
        return discriminator_loss(d(real), d(fake)).item(), generator_loss(d(fake)).item()


def _tires(g, d, gs, ds, real):
    """Learn from small batches alone."""
    if len(real) < 100:
        return _round(g, d, gs, ds, real)
    return 0.0, 0.0


ROUND_WRONG = {
    "return two numbers": lambda *a: _round(*a)[0],
    "still has its graph": lambda *a: _round(*a, losses=lambda d, g: (d, g)),
    "no weight has moved": lambda *a: _round(*a, steps=""),
    "D has not moved": lambda *a: _round(*a, steps="G"),
    "G has not moved": lambda *a: _round(*a, steps="D"),
    "wrong way round": lambda *a: _round(*a, flip=True),
    "D's weight should be": lambda *a: _round(*a, also_d=True),
    "learns from the old D": _fakes_before,
    "minimax loss": lambda *a: _round(*a, kind="minimax"),
    "down the slope of D": lambda *a: _round(*a, sign=-1),
    "left a gradient in G": lambda *a: _round(*a, detach=False, clear="D"),
    "G's weight should be": lambda *a: _round(*a, sign=2),
    "the second is not": lambda *a: _round(*a, clear="G"),
    "draw new noise": _same_noise,
    "the noise, (batch, noise_size)": _one_number_of_noise,
    "before its step": _loss_afterwards,
    "250 of them do not learn": _tires,
}


def _round_frozen(generator, discriminator, g_optimizer, d_optimizer, real):
    """Hold each player still while the other learns, as the package does."""
    discriminator.requires_grad_(True)
    with torch.no_grad():
        fake = generator(torch.randn(real.shape[0], generator.noise_size))
    d_loss = -(logsigmoid(discriminator(real)).mean() + logsigmoid(-discriminator(fake)).mean())
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    discriminator.requires_grad_(False)
    g_loss = -logsigmoid(discriminator(generator(torch.randn(len(real), generator.noise_size))))
    g_optimizer.zero_grad()
    g_loss.mean().backward()
    g_optimizer.step()
    discriminator.requires_grad_(True)
    return [d_loss.item(), g_loss.mean().item()]


def _round_by_entropy(generator, discriminator, g_optimizer, d_optimizer, real):
    """Clear everything first, and let no gradient flow further than it must."""
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
    fake = generator(torch.randn(len(real), generator.noise_size))
    for optimizer in (g_optimizer, d_optimizer):
        optimizer.zero_grad()
    d_loss = binary_cross_entropy_with_logits(discriminator(real), ones)
    d_loss = d_loss + binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros)
    d_loss.backward()
    d_optimizer.step()
    fake = generator(torch.randn(len(real), generator.noise_size))
    g_loss = binary_cross_entropy_with_logits(discriminator(fake), ones)
    g_loss.backward()
    g_optimizer.step()
    return d_loss.detach().numpy(), g_loss.item()


# Exercise 04.5 ------------------------------------------------------------------------------------


def _counts(distance, nearest, good, centres, least):
    found = sum(int((nearest[good] == k).sum()) >= least for k in range(len(centres)))
    return found, good.sum().item() / len(good)


def _count(points, centres, radius, least, *, square=False, ignore=False, more=False, one=False):
    distance, nearest = torch.cdist(points, centres).min(1)
    good = (distance**2 if square else distance) <= radius
    of_modes = torch.ones_like(good) if ignore else good
    found = sum(
        int((nearest[of_modes] == k).sum()) >= (1 if one else least) + more
        for k in range(len(centres))
    )
    return found, good.float().mean().item()


def _share_of_found(points, centres, radius, least):
    distance, nearest = torch.cdist(points, centres).min(1)
    good = distance <= radius
    counts = torch.bincount(nearest[good], minlength=len(centres))
    return int((counts >= least).sum()), counts[counts >= least].sum().item() / len(points)


def _scaled(factor):
    def answer(*arguments):
        modes, share = _count(*arguments)
        return modes, share * factor(arguments[0])

    return answer


def _count_by_loop(points, centres, radius, least):
    counts, good = [0] * len(centres), 0
    for point in points:
        distances = [(point - centre).norm().item() for centre in centres]
        if min(distances) <= radius:
            counts[distances.index(min(distances))] += 1
            good += 1
    return sum(count >= least for count in counts), good / len(points)


def _count_by_difference(points, centres, radius, least):
    close_to = ((points[:, None] - centres) ** 2).sum(2) <= radius**2
    return (close_to.sum(0) >= least).sum(), close_to.any(1).float().mean()


COUNT_WRONG = {
    "not its square": lambda *a: _count(*a, square=True),
    "not one:": lambda *a: _count(*a, more=True),
    "not three:": lambda *a: _count(*a, one=True),
    "not four:": lambda *a: _count(*a, ignore=True),
    "not six:": lambda *a: (6, _count(*a)[1]),
    "divided by the number": _scaled(len),
    "not in per cent": _scaled(lambda _: 100),
    "even if its mode is not found": _share_of_found,
    "6 of our 10 points": _scaled(lambda _: 0.5),
    "return two things": lambda *a: _count(*a)[0],
    "when no point is good": lambda *a: (_count(*a)[0], max(_count(*a)[1], 0.1)),
}

# Exercise 04.6 ------------------------------------------------------------------------------------


def _gradient(critic, real, mean=False, create_graph=True):
    real = real.detach().requires_grad_(True)
    output = critic(real).mean() if mean else critic(real).sum()
    return torch.autograd.grad(output, real, create_graph=create_graph)[0]


def _r1(critic, real, **how):
    return 0.5 * _gradient(critic, real, **how).square().sum(1).mean()


def _r1_by_func(critic, real):
    slope = vmap(grad(lambda x: critic(x[None])[0]))
    return 0.5 * slope(real).square().sum(1).mean()


def _leaves_traces(critic, real):
    real.requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return 0.5 * gradient.square().sum(1).mean()


def _half_the_gradient(critic, real):
    penalty = _r1(critic, real)
    return penalty / 2 + penalty.detach() / 2


def _r1_by_functional(critic, real):
    rows = [_gradient(critic, row[None])[0] for row in real]
    return torch.stack(rows).pow(2).sum() / (2 * len(real))


R1_WRONG = {
    "the factor ½ is missing": lambda c, x: 2 * _r1(c, x),
    "mean over the batch, not the sum": lambda c, x: 3 * _r1(c, x),
    "½ and the mean": lambda c, x: 6 * _r1(c, x),
    "½ E[‖∇l‖]": lambda c, x: 0.5 * _gradient(c, x).norm(dim=1).mean(),
    "and take half": lambda c, x: _gradient(c, x).norm(dim=1).mean(),
    "over the two coordinates": lambda c, x: 0.5 * _gradient(c, x).square().mean(),
    "differentiate the *sum*": lambda c, x: _r1(c, x, mean=True),
    "(‖∇l‖ − 1)²": lambda c, x: (_gradient(c, x).norm(dim=1) - 1).square().mean(),
    "penalises the outputs": lambda c, x: 0.5 * c(x).square().mean(),
    "needs create_graph=True": lambda c, x: _r1(c, x, create_graph=False),
    "with respect to the critic's weights not": _half_the_gradient,
    "changes `real` itself": _leaves_traces,
    "the penalty must have shape": lambda c, x: _gradient(c, x).square().sum(1),
    "on our critic it is 26/3": lambda c, x: 7 * _r1(c, x),
}
R1_RIGHT = (
    _r1_by_functional,
    lambda c, x: 0.5 * _gradient(c, x).norm(dim=1).pow(2).mean(),
    lambda c, x: (_gradient(c, x) ** 2).sum() / (2 * len(x)),
)

WRONG = {
    "04.1": OPTIMAL_WRONG,
    "04.2": JENSEN_WRONG,
    "04.3": LOSS_WRONG,
    "04.4": ROUND_WRONG,
    "04.5": COUNT_WRONG,
    "04.6": R1_WRONG,
}
RIGHT = {
    "04.1": OPTIMAL_RIGHT,
    "04.2": JENSEN_RIGHT,
    "04.3": LOSS_RIGHT,
    "04.4": (_round_frozen, _round_by_entropy),
    "04.5": (_count_by_loop, _count_by_difference),
    "04.6": (*R1_RIGHT, _r1_by_func),
}

TestExercises04 = exercise_tests(EXERCISES, WRONG, RIGHT)
