# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 · The painting agent
#
# A child learns to write digits with a pen, not with a grid of pixels. It lays down one stroke
# after the other, and somebody says whether the result looks right. Can an agent learn to draw in this
# way: ten strokes, a digit on request, and only a discriminator to please?
#
# **Objectives.** After this notebook you can
#
# - turn drawing into a decision problem with 3,137 actions, and render a stroke by hand;
# - find the best next stroke among all of them with two matrix products;
# - train a DQN that copies a given digit, paid for each stroke;
# - train a DQN that draws the digit you ask for, taught by a discriminator alone;
# - say what the discriminator must see, why the order of strokes matters, and why a reward for the
#   finished picture alone is harder;
# - compare a painter with a generator of pixels, and say what each is better at.
#
# **You need** notebooks 02, 05 and 09. **Time:** about 60 minutes to read, about 5 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import csv
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

# %%
from dqngan_lib import plots
from dqngan_lib.data import digits
from dqngan_lib.dqn import DQNSettings
from dqngan_lib.dqn_training import TrainSettings, train_dqn
from dqngan_lib.dqngan import DQNGAN, DQNGANSettings
from dqngan_lib.dqngan_training import DQNGANTrainSettings, generate, train_dqngan
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.metrics import conditional_accuracy, digit_fid, distinct_images
from dqngan_lib.rewards import policy_target
from dqngan_lib.rollout import Rollout
from dqngan_lib.runtime import claim, seed_everything
from dqngan_lib.stroke_canvas import CopyCanvas, StrokeCanvas, pictures, real_steps
from dqngan_lib.stroke_networks import CopyAgent, CopyNetwork, StrokeNetwork
from dqngan_lib.stroke_plots import draw_digits, draw_strips, film_frames
from dqngan_lib.stroke_widgets import PainterWidget

# %%
from dqngan_lib.strokes import (
    ACTIONS,
    NO_OP,
    canvases,
    capsule,
    lay,
    paint_greedily,
    stroke_gains,
    stroke_number,
    stroke_table,
)

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %%
data = digits()
one = paint_greedily(data.test_images[[9]], strokes=10)
shown = canvases(one.actions)[0, [1, 2, 4, 6, 10]].reshape(-1, 1, 28, 28)
plots.show_images(
    1 - torch.cat([shown, data.test_images[[9]]]),
    "Six pictures in a row: the same digit after one, two, four, six and ten strokes of a pen, and "
    "the handwritten digit that was repainted.",
    title="Ten strokes. Which one first?",
    columns=6,
    scale=3.0,
)

# %% [markdown]
# ## 1. An action is a stroke
#
# What does the pen do? It starts somewhere, moves in a straight line, and leaves ink. We call the
# shape a **soft capsule**: all points near a short line, with an edge that fades. A pixel at distance
# $d$ from the line gets the ink
#
# $$s = \min\big(1, \max(0,\; w + \tfrac12 - d)\big), \qquad w = 1.1 \text{ pixels}.$$
#
# By hand, for three pixels at distances 0, 1 and 2: $1.6$ is cut to $1$; $1.6 - 1 = 0.6$; and
# $1.6 - 2 < 0$ gives $0$. Now in code, and then the same three pixels from the package: a column
# above the middle of a horizontal stroke.

# %%
d = torch.tensor([0.0, 1.0, 2.0])
s = (1.1 + 0.5 - d).clamp(0, 1)
print("by hand:", s)
stroke = capsule(start=(4.5, 1.5), end=(4.5, 7.5), side=9)
print("package:", stroke[[4, 3, 2], 4])

# %% [markdown]
# What happens where two strokes cross? Ink falls on what is still paper. With ink $c$ on the canvas, the
# share of paper is $1 - c$, and a stroke covers a share $s$ of that:
#
# $$c' = c + s\,(1 - c).$$
#
# By hand, the same stroke twice: $1$ stays $1$; $0.6 + 0.6 \cdot 0.4 = 0.84$; $0$ stays $0$.

# %%
c = s
print("by hand:", c + s * (1 - c))
twice = lay(lay(torch.zeros(1, 784), torch.tensor([700])), torch.tensor([700]))
ink = stroke_table()[700]
print("package agrees:", torch.allclose(twice[0], 1 - (1 - ink) ** 2))

# %% [markdown]
# The set of strokes: 14 × 14 starts, 8 directions and 2 lengths (4 and 8 pixels). That makes
# $196 \cdot 16 = 3136$ strokes. Action number 3,136 is the **no-op**: it lays down nothing.

# %%
print(ACTIONS, "actions, the no-op is number", NO_OP)
number = stroke_number(row=7, column=4, direction=0, length=1)
print("start in row 7, column 4, to the right, the long one: number", number)

# %%
fan = [stroke_number(7, 7, k, length) for length in (0, 1) for k in range(8)]
plots.show_images(
    1 - stroke_table()[fan].reshape(-1, 1, 28, 28),
    "Two rows of eight pictures. Each holds one stroke that starts in the middle: to the right, "
    "then turned by 45 degrees from picture to picture. Short strokes above, long ones below.",
    title="The sixteen strokes of one start",
    columns=8,
)

# %% [markdown]
# **Why a DQN?** In notebook 05 the discriminator's gradient flowed through the pixels into the
# generator. Here it cannot. The picture depends smoothly on the *ink*, but the generator chooses a
# *number* from 0 to 3,136. Change a weight a little: most often the choice stays and the picture is the
# same; now and then another stroke is chosen and the picture jumps. A slope that is zero or does not exist
# teaches nothing. A DQN needs no slope: it learns what each choice is worth. This is where it
# earns its place.
#
# *Change* `direction` and `length` in the cell above: which numbers have the strokes that point up?
# (Rows are counted downwards.)
#
# ### Exercise 10.1 · Lay a stroke
#
# Difficulty ●○○○○ · importance ●●●●○ · 5 minutes. Help: `hint("10.1")`, `solution("10.1")`


# %% tags=["exercise"] exercise="10.1"
def lay_stroke(canvas: Tensor, ink: Tensor) -> Tensor:
    """Return the canvases after a stroke; the given canvases stay as they are.

    canvas: ink so far, float, shape (n, pixels), from 0 (paper) to 1.
    ink: the stroke's, same shape. Returns: float, shape (n, pixels).
    """
    ...


# %%
check("10.1", lay_stroke)

# %% [markdown]
# ## 2. The best next stroke, exactly
#
# Before we train anything: how well *can* ten strokes copy a digit? We try all strokes and take the best.
# That is **greedy search**. It sees the digit and needs no learning. It is the baseline from above.
#
# Let $t$ be the digit, $e = t - c$ what is missing, and $u = 1 - c$ the paper. After a stroke the error of a
# pixel is $e - s u$. So the squared error falls by
#
# $$g(s) = \sum e^2 - \sum (e - s u)^2 = 2 \sum s\,(e u) - \sum s^2 u^2 .$$
#
# Two sums over pixels: two matrix products give them for all strokes and all pictures at once. First
# one pixel by hand: $c = \frac12$, $t = 1$, full ink $s = 1$. The error falls from $\frac14$ to 0. The
# formula: $2 \cdot 1 \cdot \frac12 \cdot \frac12 - 1 \cdot \frac14 = \frac14$.

# %%
e, u, s = torch.tensor(0.5), torch.tensor(0.5), torch.tensor(1.0)
print("formula:", (2 * s * e * u - s**2 * u**2).item())

canvas, target = torch.zeros(1, 784), data.test_images[[9]].flatten(1)
gains = stroke_gains(canvas, target)[0]
best = gains.argmax()
tried = target.square().sum() - (target - lay(canvas, best[None])).square().sum()
print("the best of 3,137: formula and trial agree:", torch.isclose(gains[best], tried).item())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 2.9))
left.imshow(1 - target.reshape(28, 28), cmap="gray")
left.set(title="A digit on blank paper", xticks=[], yticks=[])
gain_map = gains[:NO_OP].reshape(16, 14, 14).amax(0)
image = right.imshow(gain_map, cmap="PuOr", vmin=-gain_map.abs().max(), vmax=gain_map.abs().max())
right.set(title="Gain of the best stroke from each start", xlabel="column", ylabel="row")
figure.colorbar(image, label="fall of the squared error")
plots.show(
    figure,
    "Left, a handwritten digit. Right, a map of 14 by 14 starts: the gain is large along the ink "
    "of the digit and below zero far away from it, where any stroke spoils the paper.",
)

# %% [markdown]
# ### Exercise 10.2 · The gain of every stroke
#
# Difficulty ●●●○○ · importance ●●●●○ · 15 minutes. Help: `hint("10.2")`, `solution("10.2")`


# %% tags=["exercise"] exercise="10.2"
def gains_of_strokes(canvas: Tensor, target: Tensor, strokes: Tensor) -> Tensor:
    """Return by how much each stroke would lower each picture's squared error, without a loop.

    canvas, target: float, shape (n, pixels), in [0, 1]. strokes: ink, float, shape (k, pixels).
    Returns: float, shape (n, k); above 0 where the stroke helps.
    """
    ...


# %%
check("10.2", gains_of_strokes)

# %% [markdown]
# Now 500 held-out digits, 12 strokes each, beside twelve strokes drawn at random. Two scores: the share
# that the digit scorer of notebook 05 reads rightly, and **L2/blank**, the squared error that
# remains, as a share of that of blank paper.

# %%
images, labels = data.test_images[:500], data.test_labels[:500]


def copy_scores(copies: Tensor) -> tuple[float, float]:
    """Return the share read rightly, and L2/blank."""
    error = (copies - images).square().sum() / images.square().sum()
    return conditional_accuracy(copies, labels), error.item()


greedy = paint_greedily(images, strokes=12).images
random_actions = torch.randint(NO_OP, (500, 12), generator=torch.Generator().manual_seed(seed))
scribbles = canvases(random_actions)[:, -1].reshape(-1, 1, 28, 28)
search, scribble = copy_scores(greedy), copy_scores(scribbles)

# %%
claim("greedy search: share of copies read rightly", search[0], at_least=0.94)
claim("greedy search: L2/blank", search[1], at_most=0.22)
claim("random strokes: share read rightly", scribble[0], at_most=0.25)
claim("random strokes: L2/blank", scribble[1], at_least=1.0)

# %% [markdown]
# The searcher may try every stroke before it lays one. The next section asks whether an agent that
# may not can learn to do nearly as well.
#
# *Change* the number of strokes to 6 and to 24. Where does the error stop falling, and why does it
# not reach 0?
#
# ## 3. Learn to copy
#
# Now the rules change. The agent sees the canvas and the digit. It cannot try a stroke without
# laying it. It gets a reward after each stroke: what the squared error fell by, divided by 10. The
# rewards of an episode add up to the whole fall: nothing is counted twice, nothing is lost.
#
# $$r_t = \tfrac{1}{10}\Big(\|t - c_t\|^2 - \|t - c_{t+1}\|^2\Big), \qquad
#   \sum_t r_t = \tfrac{1}{10}\Big(\|t - c_0\|^2 - \|t - c_T\|^2\Big).$$
#
# The no-op puts the pen down and ends the episode. Its reward is 0 and nothing follows, so its
# Q-value is 0, exactly. "Stop when no stroke is worth more than 0" is then nothing but the greatest
# Q-value.

# %%
envs = CopyCanvas(3, images, in_order=True)
observation, _ = envs.reset(seed=seed)
print("an observation:", tuple(observation.shape[1:]), observation.dtype, "= canvas, digit, step")
first = stroke_gains(torch.zeros(3, 784), images[:3].flatten(1)).argmax(1)
_, reward, terminated, _, _ = envs.step(first)
gain = stroke_gains(torch.zeros(3, 784), images[:3].flatten(1)).max(1).values
print("reward = gain / 10:", torch.allclose(reward, gain / 10, atol=1e-4), "| ended:", terminated)

# %% [markdown]
# Three choices make it learn in a minute or two.
#
# - **A map of Q-values.** Whether a stroke is worth laying depends on what is missing nearby. So the
#   network is convolutional from end to end: 16 planes of 14 × 14 numbers are the Q-values of all
#   strokes, by their start. What it learns at one place holds at all others.
# - **A short horizon.** $\gamma = 0.8$ lets a reward count about $1/(1-\gamma) = 5$ strokes ahead. Here
#   the present stroke matters most, and a short horizon makes the targets calm.
# - **Random strokes that hit something.** Of 3,136 strokes most spoil white paper. Half of the random ones
#   start where ink is missing. A DQN may learn from any behaviour.

# %%
copying = DQNSettings(discount=0.8, learning_rate=1e-3, target_rate=0.02, huber_delta=1.0)
budget = TrainSettings(
    steps=48_000,
    capacity=30_000,
    batch_size=64,
    epsilon_fraction=0.3,
    learning_rate_end=0.1,
    evaluate_every=12_000,
)


# %%
def copy_all(agent: CopyAgent, images: Tensor) -> Tensor:
    """Return the agent's copies of pictures, (n, 1, 28, 28)."""
    rollout = Rollout(CopyCanvas(len(images), images, in_order=True))
    observation, copies = rollout.start(seed), torch.zeros_like(images)
    running = torch.ones(len(images), dtype=torch.bool)
    while running.any():
        step = rollout.step(agent.act(observation))
        ended = running & step.terminated
        copies[ended] = pictures(step.next_observation[ended])
        running, observation = running & ~ended, rollout.observation
    return copies


def evaluate_copies(agent: CopyAgent) -> float:
    """Return minus the squared error that is left, on 500 training digits; 0 is best."""
    chosen = data.train_images[-500:]
    return -((copy_all(agent, chosen) - chosen).square().sum() / chosen.square().sum()).item()


# %%
torch.manual_seed(seed)
copier = CopyAgent(CopyNetwork(), copying, seed=seed)
curve = plots.LiveCurve("minus L2/blank on 500 training digits")
copy_history = train_dqn(
    copier,
    CopyCanvas(32, data.train_images[:-500]),
    evaluate_copies,
    budget,
    seed=seed,
    watch=curve,
)
print(f"training took {copy_history.seconds[-1]:.1f} s")

# %%
copies = copy_all(copier, images)
copied = copy_scores(copies)
claim("DQN: share of copies read rightly", copied[0], at_least=0.90)
claim("DQN: L2/blank", copied[1], at_most=0.28)

# %% tags=["nbval-ignore-output"]
plots.table(
    [
        ["blank paper", f"{copy_scores(torch.zeros_like(images))[0]:.1%}", "1.000"],
        ["random strokes", f"{scribble[0]:.1%}", f"{scribble[1]:.3f}"],
        ["DQN, never tries a stroke first", f"{copied[0]:.1%}", f"{copied[1]:.3f}"],
        ["exact greedy search, tries all", f"{search[0]:.1%}", f"{search[1]:.3f}"],
        ["the digits themselves", f"{conditional_accuracy(images, labels):.1%}", "0.000"],
    ],
    ["painter", "read rightly", "L2/blank"],
    "500 held-out digits, at most 12 strokes.",
)

# %%
columns = torch.cat([data.test_images[:10], copies[:10], greedy[:10], scribbles[:10]])
plots.show_images(
    1 - columns,
    "Four rows of ten. First handwritten digits, then the agent's copies, then those of greedy "
    "search, then random scribbles. The copies of the first two painters can be read as the "
    "digits above them.",
    title="Digits, DQN copies, greedy search, random strokes",
)

# %% [markdown]
# The agent comes near the search and stays behind it. It should: the search tries all strokes on
# the very digit, and the agent has 500 digits in front of it that it has never seen. What did we gain?
# A policy that needs one look instead of 3,137 trials, and learnt it from a number alone. If the canvas were a real
# sheet and the pen a robot's, there would be no table of strokes to multiply with.
#
# *Change* `discount` to 0 and to 0.95 and run again: look for the error that is left.
#
# ## 4. Draw what is asked for
#
# Copying had a target in sight. Now take it away. The state is the canvas, the number of strokes so
# far, and a **class**: "draw a 3". There are ten strokes. Nobody says what a 3 looks like, except a
# discriminator that has seen drawings.
#
# It needs real drawings, with strokes in an order. MNIST has pictures only. So we let greedy search repaint
# 6,000 training digits, and call these the real episodes: 60,000 states, each with the stroke that
# follows. Be clear about what that means: the agent will imitate *these drawings*, by adversarial
# imitation (Ho and Ermon 2016).

# %%
painted = paint_greedily(data.train_images[:6_000], strokes=10, least_gain=0.5)
real = real_steps(painted.actions, data.train_labels[:6_000])
print("states", tuple(real["observation"].shape), "| actions", tuple(real["action"].shape))
share = (painted.actions == NO_OP).float().mean().item()
print(f"no-ops: (measured {share:.1%})")

# %%
floor_fid = digit_fid(painted.images[:2_000], data.test_images)
floor_accuracy = conditional_accuracy(painted.images, data.train_labels[:6_000])
claim("real drawings: share read rightly", floor_accuracy, at_least=0.95)
claim("real drawings: digit-FID, n = 2,000 against 2,000 held-out", floor_fid, at_most=8)

# %% [markdown]
# A perfect imitator of the drawings would get these two numbers. Above, digits from MNIST; below, the
# drawings that take their place.

# %%
pairs = torch.cat([data.train_images[:10], painted.images[:10]])
plots.show_images(
    1 - pairs,
    "Two rows of ten. Above, handwritten digits; below, each repainted with at most ten strokes: a "
    "little coarser, and most of them easy to read.",
    title="Digits, and the drawings that the discriminator will see as real",
)

# %% [markdown]
# **What the discriminator pays.** As in notebook 09 it looks at a state and says one number for *each*
# next action. The best one is $f(s,a) = \log \frac{p(s,a)}{q(s,a)}$, with $p$ from the real drawings and
# $q$ from the sampler. The target of the Q-network is
#
# $$Q(s, \cdot) = \log q(\cdot \mid s) + f(s, \cdot), \qquad
#   \mathrm{softmax}\big(Q(s,\cdot)\big) = p(\cdot \mid s),$$
#
# and the loss is $\mathrm{KL}\big(\mathrm{softmax}(\log q + f)\,\|\,\mathrm{softmax}(Q)\big)$: all
# 3,137 actions get a target at once. By hand with three strokes: $q = (\frac12, \frac14, \frac14)$,
# $p = (\frac14, \frac14, \frac12)$. So $f = (\log\frac12, 0, \log 2)$, and $q\,e^f = (\frac14, \frac14,
# \frac12) = p$. If the state itself looks real, a constant is added to $f$. The softmax drops it.

# %%
q, p = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.25, 0.25, 0.5]])
f = (p / q).log()
print("by hand:           ", (q.log() + f).exp())
print("package:           ", policy_target(q.log(), f).exp())
print("state looks real:  ", policy_target(q.log(), f + 2).exp())

# %% [markdown]
# **Leave out $\log q$** and the sampler flattens. Say it has arrived: $q = p$. Then $f = 0$, and the
# target $\mathrm{softmax}(f)$ is uniform over all strokes: it must leave again. It rests where $q \propto p/q$,
# so at $q \propto \sqrt{p}$ (notebook 08). We shall measure below what that means with 3,137 strokes.
#
# ### What must the discriminator see?
#
# The trouble of notebook 09 is worse here. From the third stroke on a young sampler's canvases look like
# no drawing at all. The discriminator sees that from the *state*, it says so to every action, and the
# softmax drops it. Two remedies help.
#
# **Branches**, as in notebook 09. For half of its fakes we take a real drawing, stop somewhere, and let
# the sampler go on. The real stroke and the sampler's then stand in the same state, and only the action tells
# them apart. The fixed point stays where it was. The Q-network itself never sees a real canvas. It
# learns in the states that the sampler reaches, where nobody has shown what to do.
#
# **Expected fakes.** A drawn fake tells the discriminator about one of 3,137 actions. But we know how
# likely the sampler takes each of them. So the loss of a fake state can be its mean over all actions:
#
# $$L(s) = \sum_a q(a \mid s)\, \varsigma\big(f(s,a)\big), \qquad \varsigma(x) = \log(1 + e^x).$$
#
# It is what many draws would give on average, without their luck. By hand, $f = (0, \log 3)$ and $q =
# (\frac12, \frac12)$: the two losses are $\log 2$ and $\log 4$, so $L = \frac32 \log 2 = 1.04$.

# %%
q, f = torch.tensor([0.5, 0.5]), torch.tensor([0.0, math.log(3.0)])
losses = torch.nn.functional.softplus(f)
drawn = torch.multinomial(q, 10_000, replacement=True, generator=torch.Generator().manual_seed(0))
print(f"by hand {1.5 * math.log(2):.4f}, all actions {(q * losses).sum():.4f}, "
      f"mean of 10,000 draws {losses[drawn].mean():.2f}")  # fmt: skip

# %% [markdown]
# ## 5. Train it
#
# The same network serves twice, as $Q$ and as discriminator: two convolutions see the canvas, a
# linear layer joins step and class, and two heads are added: a dense one for what is being drawn, and
# a map for where there is ink. The heads start at 0: at first every stroke is as likely as any other.
#
# In each round 64 canvases move by one stroke, drawn from $\mathrm{softmax}(Q)$ of the sampler. Then
# the discriminator takes a step (64 real states, and as fakes 32 of the sampler's own and 32
# branches), and $Q$ takes one (64 of the sampler's own). We draw the final pictures from a slow running
# mean of $Q$, which is steadier than $Q$.
#
# Guess first: how many of the digits will be those we asked for? One in ten is luck.

# %%
learning = DQNGANSettings(
    reward="prefix",
    expected_fakes=True,
    q_rate=2e-3,
    discriminator_rate=2e-3,
    sampler_memory=0.97,
    generator_memory=0.997,
)
rounds = DQNGANTrainSettings(
    updates=3_000,
    steps_per_round=1,
    replay_rounds=40,
    newest_share=0.0,
    branch_share=0.5,
    learning_rate_end=0.3,
    evaluate_every=750,
)

# %%
asked = torch.arange(2_000) % 10


def drawings(agent: DQNGAN, temperature: float, count: int = 2_000) -> Tensor:
    """Return drawings of 0, 1, … 9, 0, 1, …, shape (count, 1, 28, 28)."""
    sheets = StrokeCanvas(count)
    return pictures(generate(agent.generator, sheets, temperature, asked[:count], seed + 1))


def accuracy(agent: DQNGAN) -> float:
    """Return the share of 500 drawings read as the digit that was asked for."""
    return conditional_accuracy(drawings(agent, 1.0, 500), asked[:500])


# %%
torch.manual_seed(seed)
painter = DQNGAN(StrokeNetwork(), StrokeNetwork(dropout=0.2), learning, seed)
before = accuracy(painter)
history = train_dqngan(
    painter, StrokeCanvas(64), real, evaluate=accuracy, settings=rounds, seed=seed
)
print(f"training took {history.seconds[-1]:.1f} s")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.9))
left.plot([0, *history.update], [100 * before, *(100 * x for x in history.score)], "o-",
          color=plots.COLORS["dqn"])  # fmt: skip
left.axhline(10, color=plots.COLORS["baseline"], linestyle=":")
left.axhline(100 * floor_accuracy, color=plots.COLORS["ceiling"], linestyle="--")
left.text(0, 100 * floor_accuracy - 8, "real drawings", color=plots.COLORS["ceiling"])
left.text(0, 12, "luck", color="black")
left.set(xlabel="rounds", ylabel="read as asked for, %", ylim=(0, 105), title="It learns to obey")
right.plot(history.update, history.discriminator_loss, "s-", color=plots.COLORS["discriminator"])
right.axhline(2 * math.log(2), color=plots.COLORS["real"], linestyle="--")
right.text(history.update[0], 2 * math.log(2) + 0.02, "2 log 2: D can only guess")
right.set(xlabel="rounds", ylabel="loss of D", ylim=(0.6, 1.55), title="D finds it ever harder")
plots.show(
    figure,
    "Left, the share of drawings that are read as the digit asked for, rising from luck, one in "
    "ten, towards the line of the real drawings. Right, the discriminator's loss rises towards "
    "2 log 2, where it could only guess.",
)

# %% [markdown]
# ## 6. Temperature
#
# A sampler at temperature 1 takes a rare stroke now and then, and one wrong stroke can spoil a digit. When
# we *generate*, we may draw from $\mathrm{softmax}(Q/\tau)$ with a lower $\tau$. Training is not
# touched. What should we expect? More digits that are right, and less variety. At $\tau = 0$ the
# greatest Q-value decides, and there is no chance left: one picture for each class.

# %%
scores = {}
for tau in (1.0, 0.7, 0.5, 0.35, 0.0):
    made = drawings(painter, tau)
    scores[tau] = (
        conditional_accuracy(made, asked),
        digit_fid(made, data.test_images),
        distinct_images(made),
    )

# %% tags=["nbval-ignore-output"]
plots.table(
    [
        [f"{tau:g}", f"{right:.1%}", f"{fid:.1f}", f"{distinct:,}"]
        for tau, (right, fid, distinct) in scores.items()
    ]
    + [["real drawings", f"{floor_accuracy:.1%}", f"{floor_fid:.1f}", ""]],
    ["temperature τ", "read as asked for", "digit-FID", "different pictures of 2,000"],
    "2,000 drawings against 2,000 held-out digits.",
)

# %%
best_accuracy = max(scores[tau][0] for tau in (0.7, 0.5, 0.35))
best_fid = min(scores[tau][1] for tau in (0.7, 0.5, 0.35))
claim("asked-for class, temperature 1", scores[1.0][0], at_least=0.68)
claim("asked-for class, best of the temperatures 0.7, 0.5, 0.35", best_accuracy, at_least=0.84)
claim("digit-FID, temperature 1, n = 2,000", scores[1.0][1], at_most=30)
claim("digit-FID, best of the temperatures 0.7, 0.5, 0.35, n = 2,000", best_fid, at_most=23)
claim("different pictures of 2,000, temperature 1", scores[1.0][2], at_least=1_950)
claim("different pictures of 2,000, temperature 0", scores[0.0][2], at_most=10)

# %% [markdown]
# Look at the row of temperature 0. However many of its ten pictures can be read, the digit-FID is the worst
# of all: ten pictures are no distribution. To be right is not enough.
#
# And without $\log q$? We ask the trained networks, in states that the sampler reaches, how spread their
# targets are: the entropy in nats. Uniform over all actions would be $\log 3137 = 8.05$.

# %%
actions, steps = draw_digits(painter.sampler, asked[:200], 1.0, seed)
states = real_steps(actions, asked[:200])["observation"][::5]
with torch.no_grad():
    f = painter.discriminator.eval()(states)
    log_q = painter.log_q(states)
targets = {
    "log q + f": policy_target(log_q, f, 5.0),
    "f alone": f.log_softmax(1),
    "√p": (log_q / 2).log_softmax(1),
}
spread = {name: -(t.exp() * t).sum(1).mean().item() for name, t in targets.items()}
claim("mean entropy of the target log q + f, nats", spread["log q + f"], at_most=6)
claim("mean entropy of the target f alone, nats", spread["f alone"], at_least=7)
claim("mean entropy of √q, where f alone would come to rest, nats", spread["√p"], at_least=6)

# %% [markdown]
# $f$ says only what to *change*. The last line takes our sampler for $p$: at its square root most strokes
# would be wrong ones, because the small chances of thousands of strokes grow most.
#
# ## 7. Watch it draw
#
# Ten digits on request, four of each, at temperature 0.5.

# %% tags=["gallery"]
wanted = torch.arange(10).repeat(4)
_, steps = draw_digits(painter.generator, wanted, 0.5, seed)
plots.show_images(
    1 - steps[:, -1].reshape(-1, 1, 28, 28),
    "Four rows of ten drawings made of ten strokes each. Each column was asked for one digit, from "
    "0 on the left to 9 on the right.",
    title="Asked for 0 to 9, a DQN drew these stroke by stroke",
)

# %%
plots.film(
    film_frames(steps, columns=10, scale=2),
    "A film of forty sheets of paper, in columns from 0 to 9. On each a digit grows stroke by "
    "stroke, from blank paper to ten strokes.",
    seconds=5.0,
    width=640,
)

# %% [markdown]
# *The film in words: on each sheet a digit grows from blank paper in ten strokes.* For those who print
# this page, five of these drawings as a strip.

# %%
some = [0, 2, 3, 5, 8]
figure = draw_strips(steps[some], [f"a {k}" for k in some], "From blank paper to a digit")
plots.show(
    figure,
    "Five rows of eleven frames. Each row starts with blank paper and ends with a digit of ten "
    "strokes; the main strokes come first, small repairs last.",
)

# %% [markdown]
# What does the agent want to do next? At each step its Q-values are a distribution over 3,137 actions.
# Summed over directions and lengths they make a map: where may the next stroke start?

# %%
actions, steps = draw_digits(painter.generator, torch.tensor([3]), 0.5, seed)
states = real_steps(actions, torch.tensor([3]))["observation"]
with torch.no_grad():
    chance = painter.generator(states).softmax(1)
maps = chance[:, :NO_OP].reshape(10, 16, 14, 14).sum(1)

figure, all_axes = plt.subplots(2, 6, figsize=(7.4, 2.9))
for (top, bottom), k in zip(all_axes.T, (0, 1, 2, 4, 6, 9), strict=True):
    top.imshow(1 - steps[0, k].reshape(28, 28), cmap="gray", vmin=0, vmax=1)
    top.set_title(f"{k} strokes", fontsize=9)
    bottom.imshow(maps[k], cmap="Blues")
    bottom.set_xlabel(f"no-op {chance[k, NO_OP]:.0%}", fontsize=8)
    for axes in (top, bottom):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
figure.suptitle("Asked for a 3: the canvas, and where the next stroke may start", fontsize=11)
plots.show(
    figure,
    "Two rows of six. Above, the canvas after 0, 1, 2, 4, 6 and 9 strokes of a digit 3. Below, a "
    "map of the chance that the next stroke starts at each place, darker for more, with the chance "
    "of the no-op under it. The map follows what is still missing.",
)

# %% [markdown]
# Pick a digit, a temperature and a seed, and watch. Try temperature 0: does the seed still matter?
# Try 1.5: which digits fall apart first?

# %% tags=["nbval-ignore-output"]
widget = PainterWidget(painter.generator)
widget.show()

# %%
rows = [draw_digits(painter.generator, torch.full((10,), 3), tau, seed)[1] for tau in (0, 0.5, 1)]
made = torch.cat([steps[:, -1] for steps in rows]).reshape(-1, 1, 28, 28)
plots.show_images(
    1 - made,
    "Three rows of ten drawings of the digit 3. At temperature 0 all are the same. At 0.5 they "
    "differ, and some have gone wrong. At 1 they differ more.",
    title="Ten times a 3, at temperature 0, 0.5 and 1",
)

# %% [markdown]
# ### Exercise 10.3 · The temperature of generation
#
# Difficulty ●●○○○ · importance ●●●●○ · 10 minutes. Help: `hint("10.3")`, `solution("10.3")`


# %% tags=["exercise"] exercise="10.3"
def sharpened(q_values: Tensor, temperature: float) -> Tensor:
    """Return the probabilities softmax(Q/τ) of the actions.

    q_values: float, shape (n, actions), of any size. temperature: τ ≥ 0; 0 stands for the limit,
    all weight on the greatest Q-value.
    Returns: float, shape (n, actions); each row sums to 1.
    """
    ...


# %%
check("10.3", sharpened)

# %% [markdown]
# ## 8. A graph, not a tree
#
# In notebook 09 patch after patch filled the canvas in a fixed order. Each picture had exactly one way to it:
# the states made a **tree**. Strokes are different. The canvas forgets who came first: the same ten strokes
# in another order give the same picture.

# %%
ten = painted.actions[:1]
shuffled = ten[:, torch.randperm(10, generator=torch.Generator().manual_seed(0))]
same = torch.allclose(canvases(ten)[:, -1], canvases(shuffled)[:, -1], atol=1e-6)
print("the same picture in another order:", same, "| orders of ten different strokes:",
      math.factorial(10))  # fmt: skip

# %% [markdown]
# So a finished picture can be reached on up to $10! = 3{,}628{,}800$ paths: the states make a **graph**.
# Soft Q-learning on a reward for finished pictures gives each *path* a probability in proportion to $e^{R}$. A
# picture then gets it once for each of its paths: $\pi(x) \propto (\text{paths to } x)\, e^{R(x)}$
# (notebook 08). Pictures with ten different strokes would beat those with repeated no-ops, for no good reason.
#
# Our painter does not fall into this trap. Its discriminator judges states *and actions*, so the
# order is part of what it judges. Real drawings come in greedy order: one path for each drawing. The
# painter imitates the distribution of *paths*, $q(\text{path}) = p(\text{path})$, and then pictures come
# out right as well, because a picture's probability is the sum over its paths, on both sides. The price:
# it must learn an order that no picture needs.
#
# ### Exercise 10.4 · How many orders?
#
# Difficulty ●●●●○ · importance ●●●○○ · 15 minutes. Help: `hint("10.4")`, `solution("10.4")`
#
# How many different orders does a drawing have, if some of its actions are equal (no-ops, say)?


# %% tags=["exercise"] exercise="10.4"
def log_orders(actions: Tensor) -> float:
    """Return the natural logarithm of the number of different orders of the actions.

    actions: int64, shape (steps,), with repetitions; up to 200 steps.
    """
    ...


# %%
check("10.4", log_orders)

# %% [markdown]
# ## 9. A reward for the finished picture alone
#
# Could we drop the drawings, and let the discriminator judge finished pictures only? Then no order is
# asked for. The reward is $R = \operatorname{logit} D + \log q$ at the end (notebook 08), and nothing
# before. We train the same networks so, for the same rounds: the discriminator learns as in the plain game,
# and only its word on the last stroke is paid. Three things are against it.
#
# 1. **One action in 3,137.** A TD target corrects the Q-value of the action taken. The other 3,136 wait.
# 2. **Ten steps.** The reward must travel back from the last stroke to the first, one backup at a
#    time, while the discriminator that pays it changes.
# 3. **Many paths.** Every order of the same strokes is a different path with its own values to learn.
#
# And a fourth at the start: ten random strokes never look like a digit. If all finished pictures look
# equally wrong, nothing says which stroke was the better one.
#
# The command `python course.py study 10` makes the table; it takes about half an hour.

# %%
stored = []
for name in ("10_painting_agent", "10_painting_others"):
    path = folder / "benchmarks" / "results" / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        stored.extend(csv.DictReader(file))


def column(variant: str, name: str) -> list[float]:
    """Return one column of a variant's rows, a number for each seed."""
    return [float(row[name]) for row in stored if row["variant"] == variant]


def side_by_side(variant: str, name: str, factor: float = 1.0) -> str:
    """Write a column's numbers side by side."""
    return " · ".join(f"{factor * x:.0f}" for x in column(variant, name))


# %% tags=["nbval-ignore-output"]
rows = [["real drawings", f"{100 * floor_accuracy:.0f}", f"{floor_fid:.0f}", "", "", ""]]
for name in dict.fromkeys(row["variant"] for row in stored):
    right, fid = side_by_side(name, "accuracy_1", 100), side_by_side(name, "fid_1")
    best = side_by_side(name, "accuracy_best", 100), side_by_side(name, "fid_best")
    rows.append([name, right, fid, *best, f"{np.mean(column(name, 'cpu_seconds')):.0f}"])
rows.append(["random strokes", "10", f"{digit_fid(scribbles, data.test_images):.0f}", "", "", ""])
plots.table(
    rows,
    ["generator", "right, %, τ = 1", "FID, τ = 1", "right, %, best τ", "FID, best τ", "CPU s"],
    "2,000 pictures against 2,000 held-out digits; three seeds, or one. The DCGAN has no τ.",
)

# %% [markdown]
# What the table says.
#
# - **DQN-GAN.** The painter obeys in most cases; the drawings that it imitates are still better. Nothing
#   but a discriminator ever told it what a 3 is.
# - **One drawn fake, no branches**: the plain game, the same rounds, the same networks. It learns too,
#   and stays behind, most of all at low temperatures. The two remedies together make up the difference. The
#   table does not say how much each does.
# - **Finished pictures alone**: nothing was learnt; the digits asked for come out by luck. The
#   difficulties come together, and this table does not take them apart. But count the first one: all of training corrects $3000 \cdot 64 = 192{,}000$ Q-values, about 61 for
#   each action, over all states. The prefix form corrects 3,137 times as many.
# - **Maximum likelihood** (behaviour cloning: the same drawings, the same network, as many updates)
#   needs a fraction of the time. At temperature 1 it is no better than the game; at its best temperature it
#   is better. It is told the real stroke for each real state, and here somebody could tell it. In the
#   game nobody tells the Q-network any real stroke: it learns in its own states, from a judge. But the
#   judge compares strokes in real states, half of the time, and that is close kin to likelihood.
# - **DCGAN**, as many CPU seconds: far better pictures. Its digits are nearer to the real ones than even the
#   repaintings are, and it obeys nearly always. It had the gradient that the painter must do without, and no
#   drawings between it and the data.
#
# So which is better? For pixels as they are, the DCGAN. The painter's result is of another kind: a list of
# ten strokes. It can be read, edited, scaled to any size, and sent to a plotter. And it was trained
# through a renderer with no gradient: any pen, any machine that leaves a mark, would do.
#
# A table is only worth something if you can make it again. The row of the DQN-GAN was trained
# live above, with the seed of this notebook.

# %%
spread = column("DQN-GAN", "accuracy_1")
low, high = round(min(spread) - 0.1, 2), round(max(spread) + 0.1, 2)
claim("asked-for class, live: the table's spread ± 0.1", scores[1.0][0], between=(low, high))
plain = np.mean(column("one drawn fake, no branches", "accuracy_best"))
share = plain / np.mean(column("DQN-GAN", "accuracy_best"))
claim("plain game: best accuracy, as a share of the DQN-GAN's", share, at_most=0.9)
finished = np.mean(column("finished pictures alone", "accuracy_best"))
claim("finished pictures alone: best accuracy", finished, at_most=0.2)

# %% [markdown]
# *Change* `branch_share` to 0 or to 1 in section 5 and run again. With 1 the discriminator sees no canvas
# of the sampler's own. Look at the discriminator's loss, and at temperature 0.5. Then switch
# `expected_fakes` off: which of the two remedies does more?
#
# ## Recap
#
# - A stroke is an action. Ink falls on paper: $c + s(1 - c)$.
# - Two matrix products try all strokes on all pictures. Where you may try, search; it is hard to
#   beat.
# - With a reward after each stroke, a DQN with a map of Q-values learns to copy in a minute or two.
# - With a discriminator alone it learns to draw what is asked for: $Q = \log q + f$, for all actions at
#   once.
# - A discriminator that can win by looking at the state says little about the action. Branches from
#   real states make the two comparable, and leave the fixed point where it was. Expected fakes tell it about
#   all actions, not about the one that was drawn.
# - Temperature is a knob of generation: right against varied. Temperature 0 is one picture a class.
# - Strokes make a graph. Imitating paths, order included, keeps the theory of trees.
# - A reward for finished pictures alone corrects one action in 3,137, ten steps late, and all scribbles
#   look equally wrong to it.
#
# ## What is now possible
#
# You have a generator whose every decision is an action that you can read, trained by a discriminator
# through a renderer without gradients. In notebook 11 every *pixel* becomes an agent, and pictures are
# repaired rather than drawn.
#
# ## References
#
# - Y. Ganin et al. (2018). Synthesizing programs for images using reinforced adversarial learning
#   (SPIRAL). *ICML*. arXiv 1804.01118. A painter with a discriminator, trained by actor-critic.
# - Z. Huang, W. Heng, S. Zhou (2019). Learning to paint with model-based deep reinforcement learning.
#   *ICCV*. arXiv 1903.04411. A renderer that is learnt, so that it has a gradient.
# - T. Zhou et al. (2018). Learning to sketch with deep Q networks and demonstrated strokes
#   (Doodle-SDQ). arXiv 1810.05977. A DQN that copies, started from demonstrations.
# - J. Ho, S. Ermon (2016). Generative adversarial imitation learning. *NeurIPS*. arXiv 1606.03476.
# - J. Fu, K. Luo, S. Levine (2018). Learning robust rewards with adversarial inverse reinforcement
#   learning. *ICLR*. arXiv 1710.11248. The discriminator's logit and $\log q$.
# - T. Haarnoja, H. Tang, P. Abbeel, S. Levine (2017). Reinforcement learning with deep energy-based
#   policies. *ICML*. arXiv 1702.08165. Soft Q-learning.
# - T. Deleu et al. (2024). Discrete probabilistic inference as control in multi-path environments.
#   *UAI*. arXiv 2402.10309. Why many paths to one result change what soft Q-learning samples.
# - A. Radford, L. Metz, S. Chintala (2016). Unsupervised representation learning with deep
#   convolutional generative adversarial networks. *ICLR*. arXiv 1511.06434. The DCGAN.
