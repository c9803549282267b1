"""Exercises of notebook 09: tokens, the prefix discriminator, its targets, chances, both losses."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid, softplus

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    name_mistake,
    normal,
    whole,
)


def nearest_patches(patches: Tensor, codebook: Tensor) -> Tensor:
    """Return the number of the codebook's nearest patch for each patch."""
    differences = patches[:, None] - codebook[None]
    return differences.square().sum(2).argmin(1)


def check_nearest_patches(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with five patches worked by hand, then with random ones, one at a time."""
    codebook = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.9], [0.5, 0.5]])
    patches = torch.tensor([[0.1, 0.1], [0.9, 0.8], [0.1, 0.88], [0.3, 0.5], [0.2, 0.6]])
    given = answer(patches.clone(), codebook.clone())
    if isinstance(given, Tensor) and given.is_floating_point():
        if tuple(given.shape) == (5, 2):
            raise Wrong("return the numbers of the patches, not the patches themselves")
        if tuple(given.shape) in ((5, 4), (5,)):
            raise Wrong("return the number of the nearest patch (argmin), not the distances")
    if isinstance(given, Tensor) and tuple(given.shape) == (4,):
        raise Wrong("for each patch look through the codebook, not the other way round: argmin(1)")
    given = expect_tensor(given, (5,), "the tokens").tolist()
    # By hand: squared distances of the last to the four: 0.40, 0.80, 0.13, 0.10.
    right = [0, 1, 2, 3, 3]
    known = {
        (1, 0, 1, 1, 1): "these are the farthest patches: take the least distance",
        (1, 1, 1, 1, 1): "a dot product prefers bright patches: use |x − c|²",
        (0, 1, 3, 2, 2): "this compares the ink of patches (their mean): compare pixel by pixel",
        (1, 2, 3, 4, 4): "count from 0: the first patch of the codebook is number 0",
    }
    if given != right:
        message = known.get(tuple(given))
        raise Wrong(message or f"on our five patches the tokens are {right}, yours are {given}")
    rng = torch.Generator().manual_seed(0)
    patches, codebook = (torch.rand(count, 16, generator=rng) for count in (40, 9))
    given = expect_tensor(answer(patches.clone(), codebook.clone()), (40,), "the tokens")
    expected = [min(range(9), key=lambda k: (x - codebook[k]).norm().item()) for x in patches]
    if given.tolist() == torch.cdist(patches, codebook, p=1).argmin(1).tolist():
        raise Wrong("these are sums of absolute differences; use squares, |x − c|²")
    if given.tolist() != expected:
        raise Wrong(
            "with 16 pixels a patch some tokens are not those of the nearest patch. Do you sum the "
            "squares over all pixels?"
        )


def prefix_loss(
    real_logits: Tensor, real_action: Tensor, fake_logits: Tensor, fake_action: Tensor
) -> Tensor:
    """Return the discriminator's loss over all prefixes, for the actions taken."""
    real = real_logits.gather(1, real_action.unsqueeze(1))
    fake = fake_logits.gather(1, fake_action.unsqueeze(1))
    return -logsigmoid(real).mean() - logsigmoid(-fake).mean()


def check_prefix_loss(answer: Callable[..., Tensor]) -> None:
    """Compare with a case by hand, with numbers far from 0, and with episodes of unequal count."""
    rng = torch.Generator().manual_seed(1)
    real_logits = torch.randn(3, 4, 2, generator=rng)
    fake_logits = torch.randn(5, 4, 2, generator=rng)
    real_action = torch.randint(4, (3, 2), generator=rng)
    fake_action = torch.randint(4, (5, 2), generator=rng)
    batch = (real_logits, real_action, fake_logits, fake_action)
    given = expect_number(answer(*(part.clone() for part in batch)), "the loss")

    def loss(real: list[float], fake: list[float]) -> float:
        real_part = sum(math.log1p(math.exp(-x)) for x in real) / len(real)
        return real_part + sum(math.log1p(math.exp(x)) for x in fake) / len(fake)

    real = [real_logits[i, real_action[i, t], t].item() for i in range(3) for t in range(2)]
    fake = [fake_logits[i, fake_action[i, t], t].item() for i in range(5) for t in range(2)]
    expected = loss(real, fake)
    swapped = loss([-x for x in real], [-x for x in fake])
    everything = loss(real_logits.flatten().tolist(), fake_logits.flatten().tolist())
    fake_saved = sum(math.log1p(math.exp(-x)) for x in fake) / len(fake)  # −log σ(f), the mean
    sums = sum(math.log1p(math.exp(-x)) for x in real) + sum(math.log1p(math.exp(x)) for x in fake)
    known = {
        swapped: "real and fake are swapped: the logit of a real action should rise",
        everything: "only the action taken is known to be real or fake: gather its logit first",
        loss(real[1::2], fake[1::2]): "every prefix counts, not the finished picture alone",
        expected / 2: "add the two means; here nothing is halved",
        sums: "take means over episodes and steps, not sums",
        sums / 16: "one mean for the real and one for the fake actions, then add them",
        loss(real, [0.0]) - math.log(2) - fake_saved: "for fakes the loss "
        "is −log(1 − σ(f)) = −log σ(−f); yours adds log σ(f), which does not end at 0",
        -expected: "the sign is wrong: a loss is to be made small",
        loss(real, [0.0]) - math.log(2): "the fake actions are missing from your loss",
    }
    if not close(given, expected):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"on our batch the loss is {expected:.4g}, yours is {given:.4g}")
    far = (torch.full((1, 2, 1), -200.0), torch.zeros(1, 1, dtype=torch.long))
    given = expect_number(answer(*far, *far), "the loss")
    if not math.isfinite(given):
        raise Wrong("for a logit of −200 your loss is not finite: use logsigmoid, not log(sigmoid)")
    if not close(given, 200.0):
        raise Wrong(f"one real and one fake action with the logit −200 give 200, not {given:.4g}")


def all_action_target(log_q: Tensor, f: Tensor) -> Tensor:
    """Return log p(·|s) = log softmax(log q + f) for all actions."""
    return log_softmax(log_q + f, 1)


def check_all_action_target(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Recover a known p from q and f, with a number for each state that must cancel."""
    rng = torch.Generator().manual_seed(2)
    log_q = torch.randn(3, 5, 4, generator=rng).log_softmax(1)
    log_p = torch.randn(3, 5, 4, generator=rng).log_softmax(1)
    state = torch.randn(3, 1, 4, generator=rng)
    f = log_p - log_q + state
    given = expect_tensor(answer(log_q.clone(), f.clone()), (3, 5, 4), "the target").detach()
    known = (
        (log_p.exp(), "return logarithms: yours are the probabilities themselves"),
        (log_q + f, "normalise over the actions: e to the power of your target does not sum to 1"),
        (log_softmax(f, 1), "log q is missing: f says only how p differs from q"),
        (log_softmax(log_q + f, 2), "normalise over the actions, dimension 1, not over the steps"),
        (log_softmax(log_q + f, 0), "normalise over the actions, dimension 1, not over the batch"),
        (log_softmax(f - log_q, 1), "log q is added, not taken off"),
        (log_softmax(log_q - f, 1), "f is added, not taken off: it is large where p is above q"),
        (log_softmax(log_q.exp() + f, 1), "add log q, not q"),
        (log_q, "f is missing: your target is the sampler as it is"),
    )
    if not close(given, log_p):
        message = next((text for value, text in known if close(given, value)), None)
        if message is None and not close(given.exp().sum(1), torch.ones(3, 4)):
            message = "normalise over the actions: e to the power of your target does not sum to 1"
        raise Wrong(message or "the target is not log p, although f is log p − log q + a constant")


def picture_log_probability(q_values: Tensor, action: Tensor) -> Tensor:
    """Return log q(x) = Σ log softmax(Q)[a] of each picture."""
    log_q = log_softmax(q_values, 1)
    return log_q.gather(1, action.unsqueeze(1)).squeeze(1).sum(1)


def check_picture_log_probability(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with two pictures by hand, then check that all pictures together have chance 1."""
    chances = torch.tensor([[[0.5, 0.25], [0.25, 0.25], [0.25, 0.5]]]).repeat(2, 1, 1)
    q_values = chances.log() + torch.tensor([[[1.0, 3.0]], [[-2.0, 0.5]]])
    action = torch.tensor([[0, 2], [1, 2]])
    given = expect_tensor(answer(q_values.clone(), action), (2,), "log q").detach()
    expected = torch.tensor([0.25, 0.125]).log()
    sums = q_values.gather(1, action[:, None]).sum((1, 2))
    below = q_values - q_values.amax(1, keepdim=True)
    wrong_way = log_softmax(q_values, 2).gather(1, action[:, None]).sum((1, 2))
    known = (
        (expected.exp(), "return the logarithm: yours is the probability itself"),
        (expected / 2, "add the steps, do not average them: chances are multiplied"),
        (sums, "V is missing: log q(a|s) = Q(s, a) − log Σ e^Q"),
        (torch.tensor([0.5, 0.5]).log(), "every step counts, not the last alone"),
        (below.gather(1, action[:, None]).sum((1, 2)), "V is log Σ e^Q, not the greatest Q"),
        (wrong_way, "the softmax goes over the actions, dimension 1, not over the steps"),
        (-expected, "the sign is wrong: the logarithm of a chance is at most 0"),
    )
    if not close(given, expected):
        message = next((text for value, text in known if close(given, value)), None)
        raise Wrong(
            message or f"our two pictures have log q {expected.tolist()}, yours {given.tolist()}"
        )
    values = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(3)).repeat(9, 1, 1)
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    total = expect_tensor(answer(values, every), (9,), "log q").detach().exp().sum().item()
    if not close(total, 1.0):
        raise Wrong(
            f"nine pictures of two steps are all there are: their chances sum to {total:.4g}, not 1"
        )


def both_losses(
    real_f: Tensor,
    real_log_q: Tensor,
    real_action: Tensor,
    own_f: Tensor,
    own_log_q: Tensor,
    own_q_values: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return a round's two losses: the discriminator's in real states, Q's in its own."""
    real = softplus(-real_f.gather(1, real_action.unsqueeze(1))).mean()
    fake = (real_log_q.exp() * softplus(real_f)).sum(1).mean()  # all that the sampler might do
    target = log_softmax(own_log_q + own_f, 1).detach()
    policy = log_softmax(own_q_values, 1)
    return real + fake, (target.exp() * (target - policy)).sum(1).mean()


def check_both_losses(answer: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Compare both losses by hand, then let them play a game whose answer is known."""
    q, p = torch.tensor([0.2, 0.4, 0.4]), torch.tensor([0.6, 0.3, 0.1])
    f, log_q = (p / q).log().view(1, 3, 1), q.log().view(1, 3, 1)
    own_f, action = f.clone().requires_grad_(), torch.zeros(1, 1, dtype=torch.long)
    result = answer(f.clone(), log_q.clone(), action, own_f, log_q.clone(), torch.zeros(1, 3, 1))
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("return two losses: the discriminator's, then the Q-network's")
    judge, learn = (expect_number(loss, "a loss") for loss in result)
    # By hand: log(4/3) for the real patch; 0.2 log 4 + 0.4 log 1.75 + 0.4 log 1.25 for the fakes.
    real, each = math.log(4 / 3), (1 + p / q).log()
    fake = (q * each).sum().item()
    losses = {
        "the fakes are missing: all that the sampler might do, each with its q": real,
        "the real patch is missing from the discriminator's loss": fake,
        "weight each patch of the fakes with q; yours count all alike": real + each.mean().item(),
        "weight each patch of the fakes with q; yours are only added": real + each.sum().item(),
        "add the two parts of the discriminator's loss, do not halve them": (real + fake) / 2,
        "sum over the patches: the weights q add up to 1 already": real + fake / 3,
        "the weights are q = e^log q, not log q": real + (q.log() * each).sum().item(),
        "real and fake are swapped: the logit of a real patch should rise": (
            math.log(4) + (q * (1 + q / p).log()).sum().item()
        ),
    }
    if not close(judge, real + fake):
        text = f"by hand the discriminator's loss is {real + fake:.4f}; yours is {judge:.4f}"
        name_mistake(judge, losses, text)
    kl, log_f = (p * (p * 3).log()).sum().item(), (p / q).log()
    losses = {
        "this is the cross-entropy: log p̂ of the target is missing": math.log(3),
        "the KL goes from the target to the policy; yours goes the other way": (
            -(3 * p).log().mean().item()
        ),
        "log q is missing from the target": _kl_to_equal(log_f),
        "f is missing from the target": _kl_to_equal(q.log()),
        "f is added to log q, not taken off": _kl_to_equal(q.log() - log_f),
        "sum over the patches, do not average: p̂ adds up to 1 already": kl / 3,
        "the sign of the Q-network's loss is wrong: a distance is at least 0": -kl,
    }
    if not close(learn, kl):
        name_mistake(learn, losses, f"by hand the KL of Q is {kl:.4f}; yours is {learn:.4f}")
    if isinstance(result[1], Tensor) and result[1].requires_grad:
        raise Wrong("the Q-network's loss moves the discriminator: detach the target")
    gap = _play_small_game(answer)
    if gap > 0.15:
        raise Wrong(
            "by hand all is right, but 100 rounds on pictures of two patches leave q at a total "
            f"variation of {gap:.2f} from the data"
        )


def _kl_to_equal(values: Tensor) -> float:
    """Return KL(softmax(values) ‖ equal chances)."""
    target = values.softmax(0)
    return (target * (target * len(target)).log()).sum().item()


def _play_small_game(losses: Callable[..., tuple[Tensor, Tensor]]) -> float:
    """Train tables with an answer's losses; return the total variation from known data.

    A picture is two patches out of three: four states, the empty canvas and one for each first
    patch. No network is needed, and all nine pictures can be counted.
    """
    rng = torch.Generator().manual_seed(0)
    first = torch.tensor([0.6, 0.3, 0.1])
    second = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]])
    data = (first[:, None] * second).flatten()
    f, q_values = (torch.zeros(4, 3, requires_grad=True) for _ in range(2))
    adams = [torch.optim.Adam([table], 0.15, betas=(0.5, 0.99)) for table in (f, q_values)]
    sampler = torch.zeros(4, 3)

    def states(pictures: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(pictures), 1 + pictures // 3], 1)  # (n, 2)

    for _ in range(100):
        log_q = sampler.log_softmax(1)
        chance = (log_q[0].exp()[:, None] * log_q[1:].exp()).flatten()
        real, own = (torch.multinomial(p, 64, True, generator=rng) for p in (data, chance))
        seen, met = states(real), states(own)
        rows = [table[at].mT for at in (seen, met) for table in (f, log_q)]  # (64, 3, 2) each
        action = torch.stack([real // 3, real % 3], 1)
        pair = losses(rows[0], rows[1], action, rows[2].detach(), rows[3], q_values[met].mT)
        for adam, loss in zip(adams, pair, strict=True):
            adam.zero_grad()
            loss.backward()
            adam.step()
        sampler.lerp_(q_values.detach(), 0.2)
    made = sampler.softmax(1)
    return 0.5 * ((made[0][:, None] * made[1:]).flatten() - data).abs().sum().item()


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_nearest_patches(rng: torch.Generator) -> Iterator[Case]:
    """Draw patches and codebooks of several sizes."""
    for stage, patches, size, pixels in (
        ("other sizes", 7, 4, 5),
        ("other sizes", 3, 9, 2),
        ("sizes that are equal", 4, 4, 4),
        ("one patch", 1, 5, 4),
        ("a codebook of one", 3, 1, 4),
    ):
        yield Case(stage, (normal(rng, patches, pixels), normal(rng, size, pixels)))
    codebook = normal(rng, 5, 4)
    yield Case("patches of the codebook", (codebook[[3, 0, 4]], codebook))


def cases_prefix_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw logits and actions; the discriminator must learn from both parts."""
    for stage, real, fake, actions, steps, scale in (
        ("other sizes", 4, 2, 3, 5, 1.0),
        ("other sizes", 2, 6, 5, 3, 1.0),
        ("sizes that are equal", 3, 3, 3, 3, 1.0),
        ("one episode of one step", 1, 1, 4, 1, 1.0),
        ("logits far from 0", 3, 2, 3, 2, 200.0),
    ):
        arguments = []
        for count in (real, fake):
            logits = scale * normal(rng, count, actions, steps)
            arguments += [logits.requires_grad_(), whole(rng, actions, count, steps)]
        yield Case(stage, tuple(arguments))


def cases_all_action_target(rng: torch.Generator) -> Iterator[Case]:
    """Draw samplers and logits, near 0 and far from it."""
    for stage, batch, actions, steps, scale in (
        ("other sizes", 4, 2, 3, 1.0),
        ("sizes that are equal", 3, 3, 3, 1.0),
        ("one episode of one step", 1, 5, 1, 1.0),
    ):
        log_q = normal(rng, batch, actions, steps).log_softmax(1)
        yield Case(stage, (log_q, scale * normal(rng, batch, actions, steps)))


def cases_picture_log_probability(rng: torch.Generator) -> Iterator[Case]:
    """Draw Q-values and pictures of several sizes."""
    for stage, batch, actions, steps, scale in (
        ("other sizes", 4, 2, 3, 1.0),
        ("other sizes", 2, 5, 4, 1.0),
        ("sizes that are equal", 3, 3, 3, 1.0),
        ("one picture of one step", 1, 5, 1, 1.0),
        ("Q-values far from 0", 2, 3, 4, 200.0),
    ):
        q_values = scale * normal(rng, batch, actions, steps)
        yield Case(stage, (q_values, whole(rng, actions, batch, steps)))


def cases_both_losses(rng: torch.Generator) -> Iterator[Case]:
    """Draw logits of two sets of states; the second loss must leave the discriminator alone."""
    for stage, real, own, actions, steps in (
        ("other sizes", 4, 2, 3, 5),
        ("other sizes", 2, 5, 4, 3),
        ("sizes that are equal", 3, 3, 3, 3),
        ("one sentence of one step", 1, 1, 4, 1),
    ):
        arguments = []
        for count in (real, own):
            log_q = normal(rng, count, actions, steps).log_softmax(1)
            arguments += [normal(rng, count, actions, steps).requires_grad_(), log_q]
        arguments.insert(2, whole(rng, actions, real, steps))
        arguments.append(normal(rng, own, actions, steps).requires_grad_())
        yield Case(stage, tuple(arguments))


EXERCISES = (
    Exercise(
        "09.1",
        check_nearest_patches,
        (
            "The distance from a patch x to a codebook patch c is |x − c|², summed over pixels.",
            "patches[:, None] − codebook[None] has the shape (n, K, pixels): all differences.",
            "Square, sum over the last dimension, argmin(1):\n"
            "(patches[:, None] - codebook[None]).square().sum(2).argmin(1)",
        ),
        nearest_patches,
        "a picture is now a short list of whole numbers, and a DQN can choose whole numbers",
        cases=cases_nearest_patches,
        why="the nearest patch is the one with the least sum of squared differences",
    ),
    Exercise(
        "09.2",
        check_prefix_loss,
        (
            "Take the logit of the action taken first: gather in dimension 1, at every step.",
            "Real: −log σ(f). Fake: −log(1 − σ(f)) = −log σ(−f). One mean each, then the sum.",
            "torch.nn.functional.logsigmoid stays finite where log(sigmoid) does not:\n"
            "-logsigmoid(real).mean() - logsigmoid(-fake).mean()",
        ),
        prefix_loss,
        "sixteen questions a picture, not one: that is where the dense signal comes from",
        cases=cases_prefix_loss,
        why="only the actions taken were seen to be real or fake, and one mean each weighs both"
        " sides alike",
    ),
    Exercise(
        "09.3",
        check_all_action_target,
        (
            "If f = log p − log q, what is log q + f?",
            "f holds one more number for each state, the same for all actions. What removes it?",
            "log_softmax over dimension 1:\nlog_softmax(log_q + f, 1)",
        ),
        all_action_target,
        "all actions are taught at once, by a discriminator that only ever saw the ones taken",
        cases=cases_all_action_target,
        why="log q + f is log p plus a number that all actions of a state share; normalising "
        "takes it away",
    ),
    Exercise(
        "09.4",
        check_picture_log_probability,
        (
            "The chance of a picture is the product of the chances of its patches.",
            "log softmax(Q) over the actions gives log q(a|s); gather the actions taken.",
            "Sum over the steps:\nlog_q.gather(1, action.unsqueeze(1)).squeeze(1).sum(1)",
        ),
        picture_log_probability,
        "your Q-network can say how likely any picture is. The generator of a GAN cannot.",
        cases=cases_picture_log_probability,
        why="chances of choices one after the other multiply, so their logarithms add",
    ),
    Exercise(
        "09.5",
        check_both_losses,
        (
            "The first loss: softplus(−f) of the real patches; softplus(f) of all patches, each "
            "weighted by q.",
            "The second loss: the target is log_softmax(log q + f). No gradient may flow into f.",
            "KL(target ‖ policy) sums p̂ (log p̂ − log π) over the patches, dimension 1.",
            "Detach the target, and average over sentences and steps:\n"
            "(target.exp() * (target - policy)).sum(1).mean()",
        ),
        both_losses,
        "these two lines of mathematics are all that this generator learns from",
        cases=cases_both_losses,
        why="the discriminator learns log p/q where real sentences go; the Q-network is moved to "
        "log q + f where the sampler goes, and the discriminator is a constant there",
    ),
)
