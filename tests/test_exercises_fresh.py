"""Wrong answers as learners write them, ten a notebook, written without a look at the checks.

Each must be called wrong, with words that lead to its mistake. The lists in
`test_exercises_NN.py` were written beside the checks; these hold the checks to what they have not
been written for.
"""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid, mse_loss

from dqngan_lib.exercises import judge, stages

# 01 -----------------------------------------------------------------------------------------------


def return_stops_at_zero(rewards, discount):
    total, weight = 0.0, 1.0
    for reward in rewards:
        if reward == 0:
            break
        total += weight * reward
        weight *= discount
    return total


def return_of_first_and_rest(rewards, discount):
    return rewards[0] + discount * sum(rewards[1:])


def backup_with_abs(V, P, r, discount):
    return (r + discount * P @ V).abs().max(1).values


def backup_per_action(V, P, r, discount):
    return (r + discount * P @ V).max(0).values


def greedy_for_a_batch(q_values, epsilon, rng):
    if torch.rand(1, generator=rng) < epsilon:
        return torch.randint(q_values.shape[1], (len(q_values),), generator=rng)
    return q_values.argmax(1)


def greedy_without_rng(q_values, epsilon, rng):
    explore = torch.rand(len(q_values)) < epsilon
    return torch.where(
        explore, torch.randint(q_values.shape[1], (len(q_values),)), q_values.argmax(1)
    )


def greedy_with_its_own_rng(q_values, epsilon, rng):
    mine = torch.Generator().manual_seed(rng.initial_seed())
    explore = torch.rand(len(q_values), generator=mine) < epsilon
    anything = torch.randint(q_values.shape[1], (len(q_values),), generator=mine)
    return torch.where(explore, anything, q_values.argmax(1))


def update_stops_at_both(Q, s, a, r, s_next, terminated, truncated, learning_rate, discount):
    new = Q.clone()
    done = terminated or truncated
    target = r if done else r + discount * Q[s_next].max()
    new[s, a] = Q[s, a] + learning_rate * (target - Q[s, a])
    return new


def update_skips_terminal(Q, s, a, r, s_next, terminated, truncated, learning_rate, discount):
    new = Q.clone()
    if not terminated:
        new[s, a] += learning_rate * (r + discount * Q[s_next].max() - Q[s, a])
    return new


def evaluation_of_greedy(policy, P, r, discount):
    V = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(500):
        V = (r + discount * P @ V).max(1).values
    return V


# 02 -----------------------------------------------------------------------------------------------


def taken_detached(q_values, action):
    return q_values.detach()[torch.arange(len(action)), action]


def taken_squeezed(q_values, action):
    return q_values.gather(1, action.unsqueeze(1)).squeeze()


def targets_clamped(reward, terminated, truncated, next_q_values, discount):
    return reward + discount * next_q_values.max(1).values.clamp(min=0) * ~terminated


def targets_minus_bool(reward, terminated, truncated, next_q_values, discount):
    return reward + discount * next_q_values.max(1).values * (1 - terminated)


def targets_pair(reward, terminated, truncated, next_q_values, discount):
    return reward + discount * next_q_values.max(1) * ~terminated


def loss_with_max(q_network, target_network, batch, discount):
    with torch.no_grad():
        y = (
            batch["reward"]
            + discount
            * target_network(batch["next_observation"]).max(1).values
            * ~batch["terminated"]
        )
    return 0.5 * mse_loss(q_network(batch["observation"]).max(1).values, y)


def loss_double(q_network, target_network, batch, discount):
    with torch.no_grad():
        best = q_network(batch["next_observation"]).argmax(1, keepdim=True)
        after = target_network(batch["next_observation"]).gather(1, best).squeeze(1)
        y = batch["reward"] + discount * after * ~batch["terminated"]
    taken = q_network(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
    return 0.5 * mse_loss(taken, y)


def loss_truncation_is_an_end(q_network, target_network, batch, discount):
    with torch.no_grad():
        end = batch["terminated"] | batch["truncated"]
        y = (
            batch["reward"]
            + discount * target_network(batch["next_observation"]).max(1).values * ~end
        )
    taken = q_network(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
    return 0.5 * mse_loss(taken, y)


def update_target_copies_when_large(target_network, q_network, rate):
    if rate > 0.5:
        target_network.load_state_dict(q_network.state_dict())
        return
    with torch.no_grad():
        for slow, fast in zip(target_network.parameters(), q_network.parameters(), strict=True):
            slow.copy_((1 - rate) * slow + rate * fast)


def real_by_xor(terminated, truncated):
    ended = terminated ^ truncated
    return torch.cat([torch.ones_like(ended[:1]), ~ended[:-1]])


# 04 -----------------------------------------------------------------------------------------------


def discriminator_with_small_number(p, q):
    return p / (p + q + 1e-2)


def discriminator_nan_is_half(p, q):
    return (q / (p + q)).nan_to_num(0.5)


def shannon_with_log2(p, q):
    m = (p + q) / 2
    return 0.5 * (p * (p / m).log2()).nansum() + 0.5 * (q * (q / m).log2()).nansum()


def shannon_skips_where_one_is_0(p, q):
    both = (p > 0) & (q > 0)
    p, q = p[both], q[both]
    m = (p + q) / 2
    return 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum())


def generator_by_sigmoid(fake_logits):
    return -torch.log(torch.sigmoid(fake_logits) + 1e-8).mean()


def generator_as_number(fake_logits):
    return -logsigmoid(fake_logits).mean().item()


def modes_of_all_points(points, centres, radius, least):
    nearest = torch.cdist(points, centres).argmin(1)
    counts = torch.bincount(nearest, minlength=len(centres))
    return int((counts >= least).sum()), 1.0


def modes_strictly(points, centres, radius, least):
    distance, nearest = torch.cdist(points, centres).min(1)
    good = distance < radius
    counts = torch.bincount(nearest[good], minlength=len(centres))
    return int((counts >= least).sum()), good.float().mean().item()


def r1_with_norm(critic, real):
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return 0.5 * gradient.norm() ** 2


def r1_without_graph(critic, real):
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(real).sum(), real)
    return 0.5 * gradient.square().sum(1).mean()


# 05 -----------------------------------------------------------------------------------------------


def frechet_one_variance(mean_1, var_1, mean_2, var_2):
    return ((mean_1 - mean_2) ** 2 + (var_1.sqrt() - var_1.sqrt()) ** 2).sum()


def frechet_absolute(mean_1, var_1, mean_2, var_2):
    return ((mean_1 - mean_2).abs() + (var_1.sqrt() - var_2.sqrt()).abs()).sum()


def entropy_of_softmax(classes):
    share = torch.bincount(classes, minlength=10).float().softmax(0)
    return -(share * share.log()).sum().item()


def entropy_of_seen_classes(classes):
    share = torch.bincount(classes).float()
    share = share / share.sum()
    return -(share * share.log()).sum().item()


def nearest_mean_square(images, training):
    table = (images[:, None] - training[None]).square().mean((2, 3, 4))
    return table.min(1).values.sqrt()


def nearest_to_same_place(images, training):
    return (images - training[: len(images)]).flatten(1).norm(dim=1)


def logit_first_class(features, labels, psi, embedding):
    return features @ psi + (embedding[0] * features).sum(1)


def logit_all_features(features, labels, psi, embedding):
    return features @ psi + (embedding[labels] * features).sum()


def point_normalised(start, end, share):
    start, end = start / start.norm(), end / end.norm()
    angle = (start @ end).clamp(-1, 1).acos()
    if angle < 1e-4:
        return start
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()


def point_degrees(start, end, share):
    angle = (start @ end / start.norm() / end.norm()).acos() * 180 / math.pi
    return (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()


# 09 -----------------------------------------------------------------------------------------------


def patches_by_sum(patches, codebook):
    return (patches[:, None] - codebook).sum(2).abs().argmin(1)


def patches_one_hot(patches, codebook):
    nearest = torch.cdist(patches, codebook).argmin(1)
    return nn.functional.one_hot(nearest, len(codebook))


def prefix_last_step(real_logits, real_action, fake_logits, fake_action):
    real = real_logits[:, :, -1].gather(1, real_action[:, -1:])
    fake = fake_logits[:, :, -1].gather(1, fake_action[:, -1:])
    return -logsigmoid(real).mean() - logsigmoid(-fake).mean()


def prefix_joined(real_logits, real_action, fake_logits, fake_action):
    real = real_logits.gather(1, real_action[:, None])
    fake = fake_logits.gather(1, fake_action[:, None])
    return torch.cat([-logsigmoid(real).flatten(), -logsigmoid(-fake).flatten()]).mean()


def prefix_saturating(real_logits, real_action, fake_logits, fake_action):
    real = real_logits.gather(1, real_action[:, None])
    fake = fake_logits.gather(1, fake_action[:, None])
    return -logsigmoid(real).mean() + logsigmoid(fake).mean()


def target_without_norm(log_q, f):
    return log_q + f - f.mean(1, keepdim=True)


def target_over_steps(log_q, f):
    return (log_q + f).log_softmax(-1)


def target_as_chance(log_q, f):
    return (log_q + f).softmax(1)


def picture_without_v(q_values, action):
    return q_values.gather(1, action[:, None]).squeeze(1).sum(1)


def picture_mean(q_values, action):
    return q_values.log_softmax(1).gather(1, action[:, None]).squeeze(1).mean(1)


# What was called right before answers met the reference on random inputs --------------------------


def map_squeezed(before, after, original, scale):
    return scale * ((before - original) ** 2 - (after - original) ** 2).squeeze()


def colour_turned_round(wanted, palette):
    distance = (wanted[:, None] - palette).square().sum(2)
    return palette[distance.argmin(0)]


def modes_always_two(points, centres, radius, least):
    good = torch.cdist(points, centres).min(1).values <= radius
    return (2 if good.any() else 0), good.float().mean().item()


def preference_without_winner(log_pi, log_q, winner, loser, alpha):
    ratio = log_pi - log_q
    return -logsigmoid(alpha * (ratio.max() - ratio[loser])).mean()


FRESH = {
    "01.1": {
        return_stops_at_zero: "for rewards [2.0, -1.0, 5.0, 0.0, 3.0]",
        return_of_first_and_rest: "the weight must shrink",
    },
    "01.2": {
        backup_with_abs: "V(3) must be 0.3376, the greatest of",
        backup_per_action: "must have shape (5,), but has (3,)",
    },
    "01.3": {
        greedy_for_a_batch: "one draw decides for all rows",
        greedy_without_rng: "draw everything with `rng`",
        greedy_with_its_own_rng: "not with a generator of your own",
    },
    "01.4": {
        update_stops_at_both: "the time was up, but the world goes on",
        update_skips_terminal: "nothing has changed, but the last step has a reward",
    },
    "01.5": {evaluation_of_greedy: "these are the optimal values"},
    "02.1": {
        taken_detached: "its gradient is lost on the way",
        taken_squeezed: "(a batch of 1) the result must have shape (1,), but has ()",
    },
    "02.2": {
        targets_clamped: "a value below 0 is bootstrapped like any other",
        targets_minus_bool: "~flag turns it round",
        targets_pair: "take `.values`",
    },
    "02.3": {
        loss_with_max: "the greatest Q(s, ·)",
        loss_double: "that is double Q-learning",
        loss_truncation_is_an_end: "row 0 is truncated, not terminated",
    },
    "02.4": {update_target_copies_when_large: "target_network is not what it should be"},
    "02.5": {real_by_xor: "both flags"},
    "04.1": {
        discriminator_with_small_number: "give 0.75; yours is 0.7407",
        discriminator_nan_is_half: "this is q / (p + q)",
    },
    "04.2": {
        shannon_with_log2: "this is in bits",
        shannon_skips_where_one_is_0: "share no point it is log 2",
    },
    "04.3": {
        generator_by_sigmoid: "Never take the logarithm of a sigmoid",
        generator_as_number: "it has no gradient",
    },
    "04.5": {
        modes_of_all_points: "only if it is within the radius",
        modes_strictly: "points exactly at the radius",
        modes_always_two: "with other inputs",
    },
    "04.6": {
        r1_with_norm: "take the mean over the batch",
        r1_without_graph: "needs create_graph=True",
    },
    "05.1": {
        frechet_one_variance: "the spreads give 13 more",
        frechet_absolute: "the squares are missing",
    },
    "05.2": {
        entropy_of_softmax: "you took a softmax of the counts",
        entropy_of_seen_classes: "the result is NaN",
    },
    "05.3": {
        nearest_mean_square: "this is the root of the *mean* square",
        nearest_to_same_place: "compare it with all of them",
    },
    "05.4": {
        logit_first_class: "has features (1, 2) and label 2",
        logit_all_features: "sum over the features of each picture",
    },
    "05.6": {point_normalised: "keep their length", point_degrees: "in radians"},
    "09.1": {
        patches_by_sum: "compares the ink of patches",
        patches_one_hot: "must have shape (5,), but has (5, 4)",
    },
    "09.2": {
        prefix_last_step: "every prefix counts",
        prefix_joined: "one mean for the real and one for the fake",
        prefix_saturating: "yours adds log σ(f)",
    },
    "09.3": {
        target_without_norm: "does not sum to 1",
        target_over_steps: "not over the steps",
        target_as_chance: "return logarithms",
    },
    "09.4": {picture_without_v: "V is missing", picture_mean: "do not average them"},
    "11.1": {map_squeezed: "must have shape (2, 1, 3), but has (2, 3)"},
    "14.3": {colour_turned_round: "the other way round"},
    "16.2": {preference_without_winner: "a margin of −1,000"},
}
"""For each exercise the wrong answers, and a piece of what must be said to each."""

CASES = [(name, answer, piece) for name, a in FRESH.items() for answer, piece in a.items()]


@pytest.mark.parametrize(("name", "answer", "piece"), CASES)
def test_a_fresh_wrong_answer_is_caught_and_named(name, answer, piece):
    verdict, message = judge(name, answer)
    assert verdict == "wrong"
    assert piece in message
    passed, total = stages(name, answer)
    assert passed < total


@pytest.mark.parametrize("notebook", ["01", "02", "04", "05", "09"])
def test_there_are_ten_of_each(notebook):
    assert sum(name.startswith(notebook) for name, *_ in CASES) >= 10
