# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Q-learning
#
# A walker stands on a slippery floor. One step in five slides to the side.
# The goal is worth +1, the pit costs 1, and every step costs a little.
# Two ways of five steps lead from the start to the goal. **Which one would you take?
# And how could a walker find out who does not even know that the floor is slippery?**
#
# The first question has an exact answer, and a formula from 1957 gives it.
# The second one is reinforcement learning. Its best known answer, Q-learning, is one line of code.
# The rest of this course is built on this line.
#
# **Objectives.** After this notebook you can
#
# - work out a discounted return by hand, and say what the discount does to a decision;
# - read and draw the Bellman equation, and solve it by value iteration;
# - write tabular Q-learning with an ε-greedy walker, and test it against the exact answer;
# - say how three things break it: no exploration, a wrong learning rate, and a time limit
#   that is stored as an end.
#
# **You need** notebook 00, Python, and what a mean is. No machine learning yet.
#
# **Time.** 50 minutes to read, 1 minute to run, and about 75 minutes for the five exercises.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import torch

from dqngan_lib import grid_plots, plots, tabular
from dqngan_lib.environments import GridWorld
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.runtime import claim, seed_everything
from dqngan_lib.widgets import BackupStepper

seed = seed_everything(0)

# %% [markdown]
# ## 1. The world
#
# Here is the floor. The small numbers are the names of the cells.
# The classic world is from Russell and Norvig's textbook.

# %%
world = GridWorld()
figure, axes = plt.subplots(figsize=(5.2, 3.6))
title = "Two ways lead to the goal; one of them passes the pit"
grid_plots.draw_world(axes, world, numbers=True, title=title)
axes.plot([0, 0, 2.4], [1.75, 0.2, 0.2], color=plots.COLORS["dqn"], linewidth=3)
axes.plot([0.3, 2, 2, 2.4], [2, 2, 0.32, 0.32], "--", color=plots.COLORS["generated"], linewidth=3)
plots.show(
    figure,
    "The floor: three rows of four cells, numbered 0 to 11 from the top left. Cell 8, bottom "
    "left, is the start, cell 3, top right, the goal, cell 7 below it the pit, cell 5 a wall. "
    "A solid line goes up and then right along the top. A dashed line goes right along the "
    "bottom and then up through cell 6, next to the pit.",
)

# %% [markdown]
# Four words for the whole course:
#
# | word | symbol | here |
# | --- | --- | --- |
# | **state** | $s$ | the cell that the walker is in, 0 to 11 |
# | **action** | $a$ | 0 up, 1 right, 2 down, 3 left |
# | **reward** | $r$ | −0.04 a step; +1 more for reaching the goal, −1 more for the pit |
# | **transition probability** | $P(s' \mid s, a)$ | the chance to be in $s'$ after $a$ in $s$ |
#
# What happens next depends on $s$ and $a$ alone, not on how the walker came there.
# A world like this is called a **Markov decision process**.
# A walk from the start to the goal or the pit is an **episode**.

# %%
P, r = world.model()
print("P has shape", tuple(P.shape), "and r has shape", tuple(r.shape))
for s_next in P[8, 0].nonzero().flatten().tolist():
    print(f"P(s' = {s_next} | s = 8, a = up) = {P[8, 0, s_next]:.1f}")

# %% [markdown]
# "Up" from the start leads up in 8 cases of 10. In one of 10 the walker slides right, and in one
# of 10 left, into the border: then it stays.
# Is this table true? Let 20,000 walkers take one step up, and count where they are.

# %%
many = GridWorld(num_envs=20_000)
many.reset(seed=seed)
observation, *_ = many.step(torch.zeros(20_000, dtype=torch.long))
frequency = observation.bincount(minlength=12) / 20_000
difference = (frequency - P[8, 0]).abs().max()
claim("greatest difference between counted and true chances", difference, at_most=0.02)

# %% [markdown]
# **Change** the action to "right" (`torch.ones`) here and in `P[8, 0]`, and run again:
# look for which three cells are reached now.

# %% [markdown]
# ## 2. Return and discount
#
# *What is a whole walk worth?*
# Take a lucky walk of three steps that ends in the goal. Its rewards are −0.04, −0.04 and 0.96.
#
# The **return** $G$ adds the rewards up, and lets later ones count less:
#
# $$G = r_0 + \gamma\, r_1 + \gamma^2 r_2 + \dots = \sum_t \gamma^t r_t$$
#
# $\gamma$ is the **discount**, a number from 0 to 1. By hand, with $\gamma = 0.9$:
#
# $$G = -0.04 + 0.9 \cdot (-0.04) + 0.81 \cdot 0.96 = -0.04 - 0.036 + 0.7776 = 0.7016$$

# %%
discount = 0.9
rewards = [-0.04, -0.04, 0.96]
G = sum(discount**t * rewards[t] for t in range(3))
print(f"G = {G:.4f}")

# %% [markdown]
# There is a second way to the same number, from the back. After the last step nothing follows.
# Each earlier step adds its reward to $\gamma$ times what follows: $G_t = r_t + \gamma\, G_{t+1}$.
# Remember this line. The whole notebook is this line with a few more letters.

# %%
G = 0.0
for t in (2, 1, 0):
    G = rewards[t] + discount * G
    print(f"from step {t} on: G = {G:.4f}")

# %% [markdown]
# What does $\gamma$ mean? A prize of 1 that lies $n$ steps ahead is worth $\gamma^n$ now.

# %%
for gamma in (0.5, 0.9, 0.99):
    worth = ", ".join(f"{gamma**n:.3f} in {n}" for n in (1, 5, 20))
    print(f"discount {gamma}: a prize of 1 is worth {worth} steps")

# %% [markdown]
# **Change** `discount` above to 0.5 or to 1 and run again: look for how fast the last reward
# loses its weight. Set it back to 0.9 afterwards.
#
# ### Exercise 01.1 · The return of a walk
#
# Difficulty ●○○○○ · importance ●●●●● · 5 minutes. Type
# `hint("01.1")` in a new cell for a hint, and `solution("01.1")` for the answer.


# %% tags=["exercise"] exercise="01.1"
def discounted_return(rewards: list[float], discount: float) -> float:
    """Return the discounted return of one episode.

    Args:
        rewards: One reward a step, in order; an empty list has the return 0.
        discount: γ, from 0 to 1.
    """
    ...


# %%
check("01.1", discounted_return)

# %% [markdown]
# ## 3. The Bellman equation is a picture
#
# *What is it worth to go right in cell 2, if I play as well as possible afterwards?*
# This number is called $Q(s, a)$: the mean return of taking action $a$ in state $s$ and the best
# actions from then on.
#
# Look one step ahead. The walker decides $a$. The floor decides $s'$. Then the walker decides
# again, and takes the best: the blue arc means "the greatest of these".

# %%
V = torch.zeros(12, dtype=torch.float64)
V[[2, 6]] = torch.tensor([0.76, -0.04], dtype=torch.float64)
figure, axes = plt.subplots(figsize=(8, 3.6))
grid_plots.draw_backup(axes, world, V, cell=2, action=1)
axes.set_title("One backup: the value of a pair is made from the values one step later")
plots.show(
    figure,
    "A tree, called a backup diagram. On top a dot for cell 2 and the action right. Three "
    "branches lead to cell 2 with chance 0.1, to the goal, cell 3, with 0.8, and to cell 6 with "
    "0.1. Below cells 2 and 6 four branches each stand for the next action, with an arc for the "
    "greatest. Below the goal nothing follows.",
)

# %% [markdown]
# Read from top to bottom, the picture is the **Bellman equation**:
#
# $$Q(s, a) = r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, \max_{a'} Q(s', a')$$
#
# $r(s, a)$ is the mean reward of the step, the sum is over the branches of the floor, and the max
# is the arc. It is $G_t = r_t + \gamma\, G_{t+1}$ with a mean over what the floor does.
#
# The equation has $Q$ on both sides. How do we get started? **With any numbers, and repeat.**
# By hand for cell 2 and "right". The mean reward is $-0.04 + 0.8 \cdot 1 = 0.76$.
#
# To work out every pair once is a **sweep**.
#
# - Sweep 1: all $Q$ are 0, so $Q = 0.76 + 0.9 \cdot 0 = 0.76$.
# - Sweep 2: cell 2 is now worth 0.76, and cell 6 only −0.04 (take a step, and avoid the pit).
#   $Q = 0.76 + 0.9\,(0.1 \cdot 0.76 + 0.1 \cdot (-0.04)) = 0.8248$.
# - Sweep 3: cell 2 is worth 0.8248. Cell 6 has learnt of the goal: "up" gives
#   $-0.14 + 0.9\,(0.8 \cdot 0.76 + 0.1 \cdot (-0.04)) = 0.4036$.
#   $Q = 0.76 + 0.9\,(0.1 \cdot 0.8248 + 0.1 \cdot 0.4036) = 0.8706$.
#
# ## 4. Value iteration
#
# *Can a computer do this for all pairs at once?*
# The code below is the equation. `Q.max(1).values` is $\max_{a'} Q(s', a')$ for every $s'$,
# and `P @ V` is the sum over $s'$, for all 48 pairs together.


# %%
def backup(Q):
    V = Q.max(1).values
    return r + discount * P @ V


Q = torch.zeros(12, 4, dtype=torch.float64)
for sweep in (1, 2, 3):
    Q = backup(Q)
    print(f"sweep {sweep}: Q(2, right) = {Q[2, 1]:.4f}")

# %% [markdown]
# The three numbers from above. Now repeat until nothing moves any more.
# This is **value iteration**; the package has it as well.

# %%
for _ in range(200):
    Q = backup(Q)
Q_star, sweeps = tabular.value_iteration(P, r, discount)
claim("greatest difference, this cell to the package", (Q - Q_star).abs().max(), at_most=1e-9)

# %% [markdown]
# Does the result satisfy the equation that it came from? Put it into the right side, and compare.
# From now on $Q^*$ (`Q_star`) names this exact answer.

# %%
gap = (backup(Q_star) - Q_star).abs().max()
claim("greatest difference between the two sides of the Bellman equation", gap, at_most=1e-9)
print("number of sweeps:", sweeps)

# %% [markdown]
# How do the values come about? Before you look: from which cell will they spread, and how fast?

# %%
tables = [torch.zeros(12, 4, dtype=torch.float64)]
for _ in range(8):
    tables.append(backup(tables[-1]))
figure, panels = plt.subplots(1, 4, figsize=(11, 2.6))
for axes, sweep in zip(panels, (1, 2, 3, 8), strict=True):
    V = tables[sweep].max(1).values
    grid_plots.draw_values(axes, world, V, title=f"after sweep {sweep}")
figure.suptitle("Value flows from the goal, one cell a sweep", x=0.01, ha="left")
plots.show(
    figure,
    "The world four times, after 1, 2, 3 and 8 sweeps, with V, the greatest Q of each cell. "
    "After one sweep only cell 2, next to the goal, is positive. With every sweep the positive "
    "values reach one cell further. After 8 sweeps they have reached the start, and cell 11, "
    "below the pit, is lowest.",
)

# %% [markdown]
# It has to end well: one sweep shrinks the greatest error at least by the factor $\gamma$,
# because everything that can be wrong on the right side stands behind $\gamma$.

# %%
errors = [(table - Q_star).abs().max() for table in tables]
ratios = [after / before for before, after in pairwise(errors)]
claim("greatest error after a sweep, in parts of the error before it", max(ratios), at_most=0.9)

# %% [markdown]
# Now in slow motion. The next cell shows a table on the left that is read, and one on the right
# that is written. Press **next backup** and check one of the sums with a pencil.
# **Change** `discount` in the call to 0.5: look for how small the values at the start stay.

# %% tags=["nbval-ignore-output"]
BackupStepper(world, discount).show()

# %% [markdown]
# The same without a widget: the third backup of sweep 2.

# %%
stepper = BackupStepper(world, discount)
print(stepper.sums(sweep=1, cell=2))

# %%
figure, panels = plt.subplots(1, 2, figsize=(8, 2.9))
old, new = tables[1].max(1).values, tables[2].max(1).values
new[3:] = torch.nan  # not yet written
grid_plots.draw_values(panels[0], world, old, digits=3, title="Read: the values after sweep 1")
grid_plots.draw_values(panels[1], world, new, digits=3, title="Write: sweep 2, three cells done")
grid_plots.frame_cell(panels[1], world, 2)
plots.show(
    figure,
    "Left, the values after sweep 1: 0.760 in cell 2, and −0.040 elsewhere. Right, the new table, "
    "in which cells 0, 1 and 2 are written and the others are still empty. "
    "Cell 2 is framed; it has just got the value 0.825.",
)

# %% [markdown]
# ### Exercise 01.2 · One sweep over $V$
#
# Difficulty ●●○○○ · importance ●●●●○ · 10 minutes. Help: `hint("01.2")`, `solution("01.2")`
#
# With $V(s) = \max_a Q(s, a)$ the Bellman equation needs a number a state only:
# $V(s) \leftarrow \max_a \left[\, r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s') \right]$.


# %% tags=["exercise"] exercise="01.2"
def backup_values(
    V: torch.Tensor, P: torch.Tensor, r: torch.Tensor, discount: float
) -> torch.Tensor:
    """Return the new V after one sweep, as a new tensor.

    Args:
        V: The values before, (states,).
        P: Transition probabilities, (states, actions, states).
        r: Mean rewards, (states, actions).
        discount: γ.
    """
    ...


# %%
check("01.2", backup_values)

# %% [markdown]
# ## 5. From values to decisions
#
# *The table is full. So which way?*
# A rule that says what to do in each state is a **policy**. The **greedy** policy takes the
# action with the greatest number:
#
# $$\pi(s) = \arg\max_a Q(s, a)$$

# %%
pi = Q_star.argmax(1)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.5))
grid_plots.draw_table(panels[0], world, Q_star, title="The Q-table: four numbers a cell …")
grid_plots.draw_world(panels[1], world, title="… and an arrow to the greatest")
grid_plots.draw_arrows(panels[1], world, pi)
plots.show(
    figure,
    "Left, the optimal Q-table: each cell has four triangles, one an action, with the best "
    "number in bold. Right, the policy: from the start up, then right along the top to the goal. "
    "From the two cells right of the start it goes right, then up past the pit. "
    "The cell below the pit goes left.",
)

# %% [markdown]
# The solid line of the opening picture is the better one, but only just.
# If you slide from the start to cell 9, the dashed way is better: turning back takes too long.
#
# "Too long" depends on $\gamma$. Let us see how patience changes the policy. To look at the
# discount alone, a step shall cost nothing here.
# **A guess first:** what will a very patient walker do in cell 6, beside the pit?

# %%
free = GridWorld(step_reward=0.0)
figure, panels = plt.subplots(1, 3, figsize=(9.5, 2.9))
policies = {}
for axes, gamma in zip(panels, (0.5, 0.9, 0.99), strict=True):
    policies[gamma] = tabular.value_iteration(*free.model(), gamma)[0].argmax(1)
    grid_plots.draw_world(axes, free, title=f"discount {gamma}")
    changed = (policies[gamma] != policies[0.5]).nonzero().flatten().tolist()
    grid_plots.draw_arrows(axes, free, policies[gamma], marked=changed)
figure.suptitle("The more patient, the further from the pit", x=0.01, ha="left")
plots.show(
    figure,
    "Three policies, with the cells framed that differ from the first. Discount 0.5: cells 9, 10 "
    "and 6 take the short way past the pit. Discount 0.9: cell 9 turns back to the long way, and "
    "cell 11 goes left. Discount 0.99: cells 9 and 10 turn back, and cell 6 walks left into the "
    "wall.",
)

# %% [markdown]
# With $\gamma = 0.99$ the walker in cell 6 **walks into the wall**. That looks foolish, and it is
# clever: into the wall means to stay, and sliding sideways then leads up or down, never into the
# pit. It costs time, but a patient walker has time.
#
# How much safer is it? The chance to end in the pit is itself a value: let the step into the pit
# pay 1 and everything else 0, with no discount, and follow the policy. For a *fixed* policy there
# is no max, so the equation is linear, and `policy_values` solves it exactly.

# %%
into_pit = P[:, :, 7]
for gamma, policy in policies.items():
    chosen = torch.nn.functional.one_hot(policy, 4).double()
    risk = tabular.policy_values(chosen, P, into_pit, 1.0)
    print(f"discount {gamma}: chance of the pit from cell 6 {risk[6]:.3f}, from start {risk[8]:.3f}")

# %% [markdown]
# **Change** `step_reward=0.0` to −0.1 and to −2 and run again: look for the walker
# who is in such a hurry that even the pit is welcome.
#
# ## 6. Without the map: Q-learning
#
# *So far we knew* $P$. *What if nobody tells us?*
# A real walker has no table of chances. It has **experience**: it was in $s$, did $a$, got $r$
# and came to $s'$. Again and again.
#
# Two changes turn the Bellman equation into a learning rule. In place of the mean over all $s'$,
# take the one that happened. And because one case is not the mean, move only a part of the way:
#
# $$Q(s, a) \leftarrow Q(s, a) + \alpha\, \big[\, \underbrace{r + \gamma \max_{a'} Q(s', a')}_{\text{target}} - Q(s, a)\, \big]$$
#
# $\alpha$ is the **learning rate**. The bracket is the **error**: what the step suggests, less
# what we believed. Many small moves towards single cases end at their mean.
# This is **Q-learning** (Watkins, 1989).
#
# If $s'$ is the goal or the pit, the episode has **terminated**. Nothing follows, so the target
# is $r$ alone. By hand, with $\alpha = 0.5$ and a table of zeros:
#
# 1. cell 2, right, reached the goal: $r = 0.96$, terminated.
#    $Q(2, \text{right}) = 0 + 0.5\,(0.96 - 0) = 0.48$.
# 2. cell 1, right, reached cell 2: $r = -0.04$, and the best number there is 0.48.
#    $Q(1, \text{right}) = 0 + 0.5\,(-0.04 + 0.9 \cdot 0.48 - 0) = 0.196$.
# 3. cell 2, right, but slid to cell 6, where all is still 0.
#    $Q(2, \text{right}) = 0.48 + 0.5\,(-0.04 + 0 - 0.48) = 0.22$.


# %%
def update(Q, s, a, r, s_next, terminated, learning_rate):
    target = r + discount * Q[s_next].max() * (not terminated)
    Q[s, a] += learning_rate * (target - Q[s, a])


Q = torch.zeros(12, 4, dtype=torch.float64)
for s, a, reward, s_next, terminated in [(2, 1, 0.96, 3, True), (1, 1, -0.04, 2, False)]:
    update(Q, s, a, reward, s_next, terminated, learning_rate=0.5)
    print(f"Q({s}, right) = {Q[s, a]:.3f}")
update(Q, 2, 1, -0.04, 6, False, learning_rate=0.5)
print(f"Q(2, right) = {Q[2, 1]:.3f}")

# %% [markdown]
# ### Which action to try?
#
# The walker wants two things that do not go together. To get rewards it should take the best
# action that it knows: **exploit**. To learn it must try others: **explore**.
# The simplest compromise is called **ε-greedy**. With chance $\varepsilon$ take any action,
# else the greedy one.


# %%
def choose(Q, s, epsilon, generator):
    explore = torch.rand(1, generator=generator) < epsilon
    anything = torch.randint(4, (1,), generator=generator)
    return anything.item() if explore else Q[s].argmax().item()


generator = torch.Generator().manual_seed(seed)
actions = torch.tensor([choose(Q_star, 0, 0.4, generator) for _ in range(5000)])
share = (actions == 1).double().mean()
claim("share of the best action, at ε = 0.4", share, between=(0.67, 0.73))

# %% [markdown]
# Is 0.7 a surprise? The greedy choice gives 0.6. Chance hits the best of four actions as well:
# $0.4 / 4 = 0.1$.
#
# ### Exercise 01.3 · ε-greedy for a whole batch
#
# Difficulty ●●●○○ · importance ●●●●● · 15 minutes. Help: `hint("01.3")`, `solution("01.3")`
#
# Notebook 02 runs many environments at once, so there is a row of Q-values for each.


# %% tags=["exercise"] exercise="01.3"
def epsilon_greedy(
    q_values: torch.Tensor, epsilon: float, generator: torch.Generator
) -> torch.Tensor:
    """Return one action a row, int64 (batch,); every row decides on its own.

    Args:
        q_values: Q of each action, (batch, actions).
        epsilon: The chance of a row to take any action, the best one included.
        generator: Source of all chance.
    """
    ...


# %%
check("01.3", epsilon_greedy)

# %% [markdown]
# ### The whole algorithm
#
# A learning rate that falls with the number of visits $n$ to the pair, $\alpha = n^{-0.8}$, works
# well here. Section 8 asks why. The world is a batch of one walker, so it takes and gives tensors
# of length 1.


# %%
def rate(n):
    return n**-0.8


def q_learning(world, steps, epsilon, seed):
    generator = torch.Generator().manual_seed(seed)
    Q = torch.zeros(12, 4, dtype=torch.float64)
    visits = torch.zeros(12, 4, dtype=torch.long)
    observation, _ = world.reset(seed=seed)
    for _ in range(steps):
        s = observation.item()
        a = choose(Q, s, epsilon, generator)
        observation, reward, terminated, _, info = world.step(torch.tensor([a]))
        s_next = info.get("final_obs", observation).item()
        visits[s, a] += 1
        update(Q, s, a, reward.item(), s_next, terminated.item(), rate(visits[s, a].item()))
    return Q, visits


# %% [markdown]
# One line needs a word. When an episode ends, the world starts a new one by itself:
# `observation` is then the *start*. What was really reached is in `info["final_obs"]`.
# To confuse the two is a common mistake. The fourth value, `_`, says whether a time limit cut the
# episode off; section 9 explains why it is not used.
#
# Let one walker take 10,000 steps. It has never seen $P$.

# %%
Q_one, visits_one = q_learning(GridWorld(), steps=10_000, epsilon=0.3, seed=seed)
greedy = tabular.epsilon_greedy(Q_one, 0.0)
worth = tabular.policy_values(greedy, P, r, discount)[8]
best = Q_star[8].max()
claim("value of its policy at the start, in parts of the best", worth / best, at_least=0.7)

# %% [markdown]
# It has found a good way. The package has the same algorithm. The same seed must give the same
# table, to the last digit.

# %%
settings = {"discount": discount, "learning_rate": rate, "seed": seed}
Q_same, _ = tabular.q_learning(GridWorld(), steps=10_000, epsilon=0.3, **settings)
claim("greatest difference to the package's table", (Q_one - Q_same).abs().max(), at_most=1e-12)

# %% [markdown]
# How good is the *table*? We have $Q^*$, so we can ask each of the 36 pairs of the nine cells in
# which the walker acts. One walker may be lucky. So let 40 walkers learn, each with a table of its
# own: 40 separate lives, 3,000 steps each. Expect large errors somewhere. Where?

# %%
acting = world.acting
forty = GridWorld(num_envs=40)
Q_forty, visits = tabular.q_learning(forty, steps=3000, epsilon=0.3, own_tables=True, **settings)
error = (Q_forty - Q_star)[:, acting].abs().flatten()
visited = visits[:, acting].flatten()

# %%
figure, axes = plt.subplots(figsize=(6.5, 3.2))
axes.plot(visited.clamp(min=1), error.clamp(min=1e-3), ".", color=plots.COLORS["dqn"], markersize=3)
edges = torch.logspace(0, 3, 10).tolist()
middle, mean = [], []
for low, high in pairwise(edges):
    inside = (visited >= low) & (visited < high)
    middle.append((low * high) ** 0.5)
    mean.append(error[inside].mean())
axes.plot(middle, mean, "o-", color=plots.COLORS["generated"], linewidth=2)
axes.text(middle[-1], mean[-1] * 1.4, "mean", color=plots.COLORS["generated"])
axes.set(xscale="log", yscale="log", ylim=(9e-4, 2))
axes.set(xlabel="visits to the pair (s, a)", ylabel="|error| of Q(s, a)")
axes.set_title("What is seldom tried is badly known")
plots.show(
    figure,
    "A dot for each pair of each of the 40 tables: how often it was tried, and how wrong its "
    "number is, both on logarithmic axes. The dots scatter widely. Their mean, a line with round "
    "marks, falls from left, seldom tried, to right, often tried.",
)

# %%
seldom, often = error[visited < 10].mean(), error[visited >= 100].mean()
claim("mean error of pairs tried < 10 times, over that of ≥ 100 times", seldom / often, at_least=2)

# %% [markdown]
# **Change** `epsilon=0.3` to 0.05 and to 1 in the call for the 40 walkers and run again: look for
# how the dots move.
#
# ### Exercise 01.4 · The update, with both ends of an episode
#
# Difficulty ●●●○○ · importance ●●●●● · 15 minutes. Help: `hint("01.4")`, `solution("01.4")`
#
# An episode can stop in two ways. It has **terminated** when the world says that nothing follows.
# It is **truncated** when somebody stops the clock, although the world would go on.
# (Section 9 shows what happens if you mix them up.)


# %% tags=["exercise"] exercise="01.4"
def q_update(
    Q: torch.Tensor,
    s: int,
    a: int,
    r: float,
    s_next: int,
    terminated: bool,
    truncated: bool,
    learning_rate: float,
    discount: float,
) -> torch.Tensor:
    """Return the Q-table after one step of experience; leave the given one as it is.

    Args:
        Q: The table before, (states, actions).
        s, a, r, s_next: State, action, reward, and the state reached.
        terminated: The episode came to its own end: nothing follows s_next.
        truncated: The episode was cut off by a time limit.
        learning_rate: α, from 0 to 1.
        discount: γ.
    """
    ...


# %%
check("01.4", q_update)

# %% [markdown]
# ## 7. As exact as you like
#
# *Does the error go to 0 with more experience?*
# Look at the update once more: it does not ask **who** walked, or why. Any step
# $(s, a, r, s')$ is welcome, whatever policy made it. Such a method is called **off-policy**.
# In notebook 02 it allows a memory of old experience.
#
# Here it allows two things. First, 64 walkers may write into *one* table. Second, they may walk
# **completely at random**, $\varepsilon = 1$, so that every pair is tried often.
# How good is the random walk itself? Exactly this good:

# %%
chance = torch.full((12, 4), 0.25, dtype=torch.float64)
print(f"a random walk is worth {tabular.policy_values(chance, P, r, discount)[8]:.3f}")
print(f"the best policy is worth {Q_star[8].max():.3f}")

# %% [markdown]
# A random walk loses. Can a table be learnt from a million such steps that knows the best way?

# %%
crowd = GridWorld(num_envs=64)
Q_crowd, visits = tabular.q_learning(crowd, steps=16_000, epsilon=1.0, **settings)
claim("visits to the least visited of the 36 pairs", visits[acting].min(), at_least=1000)
error = (Q_crowd - Q_star)[acting].abs().max()
claim("greatest error of Q over all 36 pairs, each visited", error, at_most=0.05)
right = (Q_crowd.argmax(1) == Q_star.argmax(1))[acting].sum()
claim("cells of 9 in which the learnt arrow is the optimal one", right, at_least=9)

# %% tags=["gallery"]
figure, axes = plt.subplots(figsize=(5.5, 4.1))
title = "The best policy, learnt from walks at random"
grid_plots.draw_table(axes, world, Q_crowd, title=title)
plots.show(
    figure,
    "The Q-table learnt from random walks. Its colours and its bold numbers are those of the "
    "optimal table in section 5, in all nine cells; the numbers differ in the second digit after "
    "the point at most.",
)

# %% [markdown]
# Compare with the table in section 5. And nobody has told the walkers that the floor is slippery,
# where the goal is, or that there is one.
#
# **Change** `steps=16_000` to 160: look for which cells have wrong numbers first.
#
# ## 8. What breaks it
#
# ### No exploration
#
# *Why not always take the best action?* With $\varepsilon = 0$ the walker trusts its first
# impression. Let 40 walkers live again, for several ε. We then work out exactly what the greedy
# policy of each table is worth at the start, and what the ε-greedy walker itself gets.


# %%
def lives(epsilon, steps=3000):
    """Return, for each of 40 lives, the value of the greedy and of the ε-greedy policy."""
    each = GridWorld(num_envs=40)
    Q, _ = tabular.q_learning(each, steps=steps, epsilon=epsilon, own_tables=True, **settings)
    policies = [[tabular.epsilon_greedy(q, e) for q in Q] for e in (0.0, epsilon)]
    values = [[tabular.policy_values(p, P, r, discount)[8] for p in ps] for ps in policies]
    return Q, torch.tensor(values)


epsilons = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
results = {epsilon: lives(epsilon) for epsilon in epsilons}

# %%
figure, axes = plt.subplots(figsize=(7, 3.6))
means = torch.stack([results[epsilon][1].mean(1) for epsilon in epsilons])
place = range(len(epsilons))
axes.axhline(best, linestyle=":", color=plots.COLORS["ceiling"])
axes.text(0, best + 0.02, "optimal policy", color=plots.COLORS["ceiling"])
axes.plot(place, means[:, 0], "o-", color=plots.COLORS["dqn"], label="greedy policy, afterwards")
axes.plot(place, means[:, 1], "s--", color=plots.COLORS["accent"], label="ε-greedy walker itself")
axes.set_xticks(place, [str(epsilon) for epsilon in epsilons])
axes.set(xlabel="ε", ylabel="value at the start\n(discounted return)")
axes.set_title("Too little exploration learns little; too much earns little")
axes.legend(loc="lower center")
plots.show(
    figure,
    "Mean value at the start over 40 lives, against ε. The greedy policy of the learnt table is "
    "worst at ε = 0, rises, and comes close to the dotted line of the optimal policy at ε = 0.5. "
    "The ε-greedy walker itself is best at small ε and falls far below zero at ε = 1.",
)

# %%
lost = best - results[0.0][1][0]
claim("share of 40 lives with ε = 0 that end clearly below the best", (lost > 0.02).double().mean(), at_least=0.4)
gain = results[0.5][1][0].mean() - results[0.0][1][0].mean()
claim("what the greedy policy gains when ε is 0.5 in place of 0", gain, at_least=0.05)

# %% [markdown]
# What does such a life look like? This is the worst of the forty with $\varepsilon = 0$.

# %%
Q_lives, values = results[0.0]
worst = values[0].argmin()
figure, axes = plt.subplots(figsize=(4.8, 3.5))
grid_plots.draw_table(axes, world, Q_lives[worst], title="The worst of 40 lives without exploration")
plots.show(
    figure,
    "The Q-table of the worst life. Most numbers are far from the optimal ones. Many are still "
    "zero or nearly so: those actions were never tried, or not often enough.",
)

# %% [markdown]
# The reason is simple. (Compare with the table in section 5.) An action that looked bad once is not taken again, so its number is never
# corrected. Only an action that looks *too good* gets corrected, because it is taken.
#
# At the other end, $\varepsilon = 1$ learns all pairs and earns nothing while it does.
# A usual compromise starts with a large ε and lets it fall. Notebook 02 does so.
# **Change** `steps=3000` to 30,000: look for whether more time helps $\varepsilon = 0$.
#
# ### A wrong learning rate
#
# *How fast should α fall?* Robbins and Monro (1951) answered this for noisy numbers in general,
# and Watkins and Dayan (1992) for Q-learning. If $\alpha_n$ is the rate at the $n$-th visit,
# Q-learning reaches $Q^*$ when every pair is visited again and again and
#
# $$\sum_n \alpha_n = \infty \qquad \text{and} \qquad \sum_n \alpha_n^2 < \infty .$$
#
# In words: all steps together must be long enough to **get anywhere**, and they must become small
# enough for the noise to **average out**. Here are five rates. Which will fail, and how?
#
# | α at visit n | gets anywhere? | noise averages out? |
# | --- | --- | --- |
# | 0.5 | yes | **no** |
# | 0.001 | yes, slowly | **no**, but there is little |
# | 1/n² | **no**: all steps add up to 1.64 | yes |
# | 1/n | yes | yes |
# | 1/n^0.8 | yes | yes |

# %%
rates = {
    "0.5": (lambda n: 0.5, "generated", "-"),
    "0.001": (lambda n: 0.001, "accent", "-."),
    "1/n²": (lambda n: n**-2, "discriminator", ":"),
    "1/n": (lambda n: 1 / n, "baseline", "--"),
    "1/n^0.8": (rate, "dqn", "-"),
}
curves = {name: [] for name in rates}
for name, (alpha, _, _) in rates.items():
    tabular.q_learning(
        GridWorld(num_envs=64),
        steps=6000,
        epsilon=1.0,
        watch_every=300,
        watch=lambda step, Q, name=name: curves[name].append((Q - Q_star)[acting].abs().max()),
        **(settings | {"learning_rate": alpha}),
    )

# %%
figure, axes = plt.subplots(figsize=(7, 3.6))
steps_done = [64 * 300 * (i + 1) for i in range(20)]
for name, (_, color, style) in rates.items():
    axes.plot(steps_done, curves[name], style, color=plots.COLORS[color], label=f"α = {name}")
axes.set(xscale="log", yscale="log", xlabel="steps of experience, all walkers together")
axes.set_xticks([20_000, 100_000, 400_000], ["20,000", "100,000", "400,000"])
axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
axes.minorticks_off()
axes.set_ylabel("greatest |error| of Q")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=3)
axes.set_title("Only a rate that falls neither too fast nor too slowly gets there")
plots.show(
    figure,
    "The greatest error over 36 pairs against the steps of experience, both axes logarithmic. "
    "With α = 0.5 it jumps up and down at a high level. With 1 over n squared it lies flat at a "
    "high level. With 0.001 and with 1 over n it falls slowly. With n to the −0.8 it falls "
    "fastest and ends lowest.",
)

# %%
end = {name: torch.stack(curve[-7:]).mean() for name, curve in curves.items()}
claim("mean late error with α = 0.5: noise", end["0.5"], at_least=0.3)
claim("mean late error with α = 1/n²: stands still", end["1/n²"], at_least=0.4)
claim("mean late error with α = 0.001: on the way", end["0.001"], at_least=0.15)
claim("mean late error with α = 1/n, over that of 1/n^0.8", end["1/n"] / end["1/n^0.8"], at_least=1.5)
claim("mean late error with α = n^−0.8", end["1/n^0.8"], at_most=0.07)

# %% [markdown]
# The surprise is $1/n$. It meets both conditions, so it will arrive. But conditions about
# infinity promise no speed. With $1/n$ the table is the plain mean of all targets so far, and the
# early targets were made from a table of zeros. Even-Dar and Mansour (2003) prove that with $1/n$
# the time can grow exponentially with $1/(1-\gamma)$. With $1/n^\omega$, $\omega$ between 1/2
# and 1, it grows only like a power of it.
#
# And yet deep learning uses small constant rates. There, the world that is learnt changes all the
# time, and a rate that goes to 0 would no longer follow.
# **Change** `n**-2` to `n**-0.6`: look for where it ends among the others.
#
# ## 9. The end of time is not the end of the world
#
# *What if episodes are cut off after ten steps?* A walker that is still on its way is then
# **truncated**. The world would go on, so the target keeps its second part:
#
# $$\text{target} = \begin{cases} r & \text{if terminated} \\ r + \gamma \max_{a'} Q(s', a') & \text{otherwise, truncated or not} \end{cases}$$
#
# Many programs keep one flag `done` for both. Let us build a world that does this: it reports
# every cut as an end.


# %%
class ForgetfulWorld(GridWorld):
    """A grid world that takes its time limit for the end of the world."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated | truncated, truncated, info


Q_limit = {}
for kind in (GridWorld, ForgetfulWorld):
    short = kind(num_envs=64, max_steps=10)
    Q_limit[kind], _ = tabular.q_learning(short, steps=8000, epsilon=1.0, **settings)

# %% [markdown]
# Same walkers, same steps, same seed, one flag. A guess first: will the values be too high or
# too low, and in which cells?

# %%
figure, panels = plt.subplots(1, 3, figsize=(9.5, 2.9))
names = ("exact", "truncated, told apart", "truncated, taken for an end")
learnt = (Q_star, Q_limit[GridWorld], Q_limit[ForgetfulWorld])
for axes, name, Q in zip(panels, names, learnt, strict=True):
    grid_plots.draw_values(axes, world, Q.max(1).values, title=name)
figure.suptitle("A time limit that is stored as an end makes the world look worse", x=0.01, ha="left")
plots.show(
    figure,
    "The values of each cell three times: exact; learnt with a limit of ten steps that is told "
    "apart from an end, which agrees with the exact values; and learnt with the limit taken for "
    "an end, where all values are lower, most of all far from the goal.",
)

# %%
bias = {kind: (Q - Q_star)[acting] for kind, Q in Q_limit.items()}
claim("greatest error, truncation told apart", bias[GridWorld].abs().max(), at_most=0.1)
claim("greatest error, truncation taken for an end", bias[ForgetfulWorld].abs().max(), at_least=0.2)
claim("mean error then (below 0: too pessimistic)", bias[ForgetfulWorld].mean(), at_most=-0.1)

# %% [markdown]
# Every value is too low, because in each cell some experience says "and then nothing", although
# the goal was still ahead. To be fair: most arrows are still right, because all actions are
# judged too low together. In notebook 02 we measure what it does to CartPole,
# where a *good* policy is the one that meets the time limit.
# **Change** `max_steps=10` to 5 and to 50: look for how the error depends on the limit.
#
# **One more trap, for later.** The max in the target takes the greatest of four *noisy* numbers,
# which is on average too great. It is called maximisation bias. Here the noise averages out.
# With a neural network it often does not, and notebook 03 measures it.
#
# ### Exercise 01.5 · What is a policy worth?
#
# Difficulty ●●●●○ · importance ●●●○○ · 30 minutes. Help: `hint("01.5")`, `solution("01.5")`
#
# We have used `policy_values` for exact values. Write it. $\pi(a \mid s)$ is now the chance to
# take $a$ in $s$, and the max gives way to a mean:
#
# $$V(s) = \sum_a \pi(a \mid s) \Big[ r(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s') \Big]$$


# %% tags=["exercise"] exercise="01.5"
def policy_evaluation(
    policy: torch.Tensor, P: torch.Tensor, r: torch.Tensor, discount: float
) -> torch.Tensor:
    """Return the value of each state under a policy, (states,), exact to 1e-4.

    Args:
        policy: π(a | s), (states, actions), float64; each row sums to 1.
        P: Transition probabilities, (states, actions, states), float64.
        r: Mean rewards, (states, actions), float64.
        discount: γ, below 1.
    """
    ...


# %%
check("01.5", policy_evaluation)

# %% [markdown]
# ## Recap
#
# - The **return** is $G_t = r_t + \gamma\, G_{t+1}$. The discount decides how far ahead counts.
# - The **Bellman equation** says the same for the best mean return: $Q(s, a)$ is the mean reward
#   plus $\gamma$ times the best value one step later. **Value iteration** repeats it until it
#   holds. It needs $P$.
# - **Q-learning** needs experience only. It moves $Q(s, a)$ a part $\alpha$ of the way to
#   $r + \gamma \max_{a'} Q(s', a')$, and it may learn from anybody's steps.
# - It fails without **exploration**, with a **learning rate** that stays large or falls too fast,
#   and with **truncation** stored as termination.
# - Exact answers of a small world are the best test there is: every algorithm in this course is
#   tried on one first.
#
# ## What is now possible
#
# You can solve any world whose states fit into a table, with or without a map.
# Our floor needs 48 numbers. A screen of 10 × 10 black and white pixels has $2^{100}$ states, and
# no walker visits each of them even once. **Notebook 02** replaces the table by a neural network
# that guesses for states it has never seen, and meets the trouble that this brings.
#
# ## References
#
# - R. Bellman (1957). *Dynamic Programming*. Princeton University Press. The equation and value
#   iteration.
# - H. Robbins, S. Monro (1951). A stochastic approximation method. *Annals of Mathematical
#   Statistics* 22. The conditions on α.
# - C. Watkins (1989). *Learning from Delayed Rewards*. PhD thesis, Cambridge. Q-learning.
# - C. Watkins, P. Dayan (1992). Q-learning. *Machine Learning* 8. The proof that it converges.
# - E. Even-Dar, Y. Mansour (2003). Learning rates for Q-learning. *Journal of Machine Learning
#   Research* 5. Why $1/n$ is slow.
# - H. van Hasselt (2010). Double Q-learning. *NIPS 23*. Maximisation bias in tables.
# - F. Pardo, A. Tavakoli, V. Levdik, P. Kormushev (2018). Time limits in reinforcement learning.
#   arXiv 1712.00378.
# - R. Sutton, A. Barto (2018). *Reinforcement Learning: An Introduction*, 2nd edition, MIT Press.
#   Chapters 3 to 6 are this notebook at length.
# - S. Russell, P. Norvig (2010). *Artificial Intelligence: A Modern Approach*, 3rd edition,
#   chapter 17. The 4 × 3 world.
