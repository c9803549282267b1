# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · DQN-GAN as first proposed
#
# You know an agent that learns from rewards, and a judge that tells real pictures from generated
# ones. To join them looks easy: let the generator be the agent and the judge's number its reward. A
# recipe for this goes round. It runs, its numbers move, and pictures come out. But does the agent do
# anything? Follow the arrows in the picture below, and look for one that leads from the agent to the
# generator.
#
# **Objectives.** After this notebook you can
#
# - complete an outline of an algorithm, and list what you had to decide yourself;
# - say what a Q-value becomes when nothing changes and nothing ends;
# - find out which networks a loss can reach;
# - test whether a part of a program matters: delete it and compare every bit;
# - tell an effect from a shift of random numbers;
# - say what a DQN needs before it can train a generator.
#
# **You need** notebooks 02, 04 and 06. **Time:** about 45 minutes to read, about 2 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import time
from collections import deque
from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

# %%
from dqngan_lib import plots
from dqngan_lib.data import digits
from dqngan_lib.dqn import td_target
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.metrics import digit_fid
from dqngan_lib.networks import QNetwork, parameter_count
from dqngan_lib.penalties import gradient_penalty
from dqngan_lib.runtime import claim, progress, seed_everything

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)
data = digits()

# %%
boxes = {
    "noise z": (0, 1, "baseline"),
    "generator": (2, 1, "generated"),
    "picture G(z)": (4, 1, "generated"),
    "critic": (6, 1, "discriminator"),
    "D(G(z))": (8, 1, "discriminator"),
    "memory": (4, -0.6, "dqn"),
    "Q-network": (6, -0.6, "dqn"),
    "action": (8, -0.6, "dqn"),
}
arrows = [("noise z", "generator"), ("generator", "picture G(z)"), ("picture G(z)", "critic")]
arrows += [("critic", "D(G(z))"), ("memory", "Q-network"), ("Q-network", "action")]
arrows += [("noise z", "memory"), ("D(G(z))", "memory")]

# %%
figure, axes = plt.subplots(figsize=(9.0, 2.9))
for text, (x, y, color) in boxes.items():
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": plots.COLORS[color]}
    axes.text(x, y, text, ha="center", va="center", bbox=box | {"linewidth": 2})
for start, end in arrows:
    way = {"arrowstyle": "->", "shrinkA": 42, "shrinkB": 42, "linewidth": 1.4}
    axes.annotate("", boxes[end][:2], boxes[start][:2], arrowprops=way)
axes.text(2.3, 0.3, "state")
axes.text(5.7, 0.3, "reward", ha="right")
axes.text(9.2, -0.6, "?", fontsize=16, va="center", color=plots.COLORS["dqn"])
axes.set(xlim=(-0.8, 9.6), ylim=(-1.0, 1.4), title="Where does the agent's arrow lead?")
axes.set_axis_off()
plots.show(
    figure,
    "Boxes and arrows. Above: noise goes to the generator, its picture to the critic, and the "
    "critic gives the number D(G(z)). Below: noise, as the state, and the number, as the reward, "
    "go to the memory, from there to the Q-network, and from there to an action. No arrow leaves "
    "the action: a question mark stands beside it.",
)

# %% [markdown]
# ## 1. The recipe in outline
#
# In our own words. The idea: *the generator is an agent, the critic's number is its reward, and a
# DQN optimises it.* The DQN is the agent of the seven steps that you know from notebook 02:
#
# - memory of 2,000 transitions, discount $\gamma = 0.95$, learning rate 0.001;
# - $\varepsilon$ from 1.0, times 0.995 after each replay, down to 0.01;
# - **action size 1**.
#
# One round of training:
#
# 1. five times: lower $\operatorname{mean} D(G(z)) - \operatorname{mean} D(x)$ by a step of the critic;
# 2. once: lower $-\operatorname{mean} D(G(z))$ by a step of the generator;
# 3. let the agent act on $z$; **remember** state $z$, the action, reward $D(G(z))$, next state $z$, and
#    that the episode is *not done*;
# 4. **replay**: learn from a minibatch of the memory.
#
# Lines 1 and 2 are a Wasserstein GAN with nothing to hold its critic (notebook 06). Lines 3 and 4
# are the DQN. Read line 3 again: which of the things that it stores can ever differ?
#
# ## 2. Make it run
#
# An outline leaves things open. This is all we had to decide:
#
# | what is open | what we chose |
# | --- | --- |
# | the networks | fully connected: generator 100–128–256–784, critic 784–256–128–1, Q 100–64–64–1 |
# | how generator and critic learn | Adam as it comes, with the one learning rate that is named, 0.001 |
# | batch sizes | 64 pictures a step; a minibatch of 32 transitions |
# | the critic gives 64 numbers, `remember` takes one | one transition for each picture |
# | the reward is a tensor with a graph | only its value is stored |
# | when the target network is copied | after every 10 replays |
# | what the action does | nothing: we found no place for it |
#
# The last line is not our laziness. A picture is made before the agent is asked, and nothing in a round
# reads the action.

# %%
NOISE = 100


def make_generator() -> nn.Module:
    """Return a network from noise (batch, 100) to pictures (batch, 1, 28, 28) in [0, 1]."""
    layers = [nn.Linear(NOISE, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(256, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))


def make_critic() -> nn.Module:
    """Return a network from pictures to one number each, (batch,)."""
    layers = [nn.Flatten(), nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 128)]
    return nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Linear(128, 1), nn.Flatten(0))


# %% [markdown]
# Now the agent. Its `learn` is steps 5 to 7 of notebook 02. All its random numbers come from the
# stream that it is given; we shall need that later.


# %%
class ActingAgent:
    """The half of the recipe's agent that acts and remembers."""

    def __init__(self, random: torch.Generator) -> None:
        self.random = random
        self.q_network = QNetwork(NOISE, 1, hidden=(64, 64))  # step 1; action size 1
        self.target_network = deepcopy(self.q_network)
        self.optimizer = torch.optim.Adam(self.q_network.parameters(), lr=0.001, fused=True)
        self.memory = deque(maxlen=2_000)
        self.epsilon, self.replays = 1.0, 0

    def act(self, state: Tensor) -> Tensor:
        """Return an ε-greedy action for each state (batch, 100)."""  # step 2
        with torch.no_grad():
            q_values = self.q_network(state)
        explore = torch.rand(len(state), generator=self.random) < self.epsilon
        anything = torch.randint(q_values.shape[1], (len(state),), generator=self.random)
        return torch.where(explore, anything, q_values.argmax(1))

    def remember(self, state, action, reward, next_state, done) -> None:
        """Store a transition for each picture."""  # steps 3 and 4
        self.memory.extend(zip(state, action, reward, next_state, done, strict=True))


# %%
def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step against the gradient of a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# %%
class FirstAgent(ActingAgent):
    """The recipe's agent: what acts and remembers can also replay."""

    def replay(self) -> None:
        """Draw a minibatch, learn from it, and explore a little less from now on."""
        rows = torch.randint(len(self.memory), (32,), generator=self.random).tolist()
        fields = zip(*(self.memory[row] for row in rows), strict=True)
        self.learn(*(torch.stack(field) for field in fields))
        self.epsilon = max(0.01, 0.995 * self.epsilon)

    def learn(self, state, action, reward, next_state, done) -> None:
        """Take one step on a minibatch."""
        with torch.no_grad():  # step 5
            y = reward + 0.95 * ~done * self.target_network(next_state).max(1).values
        q_taken = self.q_network(state).gather(1, action.unsqueeze(1)).squeeze(1)
        descend(self.optimizer, 0.5 * (y - q_taken).square().mean())  # step 6
        self.replays += 1
        if self.replays % 10 == 0:  # step 7
            self.target_network.load_state_dict(self.q_network.state_dict())


# %% [markdown]
# The loop. The DQN part is what stands under `if agent:`, and without `make_agent` there is none. The
# networks of the GAN are made first, and the noise and the choice of digits come from torch's global
# stream. Guess before you run it: will there be digits after 300 rounds?


# %%
def train(make_agent=None, seed=seed, penalty=0.0, critic_steps=5, rounds=300) -> SimpleNamespace:
    """Train by the recipe; return the networks, the agent, and what was seen on the way."""
    torch.manual_seed(seed)
    run = SimpleNamespace(generator=make_generator(), critic=make_critic(), agent_time=0.0)
    run.seen, run.film = [], []
    run.agent = agent = make_agent(seed) if make_agent else None
    for_generator = torch.optim.Adam(run.generator.parameters(), lr=0.001, fused=True)
    for_critic = torch.optim.Adam(run.critic.parameters(), lr=0.001, fused=True)
    start = time.perf_counter()
    for number in progress(range(rounds), label="recipe"):
        if number % 25 == 0:
            look(run, number)
        for _ in range(critic_steps):
            descend(for_critic, critic_loss(run, penalty))
        z = torch.randn(64, NOISE)
        value = run.critic(run.generator(z))
        descend(for_generator, -value.mean())
        if agent:
            before = time.perf_counter()
            agent.remember(z, agent.act(z), value.detach(), z, torch.zeros(64, dtype=torch.bool))
            agent.replay()
            run.agent_time += time.perf_counter() - before
    look(run, rounds)
    run.time = time.perf_counter() - start
    return run


# %%
def critic_loss(run: SimpleNamespace, penalty: float) -> Tensor:
    """Return mean D(G(z)) − mean D(x), and a gradient penalty if asked for."""
    real = data.train_images[torch.randint(len(data.train_images), (64,))]
    with torch.no_grad():
        fake = run.generator(torch.randn(64, NOISE))
    loss = run.critic(fake).mean() - run.critic(real).mean()
    return loss + penalty * gradient_penalty(run.critic, real, fake) if penalty else loss


test_noise = torch.randn(2_000, NOISE, generator=torch.Generator().manual_seed(seed + 1_000))


@torch.no_grad()
def look(run: SimpleNamespace, number: int) -> None:
    """Write down what the critic says, how much the pictures differ, and what the agent expects."""
    real, fake = data.test_images, run.generator(test_noise)
    row = {"round": number, "real": run.critic(real).mean(), "fake": run.critic(fake).mean()}
    row["spread"] = fake.var(0).sum() / real.var(0).sum()
    if run.agent:
        row["q"] = run.agent.q_network(test_noise).mean()
    run.seen.append({name: float(value) for name, value in row.items()})
    run.film.append(fake[:2])


# %% [markdown]
# The first run gives the agent **a random stream of its own**. `fork_rng` puts the global stream back
# to where it was before the agent's networks drew their first weights.


# %%
def own_stream(seed: int, kind=FirstAgent) -> FirstAgent:
    """Return an agent that leaves torch's global stream as it was."""
    with torch.random.fork_rng():
        return kind(torch.Generator().manual_seed(seed))


with_dqn = train(own_stream)
shown = with_dqn.generator(test_noise).detach()
plots.show_images(shown[:20], "Two rows of ten generated pictures. All are nearly the same.",
                  title="The recipe's pictures after 300 rounds")  # fmt: skip

# %%
share = with_dqn.seen[-1]["spread"]
print(f"variance between pictures: (measured {100 * share:.2g}) % of that between real digits")
print(f"digit-FID (measured {digit_fid(shown, data.test_images):.0f}), n = 2,000")

# %% [markdown]
# It runs. But this is twenty times nearly the same picture, and no digit. (The pictures of an untrained
# generator are alike too; this one does not get away from there.) Either 300 rounds are not enough, or something is
# wrong. We do not guess; we take the parts one by one.
#
# *Change* `rounds` to 1,000 and run again: do the pictures get better, or only different?
#
# ## 3. What can the agent choose?
#
# The greedy action is $\arg\max_a Q(z, a)$ over all actions. There is one action, number 0. The random
# action is drawn from all actions. There is one. So $\varepsilon$ decides between two ways to do the
# same thing:

# %%
agent = with_dqn.agent
for epsilon in (0.0, 0.5, 1.0):
    agent.epsilon = epsilon
    chosen = agent.act(test_noise).unique().tolist()
    print(f"epsilon {epsilon}: of 2,000 states, actions chosen {chosen}")

# %% [markdown]
# A policy with one action is not a policy: there is nothing to learn about what to *do*. All that is
# left for the Q-network is to predict.
#
# *Change* `QNetwork(NOISE, 1, …)` to two actions and train again. The actions now differ. Does anything
# else?
#
# ### Exercise 07.1 · How long does it explore?
#
# Difficulty ●○○○○ · importance ●●○○○ · 5 minutes. Help: `hint("07.1")`, `solution("07.1")`
#
# $\varepsilon$ starts at 1.0 and is multiplied by 0.995 after each replay. After how many replays has it
# come down to 0.01? Was that within our 300 rounds?


# %% tags=["exercise"] exercise="07.1"
def replays_until(start: float, end: float, decay: float) -> int:
    """Return the least number n of replays with start · decayⁿ ≤ end.

    start, end: ε at first and at last, both > 0. decay: the factor, above 0, below 1.
    Returns: a whole number, 0 if start is already small enough.
    """
    ...


# %%
check("07.1", replays_until)

# %% [markdown]
# ## 4. What does the Q-network learn?
#
# The target of notebook 02 was $y = r + \gamma\,(1 - \text{terminated}) \max_{a'} Q(s', a')$. Put in
# what the recipe stores: $s' = z$, one action, never done. Then
#
# $$Q(z) \leftarrow r(z) + \gamma\, Q(z), \qquad r(z) = D(G(z)).$$
#
# Each state is its own successor, for ever. By hand, for one state with $r = 1$ and $\gamma = 0.95$, from
# $Q = 0$: $\;1,\; 1 + 0.95 = 1.95,\; 1 + 0.95 \cdot 1.95 = 2.8525, \dots$

# %%
r, gamma, q = 1.0, 0.95, 0.0
for backup in range(1, 101):
    q_package = td_target(torch.tensor([r]), torch.tensor([False]), torch.tensor([q]), gamma)
    q = r + gamma * q
    if backup in (1, 2, 3, 10, 100):
        print(f"after {backup:3d} backups: Q = {q:.4f}, package {q_package.item():.4f}")

# %% [markdown]
# Where does it end? At the number that the backup leaves alone, the **fixed point**:
#
# $$Q = r + \gamma Q \quad\Longleftrightarrow\quad Q = \frac{r}{1 - \gamma} = 20\, r
#   \quad\text{for } \gamma = 0.95.$$
#
# The distance to it shrinks by $\gamma$ with each backup. In words: *the critic's number, for ever,
# discounted*. Now the agent itself, with a reward that never changes, $r = 0.5$. What should its network
# say, for any noise?

# %%
predictor = own_stream(seed)
z = test_noise
zeros = torch.zeros(len(z), dtype=torch.int64)
predictor.remember(z, zeros, torch.full((len(z),), 0.5), z, zeros.bool())
for _ in range(2_000):
    predictor.replay()
with torch.no_grad():
    fresh = torch.randn(2_000, NOISE, generator=torch.Generator().manual_seed(seed + 2_000))
    expected = predictor.q_network(fresh).mean().item()
claim("mean Q on fresh noise, reward 0.5 throughout (0.5 / 0.05 = 10)", expected,
      between=(9.5, 10.5))  # fmt: skip

# %% [markdown]
# ### Exercise 07.2 · The fixed point
#
# Difficulty ●●○○○ · importance ●●●●● · 10 minutes. Help: `hint("07.2")`, `solution("07.2")`
#
# The reward is the same for ever. But suppose that with probability $p$ a step ends the episode, and
# then nothing follows. Which Q-value stays where it is? Put in $p = 0$ and $p = 1$ before you check.


# %% tags=["exercise"] exercise="07.2"
def fixed_point(reward: float, discount: float, p_end: float) -> float:
    """Return the Q that equals its own mean target, in a state that leads back to itself.

    reward: the same for each step. discount: γ, from 0, below 1.
    p_end: probability that a step is terminal, from 0 to 1.
    Returns: one number.
    """
    ...


# %%
check("07.2", fixed_point)

# %% [markdown]
# ### A reward that moves
#
# In the recipe the reward does not stand still: the critic learns, and so does the generator. What did
# the Q-network of our run do? It should follow $20\,D(G(z))$.

# %%
rows = with_dqn.seen
number = [row["round"] for row in rows]
goal, q = np.array([20 * row["fake"] for row in rows]), np.array([row["q"] for row in rows])
figure, axes = plt.subplots(figsize=(7.0, 3.4))
axes.plot(number, goal, "o-", color=plots.COLORS["discriminator"], label="fixed point, 20 D(G(z))")
axes.plot(number, q, "s--", color=plots.COLORS["dqn"], label="what the Q-network says")
axes.set_yscale("symlog", linthresh=10)
axes.axhline(0, color=plots.COLORS["baseline"], linewidth=0.8)
axes.set(xlabel="rounds", ylabel="value (both signs, logarithmic)")
axes.set_title("The Q-network does not come near the reward that it chases")
figure.legend(loc="outside lower center", ncols=2)
plots.show(
    figure,
    "Two curves over 300 rounds on an axis that is logarithmic for both signs. The fixed point, "
    "twenty times the critic's number, jumps between huge positive and negative values. "
    "The Q-network's values stay many times smaller.",
)

# %%
miss = np.abs(q - goal)[1:] / np.abs(goal)[1:]
claim("median distance of Q from 20 D(G(z)), as a share of it", np.median(miss), at_least=0.8)

# %% [markdown]
# It never arrives. The goal changes its sign, its old rewards stay in the memory for 31 rounds, and its
# size grows faster than a network with small steps can follow. Why the critic does this is section 8.
#
# ### And if the critic stood still?
#
# Then each state has its own fixed point $20\,D(G(z))$, and the Q-network can find it. We freeze the
# generator and give it a critic that has had no training, and a reward that has been shifted and
# scaled to mean 1 and width 1 so that there is something to see.

# %%
with torch.no_grad():
    torch.manual_seed(seed + 3)
    value = make_critic()(make_generator()(z))
    reward = 1 + (value - value.mean()) / value.std()
predictor = own_stream(seed)
predictor.remember(z, zeros, reward, z, zeros.bool())
for _ in range(3_000):
    predictor.replay()
with torch.no_grad():
    q = predictor.q_network(z).squeeze(1)

# %%
figure, axes = plt.subplots(figsize=(5.2, 3.4))
axes.plot(reward, q, ".", color=plots.COLORS["dqn"], markersize=3, alpha=0.5)
ends = torch.tensor([reward.min(), reward.max()])
axes.plot(ends, 20 * ends, color=plots.COLORS["ceiling"], linestyle="--", label="20 r")
axes.legend()
axes.set(xlabel="reward r of a state", ylabel="its Q-value after 3,000 replays")
axes.set_title("All it can learn is the critic's number, times 20")
plots.show(
    figure,
    "A cloud of 2,000 points, the Q-value of a state against its reward. It lies along the dashed "
    "line of slope 20.",
)

# %%
claim("mean Q / mean reward, critic frozen", (q.mean() / reward.mean()).item(), between=(18, 22))
both = torch.corrcoef(torch.stack([q, reward]))
claim("correlation of Q with the reward", both[0, 1].item(), at_least=0.9)

# %% [markdown]
# So at its best the Q-network is a copy of $D(G(z))$, not quite exact and 20 times as large. And the exact
# number is at hand: we computed it to get the reward.
#
# *Change* `0.95` in `learn` to 0.5, and the bounds of the two claims about the mean with it. Which number
# takes the place of 20?
#
# ### Exercise 07.3 · Chase a reward
#
# Difficulty ●●●○○ · importance ●●●○○ · 10 minutes. Help: `hint("07.3")`, `solution("07.3")`
#
# One state, one action, and a table with one entry. Write Q-learning for a list of rewards. Then feed
# it rewards that change their sign every ten steps, and look how far behind it is.


# %% tags=["exercise"] exercise="07.3"
def chase(rewards: Tensor, discount: float, rate: float, start: float) -> Tensor:
    """Return Q after each update Q ← Q + α (r + γ Q − Q), in a state that leads to itself.

    rewards: float, shape (n,). discount: γ. rate: α, from 0 to 1. start: Q before the first.
    Returns: float, shape (n,).
    """
    ...


# %%
check("07.3", chase)

# %% [markdown]
# ## 5. Which gradient reaches the generator?
#
# Maybe a prediction can help the generator in some other way. A network changes only if a gradient reaches
# it. So we ask each of the three losses which networks it reaches. We clear all gradients, call
# `backward`, and count the weights that got one.


# %%
def weights_reached(loss: Tensor, network: nn.Module) -> int:
    """Return how many weights of a network have a gradient after loss.backward()."""
    network.zero_grad()  # sets every gradient to None
    loss.backward(retain_graph=True)
    return sum(w.numel() for w in network.parameters() if w.grad is not None)


networks = {
    "generator": with_dqn.generator,
    "critic": with_dqn.critic,
    "Q-network": with_dqn.agent.q_network,
}
for name, network in networks.items():
    print(f"{name} has {parameter_count(network):,} weights")

# %%
z = torch.randn(64, NOISE, generator=torch.Generator().manual_seed(seed))
value = with_dqn.critic(with_dqn.generator(z))
y = value.detach() + 0.95 * with_dqn.agent.target_network(z).max(1).values.detach()
losses = {
    "critic's": critic_loss(with_dqn, penalty=0.0),
    "generator's": -value.mean(),
    "agent's": 0.5 * (y - with_dqn.agent.q_network(z).squeeze(1)).square().mean(),
}
print(f"{'loss':12}", *(f"{name:>10}" for name in networks))
for name, loss in losses.items():
    counts = [weights_reached(loss, network) for network in networks.values()]
    print(f"{name:12}", *(f"{count:10,}" for count in counts))

# %% [markdown]
# The agent's loss reaches the Q-network and nothing else. The generator learns from one loss alone, its
# own, and that loss contains no Q. (It reaches the critic too, but the generator's optimiser does not
# move the critic.)
#
# *Change* `value.detach()` to `value` in the line of `y`: which counts change?
#
# **What if we let the gradient through?** We stored only the value of the reward. Keep its graph, and
# the agent's loss does reach the generator. Look what it asks for, with $y = r + \gamma Q^-$ and the loss
# $\frac12 (y - Q)^2$:
#
# $$\frac{\partial}{\partial r}\, \tfrac12 \big(r + \gamma Q^- - Q\big)^2 = r + \gamma Q^- - Q.$$
#
# By hand: $r = 3$, $Q = Q^- = 20$, so $y = 22$ and the slope is $+2$. A step against it makes $r$
# *smaller*. The reward was better than expected, and the generator is told to do worse.

# %%
r = torch.tensor(3.0, requires_grad=True)
(0.5 * (r + 0.95 * 20.0 - 20.0) ** 2).backward()
print("slope of the agent's loss for the reward:", r.grad.item())

# %% [markdown]
# The loss asks for rewards that are *predictable*, not for high ones. So to store values alone was
# the right repair. An agent should change its Q to fit the rewards, not the rewards to fit its Q.
#
# ### Exercise 07.4 · Which weights does a loss reach?
#
# Difficulty ●●●●○ · importance ●●●●○ · 15 minutes. Help: `hint("07.4")`, `solution("07.4")`
#
# Our `weights_reached` wipes out gradients that somebody may still need. Write a version that leaves no
# trace. `torch.autograd.grad` with `allow_unused=True` gives gradients without storing them.


# %% tags=["exercise"] exercise="07.4"
def reached(loss: Tensor, networks: dict[str, nn.Module]) -> dict[str, int]:
    """Return, for each network, how many of its weights the loss depends on.

    loss: a scalar, possibly without any graph. A weight counts if a way leads to it, even if its
    gradient happens to be 0. No `.grad` changes, and the loss can be differentiated again.
    Returns: a number of weights (not of tensors) for each name.
    """
    ...


# %%
check("07.4", reached)

# %% [markdown]
# ## 6. Delete it
#
# If no gradient leads from the agent to the generator, then the generator must be the same without the
# agent. Not similar: the same, **bit for bit**. Train again without an agent.

# %%
without_dqn = train()


def weights_that_differ(a: nn.Module, b: nn.Module) -> int:
    """Return how many numbers in the state of two networks are not equal."""
    states = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return sum((x != y).sum().item() for x, y in states)


print(f"of {parameter_count(with_dqn.generator):,} weights of the generator:")
claim("generator's weights that differ, with the DQN part and without",
      weights_that_differ(with_dqn.generator, without_dqn.generator), at_most=0)  # fmt: skip
claim("critic's weights that differ",
      weights_that_differ(with_dqn.critic, without_dqn.critic), at_most=0)  # fmt: skip

# %%
print(f"the DQN part took {with_dqn.agent_time:.1f} s of {with_dqn.time:.1f} s")

# %% [markdown]
# Nothing is lost by deleting it, and some time is saved.
#
# ### But my run did change!
#
# Try it in an ordinary program and you will see other pictures with the DQN than without. Why? An ordinary
# program has **one** random stream. The agent draws its first weights, its coin tosses and its minibatch
# from it. So everybody after the agent gets other numbers: other first noise, other digits.


# %%
def shared_stream(seed: int, kind=FirstAgent) -> FirstAgent:
    """Return an agent that draws from torch's global stream, like everybody else."""
    return kind(torch.default_generator)


shared = train(shared_stream)
differing = weights_that_differ(shared.generator, without_dqn.generator)
claim("share of the generator's weights that differ, one stream for all",
      differing / parameter_count(shared.generator), at_least=0.9)  # fmt: skip

# %% [markdown]
# It would be easy to take this for an effect of the DQN. Is it one? Here is the test: an agent that
# draws the same random numbers **and learns nothing**. If the DQN matters, this run must differ from the
# last one.


# %%
class OnlyDraws(FirstAgent):
    """An agent that tosses its coins, draws its minibatches, and throws them away."""

    def learn(self, *minibatch: Tensor) -> None:
        """Do nothing."""


only_draws = train(partial(shared_stream, kind=OnlyDraws))
claim("generator's weights that differ, agent that learns against one that only draws",
      weights_that_differ(shared.generator, only_draws.generator), at_most=0)  # fmt: skip

# %% [markdown]
# Zero. What changed the pictures was the position in the random stream and nothing else. It acts like
# another seed. To see how much luck there is in a seed, here is the score of both on three seeds.

# %% tags=["nbval-ignore-output"]
def score(run: SimpleNamespace) -> float:
    """Return the digit-FID of a run, 2,000 pictures against the 2,000 held-out digits."""
    with torch.no_grad():
        return digit_fid(run.generator(test_noise), data.test_images)


scores = [(score(without_dqn), score(shared))]
for other in (seed + 10, seed + 20):
    scores.append((score(train(seed=other)), score(train(shared_stream, seed=other))))
rows = [[f"seed {seed + 10 * i}", f"{a:.0f}", f"{b:.0f}"] for i, (a, b) in enumerate(scores)]
plots.table(
    rows,
    ["", "DQN part deleted", "with it, one stream for all"],
    "Digit-FID after 300 rounds (lower is better).",
)

# %%
claim("best digit-FID of the three runs with the DQN", min(b for _, b in scores), at_least=100)

# %% [markdown]
# From three seeds one could read that the DQN helps, or that it hurts, and both would be wrong. The
# test with the agent that only draws needs no statistics: it shows the cause.
#
# *Change* the number of transitions in a minibatch from 32 to 33, in the agent and nowhere else, and
# train with `shared_stream`. Other pictures. Has a larger minibatch had an effect?
#
# ### Exercise 07.5 · The same, bit for bit
#
# Difficulty ●●●○○ · importance ●●●●○ · 10 minutes. Help: `hint("07.5")`, `solution("07.5")`
#
# Our comparison is a little careless. It takes the order of the entries on trust, it calls $0.0$ and
# $-0.0$ the same, and a `nan` different from itself. Write one that compares names, shapes, types and bits.


# %% tags=["exercise"] exercise="07.5"
def bit_identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Tell whether two state dicts hold the same names, and under each the same bits.

    a, b: from names to tensors on the CPU, of any shape and type that NumPy knows. The order of
    the names does not matter.
    """
    ...


# %%
check("07.5", bit_identical)

# %% [markdown]
# ## 7. Would a better wiring help?
#
# Suppose that we wire it right. The decision is the picture: $x = G_\theta(z)$ is the *action*, the
# reward is $D(x)$, and then it is over, so $Q(z, x) = D(x)$. For actions that are real numbers
# there is the deterministic policy gradient (Silver et al. 2014):
#
# $$\nabla_\theta J = \mathbb E_z\Big[ \nabla_\theta G_\theta(z)\;
#   \nabla_x Q(z, x) \big|_{x = G_\theta(z)} \Big].$$
#
# With $Q(z, x) = D(x)$ this is the chain rule for $\mathbb E_z D(G_\theta(z))$. It is **the ordinary
# generator update**. Pfau and Vinyals (2016) describe GANs as actor-critic methods from this side.
#
# By hand, on a line: $G_\theta(z) = \theta z$, $D(x) = -\frac12 (x - 8)^2$, with $\theta = 3$ and $z = 2$.
# So $x = 6$, $\nabla_x D = 8 - x = 2$, $\nabla_\theta G = z = 2$, and the gradient is $2 \cdot 2 = 4$.


# %%
def D(x: Tensor) -> Tensor:
    """Return a reward that is greatest at 8."""
    return -0.5 * (x - 8) ** 2


theta, z = torch.tensor(3.0, requires_grad=True), 2.0
(as_gan,) = torch.autograd.grad(D(theta * z), theta)
x = (theta * z).detach().requires_grad_(True)  # the action, cut off from the actor
(slope,) = torch.autograd.grad(D(x), x)
(as_agent,) = torch.autograd.grad(theta * z, theta, grad_outputs=slope)
print("generator update:", as_gan.item(), "| policy gradient:", as_agent.item())

# %% [markdown]
# The same for our networks. And if one insists on $\gamma = 0.95$ and on never being done? Then
# $Q = D/(1 - \gamma)$, and the gradient is 20 times as long, in the same direction.


# %%
def policy_gradient(generator: nn.Module, q_function, z: Tensor) -> Tensor:
    """Return the deterministic policy gradient for all weights, as one long row."""
    action = generator(z)
    x = action.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(q_function(x).mean(), x)
    gradient = torch.autograd.grad(action, list(generator.parameters()), slope)
    return torch.cat([g.flatten() for g in gradient])


z = torch.randn(64, NOISE, generator=torch.Generator().manual_seed(seed))
generator, critic = with_dqn.generator, with_dqn.critic
value = critic(generator(z)).mean()
gradient = torch.autograd.grad(value, list(generator.parameters()))
ordinary = torch.cat([g.flatten() for g in gradient])
once = policy_gradient(generator, critic, z)
forever = policy_gradient(generator, lambda x: critic(x) / (1 - 0.95), z)

# %%
claim("policy gradient minus generator update, relative length",
      ((once - ordinary).norm() / ordinary.norm()).item(), at_most=1e-5)  # fmt: skip
claim("length with the endless episode / length of the generator update",
      (forever.norm() / ordinary.norm()).item(), between=(19.99, 20.01))  # fmt: skip

# %% [markdown]
# And Adam divides each gradient by its usual size. The factor 20 is gone after the first step:

# %%
for factor in (1.0, 20.0):
    weight = nn.Parameter(torch.zeros(3))
    adam = torch.optim.Adam([weight], lr=0.001)
    for gradient in ([4.0, -1.0, 2.0], [3.0, -2.0, -1.0]):
        weight.grad = factor * torch.tensor(gradient)
        adam.step()
    print(f"gradients times {factor:4.0f}: weights", [round(w, 7) for w in weight.tolist()])

# %% [markdown]
# **Then why reinforcement learning at all?** Because it can do without $\nabla_x D$. Add noise to the
# action, $x = \theta z + \sigma u$ with a standard normal $u$, and use the reward as a mere number
# (Williams 1992):
#
# $$\nabla_\theta J = \mathbb E_u\Big[ D(x)\, \frac{u}{\sigma}\, z \Big].$$
#
# This needs no slope of $D$. $D$ could be a person, a printer, a program. On our line the mean is
# 4 again. What does it cost?

# %%
z, sigma = 2.0, 0.1
u = torch.randn(400_000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
estimates = D(3.0 * z + sigma * u) * u / sigma * z
claim("policy gradient from rewards alone, mean of 400,000 tries (exact: 4)",
      estimates.mean().item(), between=(3.7, 4.3))  # fmt: skip
claim("spread of a single try", estimates.std().item(), at_least=30)

# %% [markdown]
# One try has a spread about ten times the value that it estimates, in one dimension. So where the
# judge can be differentiated and the picture is one smooth decision, backpropagation through the judge
# is the better tool, and a DQN cannot add to it. Reinforcement learning earns its place where there
# is **no slope to follow**: choices that are discrete, tools that are programs.
#
# *Change* `sigma` to 1.0: the spread of a try becomes smaller. Why would one not take it larger still
# for a curved $D$ that is no parabola?
#
# ## 8. The repair that matters lies elsewhere
#
# Back to the twenty pictures. We know that the agent is not to blame: without it they are the same. What is
# left is line 1 of the recipe, a critic that nothing holds. Its loss falls for ever if it multiplies its
# output, and it is blind to a constant (notebook 06). So what is the reward worth? Here is one change:
# the gradient penalty of notebook 06 with $\lambda = 10$. Same networks, same rounds, same steps.
# No DQN.

# %%
held = train(penalty=10.0)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5))
for run, name, color, style in (
    (without_dqn, "nothing holds the critic", "discriminator", "o--"),
    (held, "gradient penalty", "ceiling", "s-"),
):
    x = [row["round"] for row in run.seen]
    look_like = {"color": plots.COLORS[color], "markersize": 4}
    left.plot(x, [row["real"] for row in run.seen], style, label=name, **look_like)
    right.plot(x, [row["spread"] for row in run.seen], style, **look_like)
left.set_yscale("symlog", linthresh=10)
left.set(xlabel="rounds", ylabel="mean D(x), real digits (logarithmic)")
left.set_title("The reward of a real digit …")
right.axhline(1, color=plots.COLORS["real"], linewidth=1)
right.text(150, 0.93, "real digits: 1", ha="center")
right.set(xlabel="rounds", ylabel="variance between pictures", ylim=(-0.03, 1.08))
right.set_title("… and the variety of what is drawn for it")
figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
plots.show(
    figure,
    "Two panels over 300 rounds, with and without a gradient penalty. Left: the critic's mean "
    "output on real digits. With nothing to hold it, it swings to huge positive and negative "
    "values; with the penalty it stays small. Right: the variance between generated pictures. With "
    "nothing it stays near zero; with the penalty it climbs to a large part of that of real ones.",
)

# %%
free_rewards = np.array([row["real"] for row in without_dqn.seen])
held_rewards = np.array([row["real"] for row in held.seen])
turns = (np.sign(free_rewards[1:]) != np.sign(free_rewards[:-1])).sum()
claim("greatest |mean D| on real digits, nothing holds the critic", np.abs(free_rewards).max(),
      at_least=10_000)  # fmt: skip
claim("how often this reward changes its sign", turns, at_least=1)
claim("greatest |mean D| on real digits, gradient penalty", np.abs(held_rewards).max(), at_most=20)

# %%
free_spread = [row["spread"] for row in without_dqn.seen]
claim("median variance between pictures, real = 1, nothing holds the critic",
      np.median(free_spread), at_most=0.02)  # fmt: skip
claim("variance between pictures at the end, gradient penalty", held.seen[-1]["spread"],
      at_least=0.35)  # fmt: skip
claim("digit-FID at the end, gradient penalty", score(held), at_most=75)

# %% [markdown]
# The reward of a *perfect* picture, a real digit, changes its sign. An agent that
# believes such a judge is praised today for what it is punished for tomorrow. Our reading: the
# generator follows each swing with all its pictures at once, so they stay alike. Held by a penalty, the
# same networks begin to draw.
#
# In notebook 06 a generator did learn against a critic that nothing held. It had convolutions, batch
# normalisation, an Adam without momentum, and one critic step a round. Which of these makes the
# difference, we have not measured. One of them you can try: *change* `critic_steps` to 1, train without
# the penalty, and look at the variance. Are the five steps to blame?

# %% [markdown]
# Everything in one figure. Each column is a moment of the training, from round 0 to round 300. Two rows
# belong together: the same two noises throughout.

# %%
films = {
    "the recipe": torch.stack(with_dqn.film, 1),
    "DQN part deleted": torch.stack(without_dqn.film, 1),
    "difference": (torch.stack(with_dqn.film, 1) - torch.stack(without_dqn.film, 1)).abs(),
    "deleted, and\ngradient penalty": torch.stack(held.film, 1),
}
print("noises, moments, planes, height, width:", tuple(films["difference"].shape))

# %% tags=["gallery"]
figure, all_axes = plt.subplots(4, 1, figsize=(8.8, 5.2), sharex=True)
for axes, (name, film) in zip(all_axes, films.items(), strict=True):
    grid = make_grid(film.flatten(0, 1), nrow=film.shape[1], padding=2, pad_value=0.5)
    axes.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1)
    axes.set_yticks([29.5], [name])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
number = [int(row["round"]) for row in held.seen]
all_axes[-1].set_xticks([15.5 + 30 * column for column in range(len(number))], number)
all_axes[-1].set_xlabel("rounds")
figure.suptitle("Deleting the DQN changes no pixel; holding the critic brings the digits")
plots.show(
    figure,
    "Four films from left to right, each of two pictures. The recipe: both pictures change "
    "together, from one pattern to the next, and never differ much. The recipe with its DQN part "
    "deleted: the same. Their difference: black throughout. Deleted, and the critic held by a "
    "gradient penalty: a blot, and then two rough shapes that differ and come near to digits.",
)

# %% [markdown]
# ## 9. What would have to change for the DQN to matter
#
# The idea is good: a judge that learns is a reward that nobody has to write. What is missing is a
# task for the agent. Take the sentence "the generator is an agent" at its word, and ask of each part
# of a Markov decision process what it is here.
#
# | part | as proposed | what is needed | where we do it |
# | --- | --- | --- | --- |
# | action | one; it does nothing | several, and the picture is made of them | 08, 09, 10 |
# | state | noise, before and after | what is on the canvas so far; each action changes it | 08, 09, 10 |
# | end | never | the picture is finished: terminated | 08, 09, 10 |
# | reward | a number with a slope, which backpropagation uses better | a judge of choices that have no slope: patches, strokes | 09, 10 |
# | judge | held by nothing | a scale and a zero that mean something: a logit | 08, 09, 10 |
# | many pictures | from noise, which the agent cannot use | from chance in the *policy*; greedy would give one picture | 08, 09 |
# | gradient | around the agent | through Q: the Q-network *is* the generator | 08, 09, 10 |
#
# Such agents exist. SPIRAL (Ganin et al. 2018) paints with a program that has no slope, for the reward of
# a Wasserstein critic that *is* held, and it learns by an actor-critic method.
#
# ## Recap
#
# - The recipe runs after seven decisions of ours. Running is not the same as working.
# - One action: nothing to choose, whatever $\varepsilon$ is.
# - A state that is its own successor and never ends: $Q = r/(1 - \gamma)$. The Q-network learns the
#   critic's number times 20, if the critic stands still.
# - No gradient leads from the agent to the generator. Delete the agent, and every bit stays.
# - With one random stream for all, the deletion *looks* like an effect. An agent that only draws has the
#   same one.
# - With one smooth decision the right policy gradient *is* the generator update.
# - What spoils these pictures is the critic. Here a gradient penalty mends that; no DQN could.
#
# ## What is now possible
#
# You can audit a combination of methods: follow the gradients, work out the fixed points, isolate the random
# streams, delete parts and compare. And you have a list of what a DQN needs. In notebook 08 we give it
# just that, on pictures so small that everything can be counted: then theory says exactly when a DQN is
# a generator.
#
# ## References
#
# - V. Mnih et al. (2015). Human-level control through deep reinforcement learning. *Nature* 518. The
#   agent of the seven steps; first as arXiv 1312.5602 (2013).
# - M. Arjovsky, S. Chintala, L. Bottou (2017). Wasserstein GAN. *ICML*. arXiv 1701.07875. The two losses,
#   five critic steps a round, and a critic that is held.
# - I. Gulrajani et al. (2017). Improved training of Wasserstein GANs. *NeurIPS*. arXiv 1704.00028. The
#   gradient penalty.
# - D. Silver et al. (2014). Deterministic policy gradient algorithms. *ICML*. Theorem 1 is the formula of
#   section 7.
# - D. Pfau, O. Vinyals (2016). Connecting generative adversarial networks and actor-critic methods. arXiv
#   1610.01945. What is the same in both, and what is not.
# - R. Williams (1992). Simple statistical gradient-following algorithms for connectionist reinforcement
#   learning. *Machine Learning* 8. Gradients from rewards alone.
# - Y. Ganin et al. (2018). Synthesizing programs for images using reinforced adversarial learning.
#   *ICML*. arXiv 1804.01118. SPIRAL.
# - P. Henderson et al. (2018). Deep reinforcement learning that matters. *AAAI*. arXiv 1709.06560. How
#   much a seed alone can change.
