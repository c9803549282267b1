# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · A better DQN
#
# Ask 25 people to guess your height, and believe the greatest guess. You will feel tall. Nobody
# lied; each guess is wrong by a little, up or down. But you kept the one that was wrong upwards.
# A DQN does this at every step: it believes the greatest of its Q-values. How tall does it feel?
#
# **Objectives.** After this notebook you can
#
# - say why the maximum of noisy estimates is too large, and by how much;
# - measure whether an agent believes too much of itself, and repair it with double Q-learning;
# - write dueling networks, n-step targets and prioritised replay, and say what each is for;
# - train an agent that sees nothing but pixels;
# - read a table of variants without fooling yourself.
#
# **You need** notebook 02. **Time:** about 55 minutes to read, about 2 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import csv
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

# %%
from dqngan_lib import plots
from dqngan_lib.dqn import DQN, DQNSettings, backup_value
from dqngan_lib.dqn_training import TrainSettings, train_dqn
from dqngan_lib.environments import Catch
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.networks import ConvolutionalQNetwork, DuelingHead
from dqngan_lib.pendulum import TorquePendulum
from dqngan_lib.replay import PrioritizedReplayBuffer, ReplayBuffer, SumTree
from dqngan_lib.rollout import Rollout, play
from dqngan_lib.runtime import claim, seed_everything
from dqngan_lib.variants import (
    PENDULUM_AGENT,
    PENDULUM_TRAIN,
    VARIANTS,
    share_caught,
    train_catch,
    train_pendulum,
)

seed = seed_everything(0)

# %% [markdown]
# ## 1. The greatest of noisy numbers
#
# **How much too large is the maximum of estimates that are right on average?**
#
# Take $K$ actions whose true value is 0. Each estimate is $\hat q_a = 0 + \sigma\,\epsilon_a$ with
# independent noise $\epsilon_a \sim \mathcal N(0, 1)$. The greatest true value is 0. The greatest
# estimate is not 0 on average:
#
# $$\mathbb E\big[\max_a \hat q_a\big]
#   = \sigma \int_{-\infty}^{\infty} x \; K\, \varphi(x)\, \Phi(x)^{K-1}\, dx ,$$
#
# where $\varphi$ is the density of the normal distribution and $\Phi$ its running total. In words:
# one of the $K$ is at $x$, and the $K - 1$ others are below it.
#
# By hand for $K = 2$: the maximum of two numbers is $\tfrac12(\hat q_1 + \hat q_2) +
# \tfrac12\lvert \hat q_1 - \hat q_2\rvert$. The first part is 0 on average. The difference is
# normal with standard deviation $\sigma\sqrt2$, and its mean size is
# $\sigma\sqrt2 \cdot \sqrt{2/\pi} = 2\sigma/\sqrt\pi$. Half of it is $\sigma/\sqrt\pi$.


# %%
def expected_maximum(K: int) -> float:
    """Return E max of K standard normal numbers, from the integral above."""
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    density = torch.exp(-(x**2) / 2) / (2 * torch.pi) ** 0.5
    running_total = 0.5 * (1 + torch.erf(x / 2**0.5))
    return torch.trapezoid(x * K * density * running_total ** (K - 1), x).item()


print(f"K =  2, by hand:  {1 / np.pi**0.5:.4f}")
for K in (1, 2, 3, 10, 25):
    print(f"K = {K:2d}, integral: {expected_maximum(K):.4f}")

# %% [markdown]
# Now draw the estimates instead, 20,000 times, and take the mean of the greatest. It should agree.
#
# We draw a second thing as well. Suppose we had *two* sets of estimates, $\hat q^A$ and
# $\hat q^B$, with noise of their own. Let $A$ choose the action, and let $B$ say how good it is:
#
# $$\hat q^B_{a^*}, \qquad a^* = \arg\max_a \hat q^A_a .$$
#
# $B$ knows nothing of the luck that made $A$ choose. So its answer should be right on average. This
# is double Q-learning in one line (van Hasselt 2010).

# %%
generator = torch.Generator().manual_seed(seed)
actions = (1, 2, 3, 5, 10, 15, 20, 25)
single, double = [], []
for K in actions:
    A, B = torch.randn(2, 20_000, K, generator=generator)
    single.append(A.max(1).values.mean().item())
    double.append(B.gather(1, A.argmax(1, keepdim=True)).mean().item())

formula = [expected_maximum(K) for K in actions]
worst = max(abs(drawn - exact) for drawn, exact in zip(single, formula, strict=True))
claim("greatest distance between drawn and exact E max, in σ", worst, at_most=0.04)
claim("greatest distance of the double estimate from the truth, in σ",
      max(map(abs, double)), at_most=0.04)  # fmt: skip

# %%
figure, axes = plt.subplots()
axes.plot(actions, formula, color=plots.COLORS["baseline"], label="one set: the integral")
axes.plot(actions, single, "o", color=plots.COLORS["dqn"], label="one set: drawn")
axes.plot(actions, double, "s--", color=plots.COLORS["accent"], label="two sets: drawn")
axes.axhline(0, color=plots.COLORS["ceiling"], linestyle=":", label="truth")
axes.set_xlabel("number of actions K")
axes.set_ylabel("mean estimate in σ")
axes.set_title("The more actions, the more the maximum flatters")
axes.legend(loc="center right")
plots.show(
    figure,
    "The mean of the greatest of K noisy estimates grows with K, from zero at one action to about "
    "two standard deviations at 25; the drawn points lie on the exact curve. The double estimate "
    "stays on the line of the truth, zero.",
)

# %% [markdown]
# **Is double always right?** No. Here all actions were equally good. Let one of three be better,
# with true values $0, \tfrac12, 1$. If $A$ chooses a worse action by bad luck, $B$ reports that
# action's value, which is truly lower. So the double estimate can only be too *small* on average.

# %%
truth = torch.tensor([0.0, 0.5, 1.0])
A, B = truth + torch.randn(2, 20_000, 3, generator=generator)
claim("bias of max", A.max(1).values.mean() - 1, between=(0.3, 0.5))
claim("bias of double", B.gather(1, A.argmax(1, keepdim=True)).mean() - 1, between=(-0.5, -0.25))

# %% [markdown]
# Neither is perfect. What matters is what happens next: a Q-value becomes the target of another
# Q-value, which becomes the target of a third. Too large by a little at each step adds up along
# the way.
#
# *Change* `truth` to `[0, 0, 5]` and run the cell again: look for what happens to both biases when
# one action is clearly the best.
#
# ## 2. Double DQN
#
# **Where do two sets of estimates come from without training a second network?** A DQN has one
# already. Van Hasselt et al. (2016) let the online network choose and the target network judge:
#
# $$y^{\text{max}} = r + \gamma \max_{a'} Q_{\theta^-}(s', a'), \qquad
#   y^{\text{double}} = r + \gamma\, Q_{\theta^-}\big(s', \arg\max_{a'} Q_{\theta}(s', a')\big).$$
#
# $\theta$ are the weights of the online network, $\theta^-$ those of the target network. The
# change is one line. By hand, for one next observation and three actions:

# %%
online = torch.tensor([[2.5, 1.0, 2.0]])
target = torch.tensor([[1.0, 3.0, 2.0]])

print("max:    the greatest of [1, 3, 2] is 3")
print("        backup_value:", backup_value(target, "max").item())
print("double: the online network prefers action 0; the target network says 1")
print("        backup_value:", backup_value(target, "double", online_next_q_values=online).item())

# %% [markdown]
# The two networks are not independent: one is an older copy of the other. So expect the bias to
# shrink, not to vanish.
#
# ### Exercise 03.1 · the double target
#
# Difficulty ●○○○ · importance ●●●● · 5 minutes. Write the whole target. Mind who chooses, who
# judges, and where nothing may be bootstrapped. For help run `hint("03.1")`; `solution("03.1")`
# shows an answer.


# %% tags=["exercise"] exercise="03.1"
def double_target(
    reward: Tensor, terminated: Tensor, online_q: Tensor, target_q: Tensor, discount: float
) -> Tensor:
    """Return the double Q-learning targets.

    Args:
        reward: float (batch,).
        terminated: bool (batch,).
        online_q: float (batch, actions), the online network's Q-values of the next observations.
        target_q: float (batch, actions), the target network's.
        discount: γ.

    Returns:
        float (batch,).
    """
    ...


# %%
check("03.1", double_target)

# %% [markdown]
# ### Measured against the truth
#
# To see whether an agent believes too much, we need the truth. It can be had: let the agent act
# greedily from a state, add up the discounted rewards that really come, and compare with
# $\max_a Q(s, a)$ of the same state. Both are about the same policy, so there is no excuse.
#
# We need a world where the error can be seen. **Pendulum-v1**: a motor, too weak to lift the
# pendulum at once, must swing it up and hold it there. `TorquePendulum` offers 25 torques from −2
# to 2 newton metres. Most do nearly the same, so their values are close and the noise decides
# which is greatest. And the rewards help us: none is ever above 0. **So no true value can be above
# 0**, and any Q-value above 0 is wrong for certain.
#
# The episodes have no end of their own; each is cut off (truncated) after 200 steps.


# %%
def believed_and_true(agent: DQN, episodes: int = 10, steps: int = 300, first: int = 100) -> Tensor:
    """Return the mean of max Q and of the true return over the first states of greedy episodes.

    The rewards after the first states are added up for 200 steps more; the rest weighs γ^200.
    """
    rollout = Rollout(TorquePendulum(episodes, max_steps=steps))
    observation = rollout.start(10**6 + seed)
    believed, rewards = [], []
    for _ in range(steps):
        q_values = agent.q_values(observation)
        believed.append(q_values.max(1).values)
        rewards.append(rollout.step(q_values.argmax(1)).reward)
        observation = rollout.observation
    returns, following = [], torch.zeros(episodes)
    for reward in reversed(rewards):
        following = reward + agent.settings.discount * following
        returns.append(following)
    true = torch.stack(returns[::-1])
    return torch.stack([torch.stack(believed)[:first].mean(), true[:first].mean()])


# %% [markdown]
# Six agents: `max` and `double`, three seeds each. The settings are hot on purpose: large learning
# rate, small batches. Noisy estimates are what we want to look at.

# %%
print("agent:   ", PENDULUM_AGENT)
print("training:", PENDULUM_TRAIN)

# %%
measured = {"plain": [], "double": []}
for name, runs in measured.items():
    for run in range(3):
        runs.append([])

        def evaluate(agent: DQN, notes: list = runs[-1]) -> float:
            """Note what the agent believes and what is true; the score is what is true."""
            notes.append(believed_and_true(agent))
            return notes[-1][1].item()

        train_pendulum(name, seed + run, evaluate)

values = {name: torch.stack([torch.stack(run) for run in runs]) for name, runs in measured.items()}
print("(seeds, evaluations, believed and true):", tuple(values["plain"].shape))

# %%
every = PENDULUM_TRAIN["evaluate_every"]
step = torch.arange(1, values["plain"].shape[1] + 1) * every
figure, panels = plt.subplots(1, 2, figsize=(7.4, 3.8), sharey=True)
for axes, name, title in zip(panels, values, ("max", "double"), strict=True):
    axes.axhline(0, color=plots.COLORS["ceiling"], linestyle=":", label="greatest possible")
    for which, color, line in ((0, "dqn", "-"), (1, "baseline", "--")):
        lines, color = values[name][:, :, which], plots.COLORS[color]
        axes.plot(step, lines.T, line, color=color, linewidth=0.8, alpha=0.6)
        label = ("believed: max Q", "true return")[which]
        axes.plot(step, lines.mean(0), line, color=color, linewidth=2.4, label=label)
    axes.set(xlabel="environment steps", title=f"backup: {title}", xticks=(0, 6_000, 12_000))
panels[0].set_ylabel("discounted return")
panels[1].legend(loc="upper right")
figure.suptitle("With max the agent believes the impossible; double brings it down", fontsize=11)
plots.show(
    figure,
    "Two panels, thin lines for three seeds and a thick one for their mean. With the backup max "
    "what the network believes stays at or above zero, which is impossible, far above the true "
    "returns. With double it falls towards the true returns, and these rise.",
)

# %% [markdown]
# A new network answers about 0 whatever you ask, and here 0 is the best there can be. That is a
# mistake too, but not that of the maximum. So we count the second half of each run only.

# %%
half = values["plain"].shape[1] // 2
excess = {name: (v[:, half:, 0] - v[:, half:, 1]).mean().item() for name, v in values.items()}
claim("overestimation with max: believed − true, mean of 3 seeds", excess["plain"], at_least=15)
claim("overestimation with double, as a share of that with max",
      excess["double"] / excess["plain"], at_most=0.6)  # fmt: skip

# %% [markdown]
# So double repairs most of it. Does the agent also *act* better for it? Compare the grey lines of the
# two panels. Most often it does, but three seeds are not enough to be sure; section 7 asks again.
# And double does not make the estimates right: look at the right end of the thin lines. They can
# end above the truth or below it, as section 1 said. Remember too that the disease was strong
# because we made it strong.
#
# *Change* `"learning_rate"` to `1e-3` by `PENDULUM_AGENT["learning_rate"] = 1e-3` before the
# training cell: look for how much of the overestimation was the fault of the learning rate alone.
#
# ## 3. Dueling networks
#
# **Must the network learn everything again for each of 25 torques?** When the pendulum hangs
# down, *every* torque is bad. When it stands, every small one is good. Split the Q-value in two
# (Wang et al. 2016): a **value** $V(s)$, how good it is to be here, and an **advantage** $A(s, a)$,
# how much better or worse this action is. Each sample then teaches $V(s)$, whatever the action was.
#
# The first idea is $Q(s, a) = V(s) + A(s, a)$. By hand: $V = 5$ and $A = (1, -1, 0)$ give
# $Q = (6, 4, 5)$. But so do $V = 2$ and $A = (4, 2, 3)$. From $Q$ alone nobody can tell which.
# The parts are **not identifiable**. The remedy is to subtract the mean of the advantages:
#
# $$Q(s, a) = V(s) + A(s, a) - \frac1{\lvert\mathcal A\rvert} \sum_{a'} A(s, a').$$
#
# Now the mean over the actions of the right side is $V(s)$: it must be the mean of the Q-values.


# %%
def without_mean(value: Tensor, advantage: Tensor) -> Tensor:
    """Q = V + A."""
    return value + advantage


def with_mean(value: Tensor, advantage: Tensor) -> Tensor:
    """Q = V + A − mean A."""
    return value + advantage - advantage.mean(1, keepdim=True)


V, A = torch.tensor([[5.0]]), torch.tensor([[1.0, -1.0, 0.0]])
for combine in (without_mean, with_mean):
    print(combine.__name__, combine(V, A).tolist(), combine(V - 3, A + 3).tolist())

# %% [markdown]
# Moving 3 from $V$ to $A$ leaves the first unchanged, and changes the second. The package's
# `DuelingHead` is the second. The same numbers go through its layers:

# %%
head = DuelingHead(features=1, actions=3)
with torch.no_grad():
    head.value.weight[:], head.value.bias[:] = 0, V[0]
    head.advantage.weight[:], head.advantage.bias[:] = 0, A[0]
    print("DuelingHead:", head(torch.zeros(1, 1)).tolist())

# %% [markdown]
# ### Without the mean: right Q-values, meaningless parts
#
# Train both forms to give the same 64 known Q-values, each from two random beginnings. Before you
# look: will the two networks agree on $Q$? On $V$?

# %%
generator = torch.Generator().manual_seed(seed)
features = torch.randn(64, 8, generator=generator)
known_q = torch.tanh(features @ torch.randn(8, 3, generator=generator)) + features[:, :1]


def learn_parts(combine: Callable, start: int) -> tuple[Tensor, Tensor]:
    """Fit V and A to the known Q-values; return V, (64,), and Q, (64, 3)."""
    torch.manual_seed(start)
    body = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = torch.optim.Adam(body.parameters(), lr=1e-2)
    for _ in range(1000):
        value, advantage = body(features).split([1, 3], dim=1)
        loss = (combine(value, advantage) - known_q).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return value.detach()[:, 0], combine(value, advantage).detach()


# %%
starts = (100 * seed + 1, 100 * seed + 2)
parts = {f: [learn_parts(f, start) for start in starts] for f in (without_mean, with_mean)}
figure, panels = plt.subplots(1, 2, figsize=(6.4, 4.0), sharex=True, sharey=True)
for axes, (combine, ((V1, _), (V2, _))) in zip(panels, parts.items(), strict=True):
    axes.plot([-2.5, 2.5], [-2.5, 2.5], ":", color=plots.COLORS["baseline"])
    axes.plot(V1, V2, "o", markersize=4, color=plots.COLORS["dqn"])
    axes.set_aspect("equal")
    axes.set(xlabel="V(s), first network", title=combine.__name__.replace("_", " the "))
panels[0].set_ylabel("V(s), second network")
figure.suptitle("Two networks with the same Q agree on V only with the mean", fontsize=11)
plots.show(
    figure,
    "Two panels with 64 points, one a state: V of one network against V of another. Without the "
    "mean the points are scattered beside the diagonal; with it they lie on the diagonal.",
)

# %%
for combine, ((_, Q1), (_, Q2)) in parts.items():
    claim(f"{combine.__name__}: mean difference of Q between two networks",
          (Q1 - Q2).abs().mean(), at_most=0.1)  # fmt: skip
apart = {combine: (V1 - V2).abs().mean().item() for combine, ((V1, _), (V2, _)) in parts.items()}
claim("without_mean: mean difference of V", apart[without_mean], at_least=0.08)
claim("with_mean: mean difference of V", apart[with_mean], at_most=0.05)

# %% [markdown]
# Both learn $Q$. Only one learns a $V$ that means something. In a DQN there is a second reason: if
# a constant can move between the parts, each gradient step moves it a little, and the parts drift
# with nothing to hold them.
#
# *Change* `with_mean` to subtract `advantage.max(1, keepdim=True).values` (equation 8 of the
# paper): look for what $V$ means then.
#
# ### Exercise 03.2 · put V and A together
#
# Difficulty ●○○○ · importance ●●●○ · 3 minutes. Close your eyes to the cell above, and write it
# again. `hint("03.2")`, `solution("03.2")`.


# %% tags=["exercise"] exercise="03.2"
def dueling_q(value: Tensor, advantage: Tensor) -> Tensor:
    """Return the Q-values of a dueling network.

    Args:
        value: float (batch, 1).
        advantage: float (batch, actions).

    Returns:
        float (batch, actions).
    """
    ...


# %%
check("03.2", dueling_q)

# %% [markdown]
# ## 4. Several rewards before the guess: n-step targets
#
# **Why believe a guess when the truth is one step further on?** The one-step target
# $r + \gamma V(s')$ holds one real reward and a guess of all the others. Take $n$ real rewards, and
# guess only what comes after (Sutton & Barto 2018, chapter 7):
#
# $$y_t = r_t + \gamma r_{t+1} + \dots + \gamma^{k-1} r_{t+k-1}
#   + \gamma^{k}\,(1 - \text{terminated})\, V(s_{t+k}).$$
#
# $k$ is $n$, or less where the episode ends earlier. By hand: five rewards, $1, 2, 3, 4, 5$. After
# the third the episode terminates. $\gamma = 0.5$, $n = 2$:
#
# | step | rewards summed | k | guess from |
# | --- | --- | --- | --- |
# | 0 | 1 + 0.5 · 2 = 2 | 2 | step 2's observation |
# | 1 | 2 + 0.5 · 3 = 3.5 | 2 | nothing: terminated |
# | 2 | 3 | 1 | nothing: terminated |
# | 3 | 4 + 0.5 · 5 = 6.5 | 2 | the last observation |
# | 4 | 5 | 1 | the last observation: the memory ends |
#
# Step 2 must not take the reward of step 3: that belongs to another episode.

# %%
memory = ReplayBuffer(capacity=5, seed=seed)
seen = [0.0, 1.0, 2.0, 10.0, 11.0]
seen_next = [1.0, 2.0, 3.0, 11.0, 12.0]
for t in range(5):
    memory.add(
        observation=torch.tensor([[seen[t]]]),
        reward=torch.tensor([t + 1.0]),
        terminated=torch.tensor([t == 2]),
        truncated=torch.tensor([False]),
        next_observation=torch.tensor([[seen_next[t]]]),
    )
batch = memory.sample(100, n_step=2, discount=0.5)

# %%
for t in range(5):
    row = (batch["index"] == t).nonzero()[0].item()
    print(
        f"step {t}: rewards {batch['reward'][row]:g}, k = {batch['steps'][row]}, "
        f"guess from {batch['next_observation'][row].item():g}, "
        f"terminated {batch['terminated'][row]}"
    )

# %% [markdown]
# The same numbers. `DQN.target` multiplies the guess by $\gamma^k$, where $k$ is the field `steps`.
#
# ### Bias against variance
#
# What is gained, and what does it cost? A world with numbers we know: each step pays 1 on average,
# with standard deviation 1, for ever. With $\gamma = 0.9$ the true value is $1/(1-\gamma) = 10$. Our
# guess $\hat V$ is wrong by $b$. Then the $n$-step target has
#
# $$\text{bias} = \gamma^n\, b, \qquad
#   \text{variance} = \sum_{k<n} \gamma^{2k} = \frac{1 - \gamma^{2n}}{1 - \gamma^2}.$$
#
# More real rewards: less of the wrong guess, more noise. We fill a memory with 20,000 such steps
# and let the package compute the targets.

# %%
generator = torch.Generator().manual_seed(seed)
memory = ReplayBuffer(capacity=20_000, seed=seed)
nothing, never = torch.zeros(500, 1), torch.zeros(500, dtype=torch.bool)
for _ in range(40):
    pay = 1 + torch.randn(500, generator=generator)
    memory.add(
        observation=nothing, reward=pay, terminated=never, truncated=never, next_observation=nothing
    )

ns = (1, 2, 3, 5, 8, 12, 20)
error = {}
for guess in (5.0, 9.0):
    for n in ns:
        batch = memory.sample(8_000, n_step=n, discount=0.9)
        target = (batch["reward"] + 0.9 ** batch["steps"] * guess)[batch["steps"] == n]
        error[guess, n] = (target - 10).pow(2).mean().sqrt().item()

# %%
figure, axes = plt.subplots()
n = np.arange(1, 21)
for guess, color, marker, text in ((5.0, "accent", "s", "bad"), (9.0, "dqn", "o", "good")):
    formula = np.sqrt((0.9**n * (guess - 10)) ** 2 + (1 - 0.81**n) / (1 - 0.81))
    axes.plot(n, formula, color=plots.COLORS[color])
    label, points = f"{text} guess, {guess:g}", [error[guess, k] for k in ns]
    axes.plot(ns, points, marker, color=plots.COLORS[color], label=label)
axes.set(xlabel="n, rewards summed", ylabel="root mean square error", ylim=(0, None), xticks=ns)
axes.set_title("A bad guess wants a large n, a good guess a small one")
axes.legend(title="true value 10")
plots.show(
    figure,
    "Root mean square error of the target against n, curves from the formula and points from the "
    "memory on them. With a bad guess the error falls with n, with a good guess it rises; for "
    "large n both come together.",
)

# %%
difference = max(
    abs(error[guess, n] - ((0.9**n * (guess - 10)) ** 2 + (1 - 0.81**n) / 0.19) ** 0.5)
    for guess, n in error
)
claim("greatest difference between measured error and formula", difference, at_most=0.3)
claim("bad guess: error at n = 1 minus error at n = 20", error[5.0, 1] - error[5.0, 20], at_least=1)
claim("good guess: error at n = 20 minus error at n = 1", error[9.0, 20] - error[9.0, 1],
      at_least=0.5)  # fmt: skip

# %% [markdown]
# Early in training every guess is bad; then n-step targets carry rewards back $n$ times faster.
#
# There is a second cost, and it does not show in this world. The $n$ rewards came from the actions
# of an *older* policy, with its random ε-steps. Their sum is the value of having acted so, not of
# acting well. One step has no such trouble, because the action itself is given. Small $n$, such as
# 3, is the usual compromise, often without any correction (Hessel et al. 2018).
#
# *Change* the standard deviation of `pay` to 3: look for how the good guess's curve moves.
#
# ### Exercise 03.3 · n-step targets with both kinds of end
#
# Difficulty ●●●○ · importance ●●●○ · 20 minutes. One stream of experience, in order, with a
# termination *and* a truncation in the middle. `next_value[t]` is the guess for what was seen after
# step $t$; at an end that is the last observation of the old episode, not the first of the new one.
# `hint("03.3")`, `solution("03.3")`.


# %% tags=["exercise"] exercise="03.3"
def n_step_targets(
    reward: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    next_value: Tensor,
    discount: float,
    n: int,
) -> Tensor:
    """Return the n-step target of every step of one stream of experience.

    Args:
        reward: float (steps,), in the order of time.
        terminated: bool (steps,), whether the episode ended there by itself.
        truncated: bool (steps,), whether it was cut off there.
        next_value: float (steps,), V of the observation after each step.
        discount: γ.
        n: The greatest number of rewards to sum; fewer at an end, or where the stream stops.

    Returns:
        float (steps,).
    """
    ...


# %%
check("03.3", n_step_targets)

# %% [markdown]
# ## 5. Prioritised replay
#
# **Must we read a page again that we know by heart?** Uniform replay draws every transition
# equally often: those already understood and the one that surprised. Prioritised replay (Schaul et
# al. 2016) draws transition $i$ with probability
#
# $$P(i) = \frac{p_i^\alpha}{\sum_k p_k^\alpha}, \qquad p_i = \lvert\delta_i\rvert + \text{small},$$
#
# where $\delta_i$ is its last TD error. $\alpha = 0$ is uniform, $\alpha = 1$ proportional.
#
# By hand, with $\alpha = 1$ and four priorities $3, 1, 4, 2$. The sum is 10, so
# $P = (0.3, 0.1, 0.4, 0.2)$. To draw, lay the four end to end on a line of length 10 and throw a
# dart: at 5.2 it hits the third, because $3 + 1 \le 5.2 < 3 + 1 + 4$.
#
# Walking along a line of 50,000 is slow. A **sum tree** is fast: each node holds the sum of what
# is below it. Start at the top with 5.2. If the number is less than the left child, go left; else
# subtract the left child and go right.

# %%
priority = np.array([3.0, 1.0, 4.0, 2.0])
tree = SumTree(capacity=4)
tree.set(np.arange(4), priority)
print("nodes 1 to 7:", tree.nodes[1:].tolist())

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.0))
place = {1: (3, 2), 2: (1, 1), 3: (5, 1), 4: (0, 0), 5: (2, 0), 6: (4, 0), 7: (6, 0)}
path = {1, 3, 6}
for node, (x, y) in place.items():
    color = plots.COLORS["accent" if node in path else "baseline"]
    if node > 1:
        (up, high), width = place[node // 2], 3 if node in path else 1
        axes.plot([up, x], [high, y], color=color, linewidth=width, zorder=0)
    axes.text(x, y, f"{tree.nodes[node]:g}", ha="center", va="center", fontsize=13,
              bbox={"boxstyle": "circle,pad=0.4", "color": color})  # fmt: skip
for x, y, text in (
    (3.5, 2.05, "5.2: not below 4,\nso right with 5.2 − 4 = 1.2"), (5.5, 1.05, "1.2 < 4: left"),
):  # fmt: skip
    axes.text(x, y, text, va="center", fontsize=9)
for leaf in range(4):
    axes.text(2 * leaf, -0.5, f"row {leaf}", ha="center", fontsize=9)
axes.set(xlim=(-0.6, 7.6), ylim=(-0.65, 2.4), title="Two decisions find one row of four")
axes.set_axis_off()
plots.show(
    figure,
    "A binary tree. The root holds 10, its children 4 and 6, the leaves 3, 1, 4 and 2. The path of "
    "the number 5.2 is marked: from the root to the right with 1.2, then left, to row 2.",
)


# %%
def find(nodes: np.ndarray, point: float) -> int:
    """Return the leaf in which the running total passes the point; node k has 2k and 2k + 1."""
    node, leaves = 1, len(nodes) // 2
    while node < leaves:
        node = 2 * node
        if point >= nodes[node]:
            point = point - nodes[node]
            node = node + 1
    return node - leaves


points = np.array([0.5, 3.5, 5.2, 9.9])
print("by hand:", [find(tree.nodes, point) for point in points])
print("SumTree:", tree.find(points).tolist())

# %% [markdown]
# With 50,000 rows it takes 16 decisions instead of 50,000. Now the whole memory. The TD errors are
# $3, -1, 4, -2$; the sign does not matter. Do the draws follow the probabilities?

# %%
memory = PrioritizedReplayBuffer(capacity=4, seed=seed, alpha=1.0)
rows = memory.add(value=torch.tensor([3.0, -1.0, 4.0, -2.0]))
memory.update_priorities(rows, torch.tensor([3.0, -1.0, 4.0, -2.0]))
memory.beta = 1.0
batch = memory.sample(20_000)
share = torch.bincount(batch["index"], minlength=4) / 20_000
P = torch.tensor([0.3, 0.1, 0.4, 0.2])
claim("greatest distance between counted and computed share", (share - P).abs().max(), at_most=0.02)

# %% [markdown]
# ### The price: a bias, and how to pay it
#
# Averages over such draws are not averages over the memory any more. Let each row hold the value
# $x = (3, -1, 4, -2)$. Their plain mean is 1. The mean over prioritised draws is
# $0.3 \cdot 3 - 0.1 \cdot 1 + 0.4 \cdot 4 - 0.2 \cdot 2 = 2$. A network trained on these draws
# minimises another loss than we wrote down. **Importance weights** take that back:
#
# $$w_i = \big(N\,P(i)\big)^{-\beta}, \qquad
#   \sum_i P(i)\, w_i\, x_i = \frac1N \sum_i x_i \quad\text{at } \beta = 1.$$
#
# By hand: $w = (\tfrac1{1.2}, \tfrac1{0.4}, \tfrac1{1.6}, \tfrac1{0.8})$. The package divides them
# by the greatest, $2.5$, so that no gradient step grows; that only rescales the learning rate.

# %%
x = torch.tensor([3.0, -1.0, 4.0, -2.0])
w = 1 / (4 * P)
print(f"plain mean {x.mean():.4f}, drawn {(P * x).sum():.4f}, weighted {(P * w * x).sum():.4f}")
print("by hand, w / 2.5:", [round(weight, 3) for weight in (w / w.max()).tolist()])
first = [(batch["index"] == row).nonzero()[0].item() for row in range(4)]
print("package:         ", [round(weight, 3) for weight in batch["weight"][first].tolist()])
claim("mean over 20,000 draws without weights", batch["value"].mean(), between=(1.9, 2.1))
claim("with weights", 2.5 * (batch["weight"] * batch["value"]).mean(), between=(0.95, 1.05))

# %% [markdown]
# In training, $\beta$ starts at 0.4 and rises to 1: early on all estimates are wrong anyway, and a
# bias does no harm (Schaul et al. 2016, section 3.4).
#
# ### Where it pays: one reward in five hundred transitions
#
# Schaul's *blind cliff walk*: eight states in a row, two actions. The right one leads on; the wrong
# one ends the episode with reward 0. Only the right action in the last state pays 1. Somebody has
# acted at random and filled a memory with 510 transitions; one of them holds the reward. How many
# updates does a table need until every value is right to within 0.05?


# %%
def cliff_memory(prioritised: bool, start: int) -> ReplayBuffer:
    """Fill a memory with all walks; state k is reached half as often as state k − 1."""
    rows = [(k, a) for k in range(8) for a in (0, 1) for _ in range(2 ** (7 - k))]
    memory = PrioritizedReplayBuffer(510, start, 1.0) if prioritised else ReplayBuffer(510, start)
    state, action = torch.tensor(rows).T
    memory.add(state=state, action=action, reward=((state == 7) & (action == 1)).float())
    return memory


def updates_needed(prioritised: bool, start: int) -> int:
    """Count single updates of Q-learning with learning rate ½ until Q is right; γ = 0.9."""
    memory, Q = cliff_memory(prioritised, start), torch.zeros(9, 2)
    truth = 0.9 ** torch.arange(7, -1, -1.0)
    for updates in range(1, 100_000):
        row = memory.sample(1)
        k, a = row["state"].item(), row["action"].item()
        follow = 0.9 * Q[k + 1].max() if a == 1 and k < 7 else 0.0
        error = row["reward"] + follow - Q[k, a]
        Q[k, a] += 0.5 * error.item()
        if prioritised:
            memory.update_priorities(row["index"], error)
        if (Q[:8, 1] - truth).abs().max() < 0.05:
            return updates
    return updates


# %%
uniform, prioritised = (
    sum(updates_needed(kind, 5 * seed + start) for start in range(5)) for kind in (False, True)
)
claim("updates with uniform replay, for each update with prioritised replay, 5 tries each",
      uniform / prioritised, at_least=2)  # fmt: skip

# %% [markdown]
# Here it pays. A memory where one row in 510 matters is an extreme, though. Section 7 shows what
# remains of it elsewhere.
#
# *Change* `alpha`, the 1.0 in `cliff_memory`, to 0.3 and to 0: look for the ratio.
#
# ### Exercise 03.4 · probabilities and weights
#
# Difficulty ●●○○ · importance ●●○○ · 10 minutes. From TD errors to probabilities and weights, for
# any $\alpha$ and $\beta$. Use $N$ = the number of rows. `hint("03.4")`, `solution("03.4")`.


# %% tags=["exercise"] exercise="03.4"
def priorities(
    td_error: Tensor, alpha: float, beta: float, small: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Return the probabilities of prioritised replay and the weights that correct for them.

    Args:
        td_error: float (rows,), of either sign.
        alpha: How much priorities count, from 0 to 1.
        beta: How much of the bias is taken back, from 0 to 1.
        small: Added to |δ|, so that no row is lost for ever.

    Returns:
        Probabilities float (rows,), which sum to 1, and weights float (rows,), of which the
        greatest is 1.
    """
    ...


# %%
check("03.4", priorities)

# %% [markdown]
# ## 6. Learning from pixels
#
# **What if the agent is told nothing but what is on the screen?** `Catch` is a screen of 10 × 10
# pixels. A ball falls by one row at each step, and goes straight or two columns to one side; if it
# leaves on the left it comes in on the right, and the other way round. A paddle three pixels wide
# moves by one column to the left, stays, or moves to the right. When the ball reaches the bottom the
# episode terminates, with reward 1 if it was caught and −1 if not. Every ball can be caught, by
# going where it *will* be.
#
# Here is one moment. Which way does the ball go?


# %%
def draw(axes: Axes, screen: Tensor, title: str) -> None:
    """Show one screen: the ball, and the paddle in the last row."""
    picture = np.ones((10, 10, 3))
    ball, paddle = (tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5))
                    for c in (plots.COLORS["generated"], plots.COLORS["dqn"]))  # fmt: skip
    picture[screen.numpy() > 0] = ball
    picture[9, screen[9].numpy() > 0] = paddle
    axes.imshow(picture)
    for line in np.arange(-0.5, 10):
        axes.axhline(line, color="#DDDDDD", linewidth=0.5)
        axes.axvline(line, color="#DDDDDD", linewidth=0.5)
    axes.set(xticks=[], yticks=[], title=title, xlim=(-0.5, 9.5), ylim=(9.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(True)


# %%
screens = Catch(num_envs=1)
observation, _ = screens.reset(seed=16)
for _ in range(3):
    observation = screens.step(torch.tensor([1]))[0]
print("observation:", tuple(observation.shape), "= (episodes, pictures, height, width)")
figure, (left, right) = plt.subplots(1, 2, figsize=(4.6, 2.5))
draw(left, observation[0, 1], "one step before")
draw(right, observation[0, 0], "now")
plots.show(
    figure,
    "Two screens of 10 by 10 pixels, with a ball, and a paddle of three pixels in the last row. In "
    "the second the ball is one row lower and two columns to the side.",
)

# %% [markdown]
# From the right picture alone nobody can say. With both everybody can. So an observation holds two
# pictures, now and one step before. Mnih et al. (2015) stack four for the same reason: without them
# the observation is not a *state*, and the Bellman equation is about states.
#
# First the floor and the ceiling: random moves, and a player who knows where the ball will land.

# %%
generator = torch.Generator().manual_seed(seed)
random_share = share_caught(
    lambda observation: torch.randint(3, (len(observation),), generator=generator), 2_000, 10**7
)
screens = Catch(num_envs=2_000)
screens.reset(seed=10**7 + seed)
for _ in range(8):
    reward = screens.step(screens.optimal_action())[1]
claim("share caught by random moves", random_share, between=(0.25, 0.35))
claim("share caught by the player who knows", (reward > 0).float().mean(), at_least=1)

# %% [markdown]
# The network has two convolutions and two linear layers. Everything else is the DQN of notebook 02.

# %%
settings = TrainSettings(
    steps=16_000,
    capacity=16_000,
    batch_size=64,
    updates_per_step=2,
    learning_rate_end=0.1,
    evaluate_every=1_000,
)


def train(envs: Catch, test: Catch, watch: Callable | None = None) -> tuple[DQN, list[float]]:
    """Train on `envs`; return the agent and its share of caught balls at each evaluation."""

    def evaluate(agent: DQN) -> float:
        return (play(agent.act, test, seed=10**6 + seed) > 0).float().mean().item()

    torch.manual_seed(seed)
    network = ConvolutionalQNetwork(channels=2, side=10, actions=3)
    agent = DQN(network, DQNSettings(learning_rate=2e-3), seed)
    return agent, train_dqn(agent, envs, evaluate, settings, seed=seed, watch=watch).score


agent, shares = train(Catch(8), Catch(500), watch=plots.LiveCurve("share caught"))

# %%
returns = play(agent.act, Catch(2_000), seed=10**7 + seed)
claim("share caught over 2,000 fresh episodes", (returns > 0).float().mean(), at_least=0.99)

# %% [markdown]
# ### One picture is not enough
#
# Now take the direction away: the second picture is all zeros, everything else is equal. What share
# do you expect? (For the last step the ball has three ways to go, two columns apart, and the paddle
# is three pixels wide.)


# %%
class OnePicture(Catch):
    """Catch, with the picture of the step before blacked out."""

    def _observe(self) -> Tensor:
        observation = super()._observe()
        observation[:, 1] = 0
        return observation


blind_agent, blind_shares = train(OnePicture(8), OnePicture(500))
returns = play(blind_agent.act, OnePicture(2_000), seed=10**7 + seed)
claim("share caught with one picture", (returns > 0).float().mean(), between=(0.25, 0.8))

# %%
figure, axes = plt.subplots()
step = np.arange(1, len(shares) + 1) * settings.evaluate_every
axes.plot(step, shares, "o-", color=plots.COLORS["dqn"], markersize=4)
axes.plot(step, blind_shares, "s--", color=plots.COLORS["accent"], markersize=4)
axes.axhline(1, color=plots.COLORS["ceiling"], linestyle="--")
axes.axhline(random_share, color=plots.COLORS["baseline"], linestyle=":")
for y, text, color in (
    (shares[-1] - 0.05, "two pictures", "dqn"), (blind_shares[-1] - 0.05, "one picture", "accent"),
    (1.035, "ceiling", "ceiling"), (random_share - 0.05, "random", "baseline"),
):  # fmt: skip
    axes.text(step[-1] + 250, y, text, color=plots.COLORS[color], va="center")
axes.set(xlim=(0, 19_000), ylim=(0, 1.1), xlabel="environment steps", ylabel="share caught")
axes.set_title("One picture cannot show which way the ball moves")
plots.show(
    figure,
    "Share of caught balls against environment steps. With two pictures it rises from the random "
    "floor to the ceiling; with one picture it stays below.",
)

# %% [markdown]
# ### Watch it play, and ask what it thinks
#
# Four episodes of the agent with two pictures.

# %%
def play_one(start: int) -> tuple[list[Tensor], Tensor]:
    """Play one episode; return its screens and the Q-values before each step, (8, 3)."""
    rollout = Rollout(Catch(num_envs=1))
    observation, pictures, q_values = rollout.start(start), [], []
    for _ in range(8):
        pictures.append(observation[0, 0])
        q_values.append(agent.q_values(observation)[0])
        step = rollout.step(agent.act(observation))
        observation = rollout.observation
    return [*pictures, step.next_observation[0, 0]], torch.stack(q_values)


frames = []
for start in range(4):
    for number, screen in enumerate(play_one(10**8 + 10 * seed + start)[0]):
        figure, axes = plt.subplots(figsize=(2.2, 2.4), dpi=80)
        draw(axes, screen, f"ball {start + 1}, step {number}")
        frames += [plots.figure_to_array(figure)] * (3 if number == 8 else 1)
plots.film(frames, "Film: four balls fall and the paddle catches them.", seconds=9, width=220)

# %% [markdown]
# *The film in words: balls fall, some leave on one side and come in on the other, and the paddle is
# there in time.*
#
# One of them again, with the three Q-values at each step. What should they be? If the ball will be
# caught, the reward 1 comes after all remaining steps: $\gamma^{7 - t}$ at step $t$. An action that
# still leaves time to catch it has nearly the same value as the best.

# %% tags=["gallery"]
pictures, q_values = play_one(10**8 + 10 * seed)
figure = plt.figure(figsize=(7.4, 4.0))
top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.6))
for number, axes in enumerate(top.subplots(1, 9)):
    draw(axes, pictures[number], f"{number}")
axes = bottom.subplots()
styles = (("left", "<", "dqn"), ("stay", "s", "baseline"), ("right", ">", "accent"))
for action, (name, marker, color) in enumerate(styles):
    axes.plot(q_values[:, action], marker + "-", color=plots.COLORS[color], label=name)
best = 0.99 ** torch.arange(7, -1, -1.0)
axes.plot(best, ":", color=plots.COLORS["ceiling"], linewidth=2, label="true best value")
axes.set(xlabel="step", ylabel="Q-value", xlim=(-0.5, 8.5))
axes.legend(loc="lower left")
axes.set_title("The Q-values part when the last chance to go the right way comes")
plots.show(
    figure,
    "Above, nine screens of one episode. Below, three lines: the Q-values of left, stay and right "
    "at each step, with the true best value as a dotted line close to the greatest of them. "
    "Actions that would miss the ball fall below the others.",
)

# %%
believed = torch.stack([play_one(10**8 + 100 * seed + k)[1].max(1).values for k in range(50)])
too_much = (believed - best).mean(0)
claim("max Q minus the true best value at the first step, mean of 50", too_much[0],
      between=(0.03, 0.4))  # fmt: skip
claim("the same at the last step", too_much[-1], between=(-0.15, 0.15))

# %% [markdown]
# At the last step the network is right. At the first it believes too much: a value there stands on a
# chain of seven maxima. It is the disease of section 1 again, in a calm world, and the paddle plays
# well all the same. What counts for acting is the *order* of the Q-values.
#
# *Change* the screen: `Catch(8, side=14)`, `Catch(500, side=14)` and a network with `side=14`. Look
# for how many more steps it needs when the ball falls longer.
#
# ## 7. Which of them help?
#
# **Four ideas, one budget, two worlds, five seeds.** Each row of the table changes one thing in
# the plain DQN; the last row changes all four. The worlds are `Catch` (calm settings, one reward at
# the end of eight steps) and `TorquePendulum` (the hot settings of section 2, 25 actions, a reward
# at every step). The ends of the table are random play, and players who know the world: for Catch
# the one of section 6; for the pendulum value iteration on a fine grid with the equations of motion.
#
# The command `python3 course.py study 03` made it. Before you look: which idea will help in which
# world?

# %%
for name, variant in VARIANTS.items():
    changes = {**variant.agent, **variant.train, **({"dueling": True} if variant.dueling else {})}
    print(f"{name:13s}", changes)

# %%
with (folder / "benchmarks" / "results" / "03_variants.csv").open(encoding="utf-8") as file:
    stored = list(csv.DictReader(file))
names = list(dict.fromkeys(row["variant"] for row in stored))


def column(variant: str, name: str) -> list[float]:
    """Return one column of a variant, a number for each seed."""
    return [float(row[name]) for row in stored if row["variant"] == variant]


def words(variant: str, name: str, digits: int = 0, factor: float = 1) -> str:
    """Write the mean, and the least and greatest seed in brackets."""
    numbers = [factor * x for x in column(variant, name)]
    low, mean, high = (f"{x:,.{digits}f}" for x in (min(numbers), np.mean(numbers), max(numbers)))
    return f"{mean} ({low} … {high})"


def thousands(variant: str) -> str:
    """Write the steps until 99 % of each seed in thousands, the fastest first."""
    steps = sorted(column(variant, "catch_steps_to_99"))
    return " ".join("never" if x == np.inf else f"{x / 1000:.0f}" for x in steps if x == x) or "–"


# %% tags=["nbval-ignore-output"]
plots.table(
    [
        [
            name,
            words(name, "catch_mean_share", 1, 100),
            thousands(name),
            words(name, "pendulum_return"),
        ]
        for name in names
    ],
    ["variant", "Catch: caught on the way, %", "Catch: 1,000 steps to 99 %", "Pendulum: return"],
    "Mean over five seeds (least … greatest). Caught on the way: mean over all evaluations of a "
    "run. Steps: each seed, in thousands. Pendulum: mean over the second half of a run.",
)

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.4, 3.8), sharey=True)
learners = list(VARIANTS)
for axes, name, label in (
    (panels[0], "catch_mean_share", "Catch: share caught, mean of the run"),
    (panels[1], "pendulum_return", "Pendulum: mean return, second half"),
):
    for place, variant in enumerate(learners):
        numbers = column(variant, name)
        axes.plot(numbers, [place] * len(numbers), "o", color=plots.COLORS["dqn"], alpha=0.8)
        axes.plot(np.mean(numbers), place, "|", color=plots.COLORS["real"], markersize=16)
    plain = column("plain", name)
    axes.axvspan(min(plain), max(plain), color=plots.COLORS["baseline"], alpha=0.25)
    for end, color, line in (("random", "baseline", ":"), ("optimal", "ceiling", "--")):
        x = np.mean(column(end, name))
        axes.axvline(x, color=plots.COLORS[color], linestyle=line)
        axes.text(x, -0.6, end, color=plots.COLORS[color], ha="center", va="bottom", fontsize=9)
    axes.set_xlabel(label)
panels[0].set(yticks=range(len(learners)), yticklabels=learners, ylim=(5.4, -0.6))
figure.suptitle("What helps depends on the world", x=0.01, ha="left", fontsize=11)
plots.show(
    figure,
    "A row for each variant and a dot for each seed, with a bar at the mean, in two worlds. A grey "
    "band marks the spread of the plain DQN, a dotted line random play, a dashed line the optimal "
    "policy. The table above has the same numbers.",
)

# %% [markdown]
# Five seeds are few, and the dots of one row lie far apart. So when may we say that a variant
# helps? Take the difference between its mean and that of the plain DQN, and divide by the standard
# error of that difference,
#
# $$z = \frac{\bar x - \bar x_{\text{plain}}}{\sqrt{(s^2 + s_{\text{plain}}^2)/5}},$$
#
# with $s$ the standard deviation over the five seeds. If $\lvert z\rvert < 2$, chance alone could
# well have done it, and the honest answer is "cannot tell".


# %%
def verdict(variant: str, name: str) -> str:
    """Compare a variant's seeds with those of the plain DQN."""
    ours, plain = np.array(column(variant, name)), np.array(column("plain", name))
    error = ((ours.var(ddof=1) + plain.var(ddof=1)) / len(ours)) ** 0.5
    z = (ours.mean() - plain.mean()) / error
    return "cannot tell" if abs(z) < 2 else ("helps" if z > 0 else "hurts")


print(f"{'':13s} {'Catch':12s} Pendulum")
for variant in learners[1:]:
    catch, pendulum = (verdict(variant, name) for name in ("catch_mean_share", "pendulum_return"))
    print(f"{variant:13s} {catch:12s} {pendulum}")

# %% [markdown]
# What I read from it:
#
# - **On the pendulum** the plain DQN does no better than random play: with these hot settings it
#   believes its own errors. **n-step** helps most: with a reward at every step there is much truth
#   in three of them. **Double** helps too, as section 2 led us to expect. **Dueling** is close to the
#   line; more seeds would decide. **Prioritised** replay does nothing here.
# - **On Catch** all of them learn, and their means cannot be told apart. But look at the steps until
#   99 %: with **n-step** targets some seeds never get there. Old random moves are in the sums, the
#   second cost of section 4. Where one reward comes at the very end, there is no truth on the way
#   to pay for it.
# - **All together** is not the sum of its parts: on the pendulum it is no better than n-step alone,
#   and on Catch it inherits the trouble of n-step.
# - Everybody stays far below the planner on the pendulum.
#
# Is one of the four ideas what the pendulum needed most? Take the plain DQN, and calm it: a tenth of
# the learning rate, nothing else.

# %%
PENDULUM_AGENT["learning_rate"] = 1e-3
_, calm = train_pendulum("plain", seed)
PENDULUM_AGENT["learning_rate"] = 1e-2
claim("plain and calm: return, second half, minus the table's mean for plain",
      np.mean(calm.score[4:]) - np.mean(column("plain", "pendulum_return")),
      at_least=200)  # fmt: skip

# %% [markdown]
# Compare this number with the gains in the table. Before you add an idea, look at the settings.
#
# A remedy helps against its own disease, and the diseases differ. Hessel et al. (2018) joined these
# ideas and others on 57 Atari games, then took out one at a time. Without prioritised replay or
# n-step targets the agent became much worse; without double or dueling it changed little on average.
#
# Is the table true? One seed of one row runs here, live: prioritised replay on Catch. It must fall
# within that row's spread, widened by 5 percentage points, because another processor rounds
# differently and a run of a DQN magnifies that.

# %%
_, history = train_catch("prioritised", seed % 5)
spread = column("prioritised", "catch_mean_share")
claim("share caught on the way, prioritised, within the row's spread ± 0.05",
      np.mean(history.score), between=(min(spread) - 0.05, max(spread) + 0.05))  # fmt: skip

# %% [markdown]
# ## Recap
#
# - The maximum of noisy estimates is too large: by $\sigma/\sqrt\pi$ for two, by about $2\sigma$ for
#   25. Bootstrapping adds it up.
# - **Double**: the online network chooses, the target network judges. It believes less, and can
#   believe too little.
# - **Dueling**: $Q = V + A - \text{mean}\,A$. Without the mean the parts mean nothing.
# - **n-step**: more real rewards, less guess; less bias, more variance; stop at every end.
# - **Prioritised**: draw by surprise from a sum tree; weights take the bias back.
# - **Pixels**: two pictures make a state, and a convolution reads them.
# - A variant is compared over seeds, on more than one world, between a floor and a ceiling.
#
# ## What is now possible
#
# You have an agent that looks at pictures and acts on them, and you know how far to trust its
# numbers. From here it could look at a picture that it is *making*. But who would tell it whether
# the picture is good? Notebook 04 builds the judge: a discriminator.
#
# ## References
#
# - H. van Hasselt. Double Q-learning. NeurIPS 2010.
# - H. van Hasselt, A. Guez, D. Silver. Deep reinforcement learning with double Q-learning. AAAI
#   2016. arXiv 1509.06461.
# - Z. Wang et al. Dueling network architectures for deep reinforcement learning. ICML 2016. arXiv
#   1511.06581.
# - T. Schaul, J. Quan, I. Antonoglou, D. Silver. Prioritized experience replay. ICLR 2016. arXiv
#   1511.05952.
# - M. Hessel et al. Rainbow: combining improvements in deep reinforcement learning. AAAI 2018.
#   arXiv 1710.02298.
# - V. Mnih et al. Human-level control through deep reinforcement learning. Nature 518, 2015.
# - R. Sutton, A. Barto. Reinforcement learning: an introduction. 2nd edition, MIT Press 2018;
#   sections 6.7 (maximisation bias) and 7.1 (n-step returns).
# - S. Thrun, A. Schwartz. Issues in using function approximation for reinforcement learning.
#   Connectionist Models Summer School 1993 (where the bias was first described).
