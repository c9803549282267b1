# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Deep Q-Networks
#
# In notebook 01 the walker kept a table: one row for each cell, one column for each action.
# A pole on a cart has no cells. Its state is four real numbers, and no two moments are alike.
# How can an agent learn Q-values for states that it will never see twice?
#
# **Objectives.** After this notebook you can
#
# - replace a table by a network, and say why that is dangerous;
# - write the seven steps of a Deep Q-Network (DQN) yourself, and explain each of them;
# - train an agent that balances a pole for as long as it is asked to;
# - say what happens when a step is left out, with numbers.
#
# **You need** notebook 01. **Time:** about 50 minutes to read, about 2 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import csv

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from dqngan_lib import plots
from dqngan_lib.dqn import DQN, DQNSettings, linear_schedule, td_target
from dqngan_lib.dqn_training import TrainSettings, train_dqn
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.networks import QNetwork, parameter_count
from dqngan_lib.replay import ReplayBuffer
from dqngan_lib.rollout import Rollout, play
from dqngan_lib.runtime import claim, seed_everything

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %%
figure = plots.draw_cartpole(torch.tensor([0.3, 0.0, 0.12, 0.0]), "Which way should it push?")
plots.show(figure, "A black cart on a line. A pole stands on it and leans a little to the right.")

# %% [markdown]
# ## 1. From a table to a network
#
# **A table is a network already.** Write state $s$ as a vector of zeros with a single one: a
# *one-hot* vector $\phi(s)$. Then the table's entry is a product with a matrix of weights,
#
# $$Q(s, a) = \sum_i W_{ai}\, \phi_i(s).$$
#
# In words: the one picks a column of $W$, and that column holds the Q-values of state $s$.

# %%
table = torch.tensor([[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]])  # 3 states, 2 actions
network = nn.Linear(3, 2, bias=False)
network.weight.data = table.T.clone()

state_1 = torch.tensor([0.0, 1.0, 0.0])
print("row 1 of the table: ", table[1].tolist())
print("network at state 1: ", network(state_1).tolist())

# %% [markdown]
# **The update is a gradient step.** Q-learning moved one entry of the table by
# $\alpha\,(y - Q(s,a))$, with the target $y = r + \gamma \max_{a'} Q(s', a')$. A network has a loss
# instead, and a step against the gradient of that loss:
#
# $$L(\theta) = \tfrac12 \big(y - Q_\theta(s, a)\big)^2, \qquad
# \theta \leftarrow \theta + \alpha\,\big(y - Q_\theta(s, a)\big)\, \nabla_\theta Q_\theta(s, a).$$
#
# $\theta$ are the weights. The target $y$ counts as a fixed number: it has no gradient.
#
# By hand: state 1, action 0, target $y = 4$, learning rate $\alpha = 0.5$. The entry is 2. It
# must move to $2 + 0.5 \cdot (4 - 2) = 3$. One gradient step gives the same.

# %%
loss = 0.5 * (4.0 - network(state_1)[0]) ** 2
loss.backward()
with torch.no_grad():
    network.weight -= 0.5 * network.weight.grad
print(network.weight.T)

# %% [markdown]
# Only one number moved, as in the table. With other features than one-hot vectors, a step for
# one state moves the values of *other* states too. That is what we want: what was learnt in one
# state should help in states like it. It is also where the trouble starts.
#
# ## 2. What can go wrong: the deadly triad
#
# Three things are each useful and together dangerous (Sutton and Barto 2018, section 11.3):
#
# 1. **function approximation**: states share weights;
# 2. **bootstrapping**: the target contains the estimate itself;
# 3. **off-policy data**: states are not visited as often as the policy would visit them.
#
# The smallest example has one weight $w$ (Tsitsiklis and Van Roy 1997). Two states, all rewards
# zero, so the true values are zero. The network says $V(s_1) = w$ and $V(s_2) = 2w$. From $s_1$
# one always goes to $s_2$. Suppose we learn from this step alone, again and again:
#
# $$w \leftarrow w + \alpha\,(\underbrace{0 + \gamma \cdot 2w}_{y} - w) \cdot 1
#   = w\,\big(1 + \alpha(2\gamma - 1)\big).$$
#
# By hand, with $\alpha = 0.1$ and $\gamma = 0.9$: the factor is $1 + 0.1 \cdot 0.8 = 1.08$. So
# $w = 1,\; 1.08,\; 1.1664, \dots$ The estimate runs away from the true value 0.


# %%
def learn_from(features: list[float], next_features: list[float], updates: int) -> list[float]:
    """Repeat Q-learning's update on the given steps with one weight; return it after each."""
    w, history = 1.0, [1.0]
    for _ in range(updates):
        step = 0.0
        for x, x_next in zip(features, next_features, strict=True):
            y = 0.0 + 0.9 * x_next * w
            step += 0.1 * (y - x * w) * x
        w += step
        history.append(w)
    return history


only_first = learn_from([1.0], [2.0], updates=50)
print([round(w, 4) for w in only_first[:4]])

# %% [markdown]
# Now suppose that we also learn from the second state, from which the episode ends. An agent
# that follows the episodes would see both steps equally often. The extra term is
# $\alpha\,(0 - 2w) \cdot 2 = -4\alpha w$, and the factor becomes $1 + 0.1\,(0.8 - 4) = 0.68$: the
# weight shrinks to the true value.

# %%
both_states = learn_from([1.0, 2.0], [2.0, 0.0], updates=50)

figure, axes = plt.subplots()
axes.plot(only_first, color=plots.COLORS["dqn"], label="only the first state")
axes.plot(both_states, color=plots.COLORS["ceiling"], linestyle="--", label="both states")
axes.axhline(0, color=plots.COLORS["baseline"], linestyle=":", label="true value")
axes.set_xlabel("updates")
axes.set_ylabel("weight w")
axes.set_title("With the wrong mixture of states the estimate runs away")
axes.legend()
plots.show(
    figure,
    "The weight over 50 updates. Learning from the first state alone it grows without end; "
    "learning from both states it falls to the true value zero within ten updates.",
)

# %%
claim("weight after 50 updates on the first state alone (true: 0)", only_first[-1], at_least=40)
claim("weight after 50 updates on both states (true: 0)", abs(both_states[-1]), at_most=1e-6)

# %% [markdown]
# Does a **target network** cure it? Its idea: compute $y$ with an older copy $w^-$ of the weight,
# and copy $w$ to $w^-$ only now and then. Between two copies the target stands still,
# $y = 2\gamma w^-$, so $w$ settles there. Then comes the copy. A guess first: where will five copies
# lead, with 100 updates between them?

# %%
w = 1.0
for _ in range(5):
    w_old = w
    for _ in range(100):
        w += 0.1 * (0.0 + 0.9 * 2 * w_old - w)
print(f"w = {w:.4f}, and 1.8 to the power of 5 is {1.8**5:.4f}")
claim("weight after five copies, with a target network (true: 0)", w, at_least=18)

# %% [markdown]
# Each copy multiplies the weight by $2\gamma = 1.8$. A target network makes the steps calm, but it
# does not change where they lead. What cured the example was the right mixture of states. A DQN
# has both: a target network for calm, a replay memory for the mixture.
#
# *Change* $\gamma$ from 0.9 to 0.4 in `learn_from` and run it again. Why is it stable now?
# (Look at the sign of $2\gamma - 1$.)
#
# ## 3. The problem: a pole on a cart
#
# CartPole-v1 comes with Gymnasium. A pole stands on a cart. At each step push the cart to the
# left (action 0) or to the right (action 1). Each step gives reward 1.

# %%
cartpole = gymnasium.make("CartPole-v1")
observation, info = cartpole.reset(seed=seed)
names = ("position in m", "speed in m/s", "angle in rad", "angular speed in rad/s")
for name, low, high in zip(
    names, cartpole.observation_space.low, cartpole.observation_space.high, strict=True
):
    print(f"{name:24s} from {low:.3g} to {high:.3g}")
print("actions:", cartpole.action_space.n)

# %% [markdown]
# An episode can end in two ways, and they do not mean the same.
#
# - **terminated**: the pole leans by more than 12° or the cart leaves the track at ± 2.4 m. It
#   is over. No reward follows, so the value of what follows is 0.
# - **truncated**: 500 steps are up. Somebody switched the camera off; the pole stands, and rewards
#   would have gone on. The value of what follows is *not* 0.
#
# How good is an agent that pushes at random? One hundred episodes will tell. Gymnasium runs them
# side by side: a *vector environment* takes 100 actions and returns 100 observations.

# %%
hundred = gymnasium.make_vec("CartPole-v1", num_envs=100, vectorization_mode="vector_entry_point")
generator = torch.Generator().manual_seed(seed)


def random_policy(observation: Tensor) -> Tensor:
    """Push left or right by the toss of a coin."""
    return torch.randint(2, (len(observation),), generator=generator)


random_return = play(random_policy, hundred, seed=seed + 10_000).mean().item()
claim("mean return of random pushes", random_return, between=(15, 30))

# %% [markdown]
# So random pushes keep the pole up for about half a second: one step is 0.02 s. The best possible
# return is 500. These two numbers are the floor and the ceiling of everything below.
#
# ## 4. The seven steps
#
# A Deep Q-Network (Mnih et al. 2015) is Q-learning with a network and two remedies. We build it
# one step at a time, and meet the package's version of each step beside ours.
#
# ### Step 1: initialise two networks
#
# The online network $Q_\theta$ learns. The target network $Q_{\theta^-}$ has the same shape and
# starts as a copy. Two hidden layers are enough here.

# %%
torch.manual_seed(seed)
q_network = nn.Sequential(
    nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
)
target_network = nn.Sequential(
    nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
)
target_network.load_state_dict(q_network.state_dict())
print(parameter_count(q_network), "weights; Q-values of two observations:")
print(tuple(q_network(torch.zeros(2, 4)).shape), "= (batch, actions)")

# %% [markdown]
# ### Step 2: choose an action, ε-greedy
#
# With probability $\varepsilon$ push at random; else take the action of the greatest Q-value.
# Early on the Q-values mean nothing, so $\varepsilon$ starts at 1 and falls in a straight line.


# %%
def act(observation: Tensor, epsilon: float) -> int:
    """Return an ε-greedy action for one observation, shape (4,)."""
    if torch.rand((), generator=generator) < epsilon:
        return torch.randint(2, (), generator=generator).item()
    with torch.no_grad():
        return q_network(observation).argmax().item()


for step in (0, 500, 1000, 5000):
    print(f"step {step:5d}: epsilon = {linear_schedule(step, start=1.0, end=0.05, steps=1000):.3f}")

# %% [markdown]
# ### Step 3: take a step in the environment
#
# The environment answers with five things. Keep `terminated` and `truncated` apart.

# %%
observation = torch.as_tensor(observation)
action = act(observation, epsilon=1.0)
next_observation, reward, terminated, truncated, info = cartpole.step(action)
print("reward", reward, "| terminated", terminated, "| truncated", truncated)

# %% [markdown]
# ### Step 4: store the transition
#
# A **replay buffer** keeps the newest transitions. Learning from them in random order has two
# effects. Neighbours in time look alike, and a batch of look-alikes pulls the network to one
# corner; a random batch does not. And each transition is used many times.

# %%
memory = ReplayBuffer(capacity=10_000, seed=seed)
observation, _ = cartpole.reset(seed=seed)
for _ in range(500):
    action = act(torch.as_tensor(observation), epsilon=1.0)
    next_observation, reward, terminated, truncated, _ = cartpole.step(action)
    memory.add(
        observation=observation[None],
        action=[action],
        reward=np.float32([reward]),
        terminated=[terminated],
        truncated=[truncated],
        next_observation=next_observation[None],
    )
    ended = terminated or truncated
    observation = cartpole.reset()[0] if ended else next_observation
print(len(memory), "transitions stored")

# %% [markdown]
# ### Step 5: sample a minibatch and compute the loss
#
# The target of a transition is
#
# $$y = r + \gamma\,(1 - \text{terminated})\, \max_{a'} Q_{\theta^-}(s', a').$$
#
# First by hand, on three transitions with $\gamma = 0.9$. All rewards are 1.
#
# | row | terminated | truncated | $Q_{\theta^-}(s', \cdot)$ | $y$ |
# | --- | --- | --- | --- | --- |
# | 0 | no | no | 10, 20 | $1 + 0.9 \cdot 20 = 19$ |
# | 1 | yes | no | 10, 20 | $1$ |
# | 2 | no | yes | 30, 5 | $1 + 0.9 \cdot 30 = 28$ |
#
# Row 2 was cut off by the clock. Its value goes on, so it is bootstrapped like row 0.

# %%
gamma = 0.9
r = torch.tensor([1.0, 1.0, 1.0])
ended_itself = torch.tensor([False, True, False])
next_q_values = torch.tensor([[10.0, 20.0], [10.0, 20.0], [30.0, 5.0]])

y = r + gamma * (1 - ended_itself.float()) * next_q_values.max(1).values
print("ours:   ", y.tolist())
print("package:", td_target(r, ended_itself, next_q_values.max(1).values, gamma).tolist())

# %% [markdown]
# Now a real batch. `gather` picks, in each row, the Q-value of the action that was taken.

# %%
gamma = 0.99
batch = memory.sample(64)
with torch.no_grad():
    next_value = target_network(batch["next_observation"]).max(1).values
    y = batch["reward"] + gamma * (1 - batch["terminated"].float()) * next_value
q_taken = q_network(batch["observation"]).gather(1, batch["action"].unsqueeze(1)).squeeze(1)
loss = 0.5 * ((y - q_taken) ** 2).mean()
print("q_taken", tuple(q_taken.shape), "| y", tuple(y.shape), "| loss", tuple(loss.shape))

# %% [markdown]
# ### Exercise 02.1 · The Q-value of the action taken
#
# Difficulty ●○○○○ · importance ●●●●● · 5 minutes. Help: `hint("02.1")`, `solution("02.1")`
#
# Return the Q-value of the action taken in each row, without a loop.


# %% tags=["exercise"] exercise="02.1"
def taken_q_values(q_values: Tensor, action: Tensor) -> Tensor:
    """Return the Q-value of the action taken in each row.

    q_values: float, shape (batch, actions). action: int64, shape (batch,), from 0.
    Returns: float, shape (batch,).
    """
    ...


# %%
check("02.1", taken_q_values)

# %% [markdown]
# ### Exercise 02.2 · The targets of a batch
#
# Difficulty ●●○○○ · importance ●●●●● · 10 minutes. Help: `hint("02.2")`, `solution("02.2")`
#
# Write the targets of a batch. All four combinations of `terminated` and `truncated` occur.


# %% tags=["exercise"] exercise="02.2"
def td_targets(
    reward: Tensor, terminated: Tensor, truncated: Tensor, next_q_values: Tensor, discount: float
) -> Tensor:
    """Return the TD target y of each row.

    reward: float (batch,). terminated, truncated: bool (batch,).
    next_q_values: float (batch, actions), from the target network. discount: from 0 to 1.
    Returns: float (batch,).
    """
    ...


# %%
check("02.2", td_targets)

# %% [markdown]
# ### Step 6: one gradient step
#
# Adam takes the step. We give the package's agent the same networks and the same batch, and let
# it do steps 5 and 6 at once with `update`.

# %%
agent = DQN(QNetwork(4, 2), DQNSettings(learning_rate=1e-3, discount=gamma))
agent.q_network.layers.load_state_dict(q_network.state_dict())
agent.target_network.layers.load_state_dict(target_network.state_dict())
agent.update(batch)

optimizer = torch.optim.Adam(q_network.parameters(), lr=1e-3)
optimizer.zero_grad()
loss.backward()
nn.utils.clip_grad_norm_(q_network.parameters(), 10.0)
optimizer.step()

# %%
difference = max(
    (ours - theirs).abs().max().item()
    for ours, theirs in zip(q_network.parameters(), agent.q_network.parameters(), strict=True)
)
claim("greatest difference between our weights and the package's", difference, at_most=1e-6)

# %% [markdown]
# ### Exercise 02.3 · Steps 5 and 6 in one function
#
# Difficulty ●●●○○ · importance ●●●●● · 15 minutes. Help: `hint("02.3")`, `solution("02.3")`
#
# Write the loss of a batch as a function of both networks. The check looks at the value *and* at
# the gradient: where may it flow, and where not?


# %% tags=["exercise"] exercise="02.3"
def dqn_loss(
    q_network: nn.Module, target_network: nn.Module, batch: dict[str, Tensor], discount: float
) -> Tensor:
    """Return the mean of ½ (y − Q(s, a))² over the batch, shape ().

    batch: observation and next_observation float (batch, 4), action int64 (batch,),
    reward float (batch,), terminated bool (batch,).
    """
    ...


# %%
check("02.3", dqn_loss)

# %% [markdown]
# ### Step 7: update the target network every so often
#
# Either copy $\theta$ to $\theta^-$ every few hundred gradient steps (Mnih et al. 2015), or move
# $\theta^-$ a little at every step (Lillicrap et al. 2015):
#
# $$\theta^- \leftarrow (1 - \rho)\,\theta^- + \rho\,\theta.$$
#
# With $\rho = 1$ it is a copy. The package's agent knows both: `target_rate` is $\rho$, and
# `target_every` is the number of gradient steps between two updates.

# %%
rho = 0.05
with torch.no_grad():
    for slow, fast in zip(target_network.parameters(), q_network.parameters(), strict=True):
        slow.mul_(1 - rho).add_(rho * fast)
pairs = zip(target_network.parameters(), agent.target_network.parameters(), strict=True)
same = all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)
print("our target network equals the package's after its first update:", same)

# %% [markdown]
# ### Exercise 02.4 · Step 7 for any two networks
#
# Difficulty ●●○○○ · importance ●●●○○ · 10 minutes. Help: `hint("02.4")`, `solution("02.4")`
#
# Write step 7 for any pair of networks, in place.


# %% tags=["exercise"] exercise="02.4"
def update_target(target_network: nn.Module, q_network: nn.Module, rate: float) -> None:
    """Move every parameter of target_network towards that of q_network by the share rate.

    rate: ρ, from 0 (nothing moves) to 1 (a copy). Changes target_network; returns nothing.
    """
    ...


# %%
check("02.4", update_target)

# %% [markdown]
# ### The loop
#
# The seven steps follow each other until the budget is spent.

# %%
steps = (
    "1 initialise\ntwo networks",
    "2 choose an\naction",
    "3 step in the\nenvironment",
    "4 store the\ntransition",
    "5 sample,\ncompute loss",
    "6 gradient\nstep",
    "7 move target\nnetwork",
)
figure = plots.draw_cycle(steps, repeat_from=1, title="Step 1 comes once; steps 2 to 7 go round")
plots.show(
    figure, "Seven boxes in a row, one for each step. An arrow leads from step 7 back to step 2."
)

# %% [markdown]
# Here is the whole algorithm for one environment. Read it from top to bottom: each line is one
# of the steps. `Rollout` starts a new episode whenever one ends, and says in `valid` whether a
# step was a real one.


# %%
def dqn(agent: DQN, envs: gymnasium.vector.VectorEnv, steps: int) -> None:
    """Train an agent (step 1) by the steps 2 to 7."""
    memory, rollout = ReplayBuffer(capacity=steps, seed=seed), Rollout(envs)
    observation = rollout.start(seed)
    for step in range(steps):
        epsilon = linear_schedule(step, start=1.0, end=0.05, steps=steps // 2)
        action = agent.act(observation, epsilon)  # step 2
        t = rollout.step(action)  # step 3
        if t.valid:  # step 4
            memory.add(
                observation=t.observation,
                action=t.action,
                reward=t.reward,
                terminated=t.terminated,
                truncated=t.truncated,
                next_observation=t.next_observation,
            )
        if len(memory) >= 200:
            agent.update(memory.sample(64))  # steps 5, 6 and 7
        observation = rollout.observation


# %% [markdown]
# ### Exercise 02.5 · A mistake that no error message reports
#
# Difficulty ●●●●○ · importance ●●●●○ · 15 minutes. Help: `hint("02.5")`, `solution("02.5")`
#
# A vector environment starts new episodes by itself. CartPole's does it in the mode called
# `NEXT_STEP`: when an environment has ended, its *next* step ignores the action and only resets,
# with reward 0. Such a step leads from the end of one episode to the start of another. It never
# happened, and must not be stored. Which steps are real?


# %% tags=["exercise"] exercise="02.5"
def real_steps(terminated: Tensor, truncated: Tensor) -> Tensor:
    """Return which steps of a NEXT_STEP vector environment are real transitions.

    terminated, truncated: bool (steps, environments), as `step` returned them, from the first
    step after a reset on.
    Returns: bool (steps, environments).
    """
    ...


# %%
check("02.5", real_steps)

# %% [markdown]
# Four thousand steps are little: 80 seconds in the life of a pole. Before you run it, guess: will
# the trained agent beat random pushes?

# %%
one = gymnasium.make_vec("CartPole-v1", num_envs=1, vectorization_mode="vector_entry_point")
torch.manual_seed(seed)
first_agent = DQN(QNetwork(4, 2), DQNSettings(discount=0.98), seed=seed)
dqn(first_agent, one, steps=4_000)
first_return = play(first_agent.act, hundred, seed=seed + 10_000).mean().item()
claim("mean return after 4,000 steps minus that of random pushes", first_return - random_return,
      at_least=20)

# %% [markdown]
# It learns. But it is far from 500, and more steps alone help less than one would think. Let us
# look for the reason before we train longer.
#
# ## 5. Look at the inputs first
#
# The four numbers of an observation have different units. What does the network see?

# %%
scale = (2.4, 2.0, 0.21, 2.0)  # edge of the track, usual speed, 12 degrees, usual angular speed
numbers = memory.fields["observation"][: len(memory)]
figure, (left, right) = plt.subplots(1, 2, sharey=True)
for axes, values, title in (
    (left, numbers, "As they come"),
    (right, numbers / torch.tensor(scale), "Divided by a scale"),
):
    axes.boxplot(values.T.tolist(), orientation="horizontal", widths=0.6, sym="")
    axes.set_title(title)
    axes.set_xlabel("value")
left.set_yticks(range(1, 5), ["position", "speed", "angle", "angular speed"])
plots.show(
    figure,
    "Box plots of the four numbers in the memory. As they come, the angle and the position fill "
    "a narrow range and the two speeds a wide one. Divided by a scale they are more alike.",
)

# %% [markdown]
# The angle decides everything, yet its range is about ten times narrower than that of the angular
# speed. To a fresh network it is a whisper beside a shout. It *can* learn to listen, by large
# weights, and that takes long.
#
# So divide each number by a size that is typical for it. These sizes come from the rules of the
# game, not from a search: the track ends at 2.4 m, and 12° are 0.21 rad. `QNetwork` does the
# division in its first line when it is given a `scale`.
#
# ## 6. Full size
#
# `train_dqn` is the loop above with eight environments at once and one more habit. **The last
# network of a run is not its best.** So every 1,000 steps the agent plays 50 episodes greedily, in
# environments of their own, and the best weights are kept. The run ends when these 50 episodes
# reach a mean of 495, or when the budget is spent.
#
# If you stop it (the ■ button above), it returns what it has learnt so far. In JupyterLab and
# Colab a curve grows while it runs.

# %%
eight = gymnasium.make_vec("CartPole-v1", num_envs=8, vectorization_mode="vector_entry_point")
fifty = gymnasium.make_vec("CartPole-v1", num_envs=50, vectorization_mode="vector_entry_point")


def evaluate(agent: DQN) -> float:
    """Return the mean greedy return over 50 episodes that are the same every time."""
    return play(agent.act, fifty, seed=seed + 20_000).mean().item()


learning = DQNSettings(discount=0.99, learning_rate=2e-3, target_every=10, target_rate=1.0)
budget = TrainSettings(steps=40_000, learn_after=500, evaluate_every=1_000, stop_score=495)

# %%
torch.manual_seed(seed)
agent = DQN(QNetwork(4, 2, scale=scale), learning, seed=seed)
curve = plots.LiveCurve("mean return of 50 episodes")
history = train_dqn(agent, eight, evaluate, budget, seed=seed, watch=curve)

# %% [markdown]
# The test uses 100 fresh episodes, with a seed that neither the training nor the evaluations have
# seen.

# %%
returns = play(agent.act, hundred, seed=seed + 30_000)
claim("mean greedy return over 100 fresh episodes", returns.mean().item(), at_least=475)
print(f"training took {history.seconds[-1]:.1f} s at {history.steps_per_second:.0f} steps/s")

# %% [markdown]
# That is the ceiling, or very near. Now the same agent with the inputs as they come.

# %%
torch.manual_seed(seed)
raw_agent = DQN(QNetwork(4, 2), learning, seed=seed)
raw_history = train_dqn(raw_agent, eight, evaluate, budget, seed=seed)

# %% tags=["gallery"]
blue = {"color": plots.COLORS["dqn"], "marker": "o", "markersize": 4}
orange = {"color": plots.COLORS["accent"], "marker": "s", "markersize": 3}
figure, axes = plt.subplots(figsize=(7.0, 3.4))
axes.axhline(500, color=plots.COLORS["ceiling"], linestyle="--")
axes.axhline(random_return, color=plots.COLORS["baseline"], linestyle=":")
axes.plot(raw_history.step, raw_history.score, label="inputs as they come", **orange)
axes.plot(history.step, history.score, label="inputs scaled", **blue)
axes.text(40_800, 500, "ceiling", color=plots.COLORS["ceiling"], va="center", backgroundcolor="w")
axes.text(40_800, random_return, "random", color="black", va="center", backgroundcolor="w")
axes.set(xlim=(0, 46_000), ylim=(0, 540))
axes.set(xlabel="environment steps", ylabel="mean return of 50 episodes")
axes.set_title("With inputs of one size the pole soon stands")
axes.legend(loc=(0.62, 0.1))
plots.show(
    figure,
    "Two learning curves between the line of random play and the ceiling of 500. With scaled "
    "inputs the curve reaches the ceiling after a few thousand steps. With the inputs as they "
    "come it takes longer or does not arrive, and it jumps up and down.",
)

# %% [markdown]
# Two things to see. Dividing the inputs was worth more than any number of further steps. And the
# curves jump: a network that stood the pole for 400 steps can forget how within the next thousand.
# Each gradient step for what the agent does *now* also moves the values of what it did before;
# section 2 was a small case of it. That is why the best weights are kept.
#
# *Change* `updates_per_step` in `budget` to 4, or take `stop_score` away, and run the last cells
# again: look for the jumps.
#
# ### Does the agent know how good it is?
#
# The greatest Q-value of the first observation should be the discounted return. With reward 1 in
# each of 500 steps that is
#
# $$\sum_{t=0}^{499} \gamma^t = \frac{1 - \gamma^{500}}{1 - \gamma}.$$

# %%
gamma = learning.discount
perfect = (1 - gamma**500) / (1 - gamma)
print(f"discounted return of a perfect episode: {perfect:.2f}")

first_observation = Rollout(hundred).start(seed + 30_000)
predicted = agent.q_values(first_observation).max(1).values.mean().item()
print(f"the agent's own estimate at its start: (measured {predicted:.1f})")

# %% [markdown]
# They differ: the network acts perfectly and is wrong about what that is worth. It needs only the
# *order* of its two Q-values to be right. How wrong, and in which direction? Notebook 03 takes up
# that question.
#
# ### A film
#
# One episode of the trained agent, every eighth step.

# %%
rollout = Rollout(one)
observation, frames = rollout.start(seed + 40_000), []
for step in range(400):
    if step % 8 == 0:
        figure = plots.draw_cartpole(observation[0], title=f"step {step}")
        frames.append(plots.figure_to_array(figure))
    rollout.step(agent.act(observation))
    observation = rollout.observation
plots.film(
    frames,
    "A film of a cart on a track. A pole stands on it; the cart makes small moves to the left and "
    "to the right and the pole stays upright.",
)

# %% [markdown]
# *The film in words: the cart makes small moves to both sides, and the pole stays upright.* For
# those who print this page, here are five of its frames.

# %%
figure, all_axes = plt.subplots(1, 5, figsize=(7.4, 1.3))
for axes, number in zip(all_axes, (0, 12, 24, 36, 48), strict=True):
    axes.imshow(frames[number])
    axes.set_axis_off()
plots.show(figure, "Five frames of the film from left to right: in each the pole is upright.")

# %% [markdown]
# ## 7. Take one thing away at a time
#
# Which of the steps does the work? Each row of the table trains the same agent for 16,000 steps
# with one change, on three seeds. The command `python course.py study 02` made it; it takes a few
# minutes.
#
# - **no replay**: learn from the eight newest transitions alone;
# - **no target network**: copy $\theta$ to $\theta^-$ after each gradient step;
# - **no exploration**: $\varepsilon = 0$ from the beginning;
# - **truncation as termination**: the clock's end is stored as the pole's fall;
# - **clock of 50 steps**: training episodes are cut off after 50 steps, and stored rightly; the test
#   still runs for 500;
# - **clock of 50, as termination**: the same, stored as falls;
# - **inputs not scaled**: section 5;
# - **errors clipped at 1**: Huber's loss instead of the square. Mnih et al. (2015) clip, because
#   the scores of their games differ widely. Here Q-values are near 100, so a fall is an error of
#   about −100. Clipped, the most important lesson counts no more than an error of −1.
#
# Before you look: which removal hurts most? Which least?

# %%
with (folder / "benchmarks" / "results" / "02_removals.csv").open(encoding="utf-8") as file:
    measured = list(csv.DictReader(file))
variants = list(dict.fromkeys(row["variant"] for row in measured))


def column(variant: str, name: str) -> list[float]:
    """Return one column of a variant's rows, a number for each seed."""
    return [float(row[name]) for row in measured if row["variant"] == variant]


# %% tags=["nbval-ignore-output"]
rows = [["random pushes (floor)", f"{random_return:.0f}", "", ""]]
for variant in variants:
    numbers = [column(variant, name) for name in ("best", "average", "q_value")]
    rows.append([variant, *(" · ".join(f"{x:.0f}" for x in three) for three in numbers)])
rows.append(["the best possible (ceiling)", "500", "", f"{perfect:.0f}"])
plots.table(
    rows,
    ["variant", "best network", "mean of all evaluations", "its estimate at the end"],
    "Return on 100 fresh episodes, return along the way, and mean greatest Q-value; three seeds.",
)

# %%
figure, axes = plt.subplots(figsize=(7.0, 4.0))
for place, variant in enumerate(variants):
    axes.plot(column(variant, "best"), [place - 0.15] * 3, "o", color=plots.COLORS["dqn"])
    axes.plot(column(variant, "average"), [place + 0.15] * 3, "x", color=plots.COLORS["accent"])
axes.set_yticks(range(len(variants)), variants)
axes.invert_yaxis()
axes.axvline(500, color=plots.COLORS["ceiling"], linestyle="--")
axes.axvline(random_return, color=plots.COLORS["baseline"], linestyle=":")
axes.set_xlabel("return (dots: best network; crosses: mean of all evaluations)")
axes.set_title("Some removals cost the result, some only the calm on the way")
plots.show(
    figure,
    "One row for each variant with three dots for the best networks of three seeds and three "
    "crosses for the means of all evaluations, between the random floor and the ceiling of 500. "
    "The table above has the same numbers.",
)

# %% [markdown]
# What the table says, row by row.
#
# - **No replay**: the agent learns something and loses it again. It never stands for long.
# - **No target network**: the estimates leave all bounds. The last line of the table holds the value
#   of a perfect episode; these networks believe in many times that. Each estimate is the target
#   of the one before it, so errors feed themselves.
# - **No exploration**: some seeds stay *below* random pushes. Their first network always pushes to
#   the same side. It falls, learns from falling, and never sees that there is another way.
# - **Truncation as termination**: with the clock at 500 the row is the same as the first one, to the
#   last digit. Within 16,000 steps no training episode reached the clock, so the mistake was never
#   made. This is how it hides.
# - **The clock at 50** brings it to light: stored as falls, the ends make the estimate about half of
#   what it should be. As in notebook 01, all values are spoilt and the actions hardly: an agent
#   that expects to live for 50 steps has an even simpler task. But ask it what its state is worth,
#   and it is wrong.
# - **Inputs not scaled** and **errors clipped at 1** stay far from 500. Neither is one of the seven
#   steps, and each matters as much as they do.
#
# So a good return does not prove good values, good values do not prove a good return, and a
# falling loss proves neither. Measure what you care about.
#
# A table is only worth something if you can make it again. So one row runs here, live: no target
# network, with the seed of this notebook.

# %%
sixteen = TrainSettings(steps=16_000, learn_after=500, evaluate_every=1_000)
chasing = DQNSettings(discount=0.99, learning_rate=2e-3, target_every=1, target_rate=1.0)
torch.manual_seed(seed)
chaser = DQN(QNetwork(4, 2, scale=scale), chasing, seed=seed)
chaser_history = train_dqn(chaser, eight, evaluate, sixteen, seed=seed)
average = np.mean(chaser_history.score)

# %%
stored = column("no target network", "average")
low, high = round(min(stored)) - 100, round(max(stored)) + 100
claim("mean of all evaluations, no target network: the table's spread ± 100",
      average, between=(low, high))
claim("greatest estimate, no target network, in perfect episodes",
      max(chaser_history.q_value) / perfect, at_least=2)

# %%
steady = DQNSettings(discount=0.99, learning_rate=2e-3, target_every=10, target_rate=1.0)
torch.manual_seed(seed)
waiter = DQN(QNetwork(4, 2, scale=scale), steady, seed=seed)
waiter_history = train_dqn(waiter, eight, evaluate, sixteen, seed=seed)

# %%
figure, axes = plt.subplots()
axes.semilogy(
    chaser_history.step[1:], chaser_history.q_value[1:], label="no target network", **orange
)
axes.semilogy(
    waiter_history.step[1:], waiter_history.q_value[1:], label="copied every 10 updates", **blue
)
axes.axhline(perfect, color=plots.COLORS["ceiling"], linestyle="--", label="perfect episode")
axes.set_xlabel("environment steps")
axes.set_ylabel("mean greatest Q-value")
axes.set_title("Without a target network the estimate runs away")
axes.legend()
plots.show(
    figure,
    "Mean greatest Q-value over 16,000 steps on a logarithmic axis. With a target network it "
    "settles near the value of a perfect episode. Without one it climbs far above.",
)

# %% [markdown]
# ## Recap
#
# - A table is a network on one-hot vectors. Other networks share weights between states: that is
#   their strength and their danger.
# - A DQN is Q-learning with a network, a replay memory (for the mixture) and a target network (for
#   calm). Seven steps, each a line or two.
# - Termination stops the bootstrap; truncation does not.
# - Look at the inputs before you look at the algorithm.
# - The last network is not the best. Evaluate on episodes of their own, keep the best, and test on
#   others again.
#
# ## What is now possible
#
# You can train an agent in any environment with a few actions, from
# observations that no table could hold. In notebook 03 the observations become pictures, and we
# ask why the estimates are too high.
#
# ## References
#
# - V. Mnih et al. (2015). Human-level control through deep reinforcement learning. *Nature* 518.
#   First as: Playing Atari with deep reinforcement learning (2013). arXiv 1312.5602.
# - L.-J. Lin (1992). Self-improving reactive agents based on reinforcement learning, planning and
#   teaching. *Machine Learning* 8. Replay.
# - J. Tsitsiklis, B. Van Roy (1997). An analysis of temporal-difference learning with function
#   approximation. *IEEE Transactions on Automatic Control* 42. The example with one weight.
# - R. Sutton, A. Barto (2018). *Reinforcement Learning: An Introduction*, 2nd edition, MIT Press.
#   Chapter 11 has the deadly triad.
# - T. Lillicrap et al. (2015). Continuous control with deep reinforcement learning. arXiv
#   1509.02971. The target network that moves slowly.
# - F. Pardo, A. Tavakoli, V. Levdik, P. Kormushev (2018). Time limits in reinforcement learning.
#   arXiv 1712.00378.
# - A. Barto, R. Sutton, C. Anderson (1983). Neuronlike adaptive elements that can solve difficult
#   learning control problems. *IEEE Transactions on Systems, Man, and Cybernetics* 13. The pole.
