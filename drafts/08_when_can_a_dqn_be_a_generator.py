# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · When can a DQN be a generator?
#
# A printer prints eight signs. "O" comes often, "/" comes rarely, and now and then one pixel is
# wrong. An agent sets ink, pixel by pixel. A judge tells it how real its work looks. It hears nothing else.
# **Can it learn to print like the printer: every sign, each as often as it should be, and even
# the wrong pixels as often as they should be?**
#
# Sometimes it can, exactly. More often it ends somewhere else, and one can say beforehand where.
# The pictures here are so small that we can look at all of them. So nothing in this notebook has to
# be believed: each sentence of the theory stands beside the number that it predicts.
#
# **Objectives.** After this notebook you can
#
# - say when a DQN has nothing to add to a GAN, and why a greedy one makes a single picture;
# - work out soft Q-values on a tree by hand, and show that they draw from a given distribution;
# - derive the reward $\operatorname{logit} D + \log q$ and the target $\log q + f$, and use them;
# - predict where six wrong rewards and habits lead, and recognise them from their results;
# - tell a colleague when a DQN can train a generator and when it cannot.
#
# **You need** notebooks 02 (DQN), 04 (the best discriminator) and 07. **Time:** about 70 minutes to
# read, about 2 minutes to run, and about 55 minutes for the four exercises.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from dqngan_lib import enumeration, plots
from dqngan_lib.dqngan import DQNGAN, DQNGANSettings
from dqngan_lib.dqngan_training import DQNGANTrainSettings, generate, train_dqngan
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.metrics import entropy, total_variation
from dqngan_lib.networks import QNetwork
from dqngan_lib.patch_canvas import PatchCanvas
from dqngan_lib.rewards import best_response, fixed_point, policy_target, reward
from dqngan_lib.runtime import claim, seed_everything

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %% [markdown]
# ## 1. Pictures that can be counted
#
# *What does the printer print?*
# A picture of 4 × 4 pixels, each paper (0) or ink (1), is one of $2^{16} = 65{,}536$. Read its pixels row
# by row as a binary number, and each picture has a number. A list of 65,536 probabilities is then
# **the whole truth** about a generator.
#
# The printer picks one of eight signs, and then each pixel turns around with probability 0.003.

# %%
p = enumeration.noisy_signs()
pictures = enumeration.all_pictures()
signs = enumeration.picture_numbers(enumeration.sign_pictures())
print("pictures:", tuple(pictures.shape), " p:", tuple(p.shape), f" sum {p.sum():.6f}")
print(f"the eight signs without any wrong pixel: {p[signs].sum():.4f} of all")
print(f"entropy {entropy(p):.3f} nats; the least likely picture has p = {p.min():.1e}")

# %%
drawn = torch.multinomial(p, 40, replacement=True, generator=torch.Generator().manual_seed(seed))
plots.show_images(
    1 - pictures[drawn].reshape(-1, 1, 4, 4).float(),
    "Forty pictures from the printer, in four rows: signs such as O, L, X, T, 7, U, an equals sign "
    "and a slash in black on white. A few have a wrong pixel.",
    title="Forty pictures from the printer",
    scale=8,
)

# %% [markdown]
# For the whole notebook we need one figure: the shares of the eight signs, and of all other pictures
# together. And one number, the **total variation** between two distributions,
#
# $$\mathrm{TV}(p, q) = \tfrac12 \sum_x |p(x) - q(x)| .$$
#
# It is 0 if they are equal and 1 if they share nothing. Whatever you ask about a picture ("is it
# an O?"), the two chances of a yes differ by TV at most.


# %%
def shares(q: Tensor) -> list[float]:
    """Return the shares of the eight signs, and of all other pictures."""
    return [*q[signs].tolist(), max(0.0, 1 - q[signs].sum().item())]


LOOKS = {
    "p, the printer": ("real", ""),
    "where it ends": ("generated", "//"),
    "prediction": ("ceiling", ""),
    "paid for progress": ("accent", "//"),
}


# %%
def show_shares(distributions: dict[str, Tensor], title: str, alt: str) -> None:
    """Draw the shares of the signs under several distributions as groups of bars."""
    figure, axes = plt.subplots(figsize=(8.2, 3.0))
    width = 0.8 / len(distributions)
    for i, (name, q) in enumerate(distributions.items()):
        color, hatch = LOOKS.get(name, ("dqn", ".."))
        looks = {"color": plots.COLORS[color], "hatch": hatch, "edgecolor": "white"}
        axes.bar(torch.arange(9) + (i + 0.5) * width - 0.4, shares(q), width, label=name, **looks)
    for i, sign in enumerate(enumeration.sign_pictures()):
        place = [i - 0.2, -0.2, 0.4, 0.15]
        icon = axes.inset_axes(place, transform=axes.get_xaxis_transform())
        icon.imshow(1 - sign.reshape(4, 4), cmap="gray", vmin=0, vmax=1)
        icon.set_axis_off()
    axes.set_xticks(range(9), [""] * 8 + ["all 65,528\nothers"])
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="probability", title=title)
    axes.legend()
    plots.show(figure, alt)


# %%
show_shares(
    {"p, the printer": p},
    "The printer: eight signs, from frequent to rare, and a few wrong pixels",
    "A bar for each sign, falling from O at one fifth to the slash at one twentieth, and a bar of "
    "one twentieth for all other pictures together.",
)

# %% [markdown]
# **Change** the chance of a wrong pixel, `noisy_signs(0.03)`, and run the notebook again:
# look for how the last bar grows, and later for which results get harder to reach.
#
# ## 2. One decision, and a discriminator with a gradient: nothing to do for a DQN
#
# *Why pixel by pixel? A generator makes a picture at once.*
# Let a generator with weights $\theta$ decide once, $x = G_\theta(z)$, and let the reward be
# $D(x)$. An agent that learns a Q-function for this has $Q(z, x) = D(x)$: one step, nothing follows. Its
# best improvement is the deterministic policy gradient (Silver et al. 2014),
#
# $$\nabla_\theta \, \mathbb E_z\big[Q(z, G_\theta(z))\big]
#   = \mathbb E_z\big[ \nabla_x D(x) \; \partial G_\theta(z) / \partial\theta \big] ,$$
#
# and the right side is the generator's update of notebook 04, letter by letter (Pfau and Vinyals
# 2016 say this about GANs and actor-critic methods in general). With numbers:

# %%
theta = torch.tensor([0.5, -1.0], requires_grad=True)
z = torch.tensor([-1.0, 0.3, 2.0])
x = theta[0] * z + theta[1]  # a generator with two weights
D = torch.sigmoid(1.0 - x.square())  # a discriminator that likes x near 0
(gan,) = torch.autograd.grad(D.mean(), theta, retain_graph=True)
(slope,) = torch.autograd.grad(D.sum(), x, retain_graph=True)
agent = torch.stack([(slope * z).mean(), slope.mean()])  # mean of ∇D · ∂G/∂θ
print("GAN:  ", [f"{number:.5f}" for number in gan.tolist()])
print("agent:", [f"{number:.5f}" for number in agent.tolist()])

# %% [markdown]
# The same. So a DQN earns its place only when the picture comes from **discrete decisions**, or through a
# tool without a gradient: a pixel that is ink or paper, a patch from a list, a stroke of a brush.
# There, $\nabla_x D$ does not exist. That is the world of notebooks 09 and 10, and of this one.
#
# ## 3. A greedy agent makes one picture
#
# *The agent of notebook 02 maximises. Is that what we want?*
# Say there are three pictures, and $D$ gives them 0.9, 0.8 and 0.1. A policy that makes them with
# probabilities $\pi$ earns $\mathbb E_\pi[D] = 0.9\,\pi_1 + 0.8\,\pi_2 + 0.1\,\pi_3$. This is a mean of the
# three numbers. No mean is greater than the greatest of its numbers, so the best policy is
# $\pi = (1, 0, 0)$: **one picture, always.** $\mathbb E_\pi[D]$ is linear in $\pi$; noise in the input changes
# nothing about it.
#
# Worse: which picture? Let the sampler print "O" and nothing else. For every other picture
# $q(x) = 0$, so the best discriminator says $D = p/(p+q) = 1$. It says so
# to the signs, and to the rubbish.

# %%
q = torch.zeros_like(p)
q[signs[0]] = 1.0
D = p / (p + q)
print("D of the sign O:", f"{D[signs[0]]:.3f}")
print(f"pictures with D = 1: {(D == 1).sum():,}; the least likely has p = {p.min():.1e}")

# %% [markdown]
# All 65,535 others are "certainly real". A greedy agent may take any of them. Then the discriminator
# learns about this one, and the chase goes on. It never makes two pictures at a time.
#
# And with the true reward, $\log p$? A greedy DQN takes $\max$ in place of the soft value of the next
# section. It ends at the single most likely picture.

# %%
q_max = [p.log().reshape(-1, 2)]
while len(q_max[0]) > 1:
    q_max.insert(0, q_max[0].max(1).values.reshape(-1, 2))
best = enumeration.greedy_picture(q_max)
one_picture = torch.zeros_like(p)
one_picture[best] = 1
claim("pictures that the greedy agent makes", (one_picture > 0).sum(), between=(1, 1))
claim("probability of this picture, over the greatest of all", p[best] / p.max(), at_least=1)
claim("total variation to p of the greedy agent", total_variation(one_picture, p), at_least=0.7)

# %% [markdown]
# ## 4. A soft agent draws from a distribution
#
# *What if the agent is paid for being undecided as well?*
# Pay it $R(x)$ for the picture, and $\alpha$ times the entropy of each of its decisions. Then the backup takes
# a soft maximum in place of the maximum, and the best policy is a softmax (Haarnoja et al. 2017):
#
# $$Q(s,a) = r + \gamma V(s'), \qquad
#   V(s) = \alpha \log \sum_a e^{Q(s,a)/\alpha}, \qquad
#   \pi(a \mid s) = e^{(Q(s,a) - V(s))/\alpha} .$$
#
# $s$ is what is on the canvas, $a$ the next pixel, $s'$ the canvas after it. $r$ is 0 but at the last pixel, where it
# is $R(x)$. $\alpha$ is the **temperature**. Let $\gamma = 1$.
#
# By hand, with pictures of two pixels. Say $p = 0.4,\ 0.3,\ 0.2,\ 0.1$ for the pictures 00, 01, 10, 11. Take
# $R = \log p$ and $\alpha = 1$. Begin at the end:
#
# - first pixel 0: $V = \log(e^{\log 0.4} + e^{\log 0.3}) = \log 0.7$;
# - first pixel 1: $V = \log(0.2 + 0.1) = \log 0.3$;
# - empty canvas: $V = \log(0.7 + 0.3) = \log 1 = 0$.
#
# So $e^V$ of an unfinished picture is the probability that a real picture begins like this!

# %%
p2 = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
Q2, V2 = enumeration.soft_values(p2.log())
for level in range(2):
    print(f"{level} pixels set: e^V = {[round(v, 4) for v in V2[level].exp().tolist()]}")
    policy = torch.softmax(Q2[level], 1).tolist()
    print(f"   π(a|s) = {[[round(x, 4) for x in row] for row in policy]}")


# %%
def draw_states(
    title: str, states: list[tuple[float, float, str, str]], arrows: dict[tuple[int, int], str]
) -> plt.Figure:
    """Draw two-pixel canvases, each with place, pixels and words, and arrows between them."""
    figure, axes = plt.subplots(figsize=(7.6, 3.1))
    for (start, end), text in arrows.items():
        (x0, y0), (x1, y1) = states[start][:2], states[end][:2]
        axes.annotate("", (x1 - 0.19, y1), (x0 + 0.19, y0), arrowprops={"arrowstyle": "->"})
        place = (x0 + x1) / 2 - 0.05, (y0 + y1) / 2 + 0.12
        kind = {"ha": "right" if y1 > y0 else "left", "color": plots.COLORS["dqn"]}
        axes.text(place[0] + (0.1 if y1 < y0 else 0), place[1], text, **kind)
    for x, y, pixels, words in states:
        for i, pixel in enumerate(pixels):
            color = {"0": "white", "1": "black", "·": "#C8C8C8"}[pixel]
            corner = x - 0.13 + 0.13 * i, y - 0.19
            axes.add_patch(plt.Rectangle(corner, 0.13, 0.38, facecolor=color, edgecolor="black"))
        axes.text(x, y - 0.25, words, ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.4, 2.4), ylim=(-2.1, 1.9), title=title)
    axes.set_axis_off()
    return figure


# %%
states = [(0, 0, "··", "V = log 1 = 0"), (1, 1, "0·", "V = log 0.7"), (1, -1, "1·", "V = log 0.3")]
for i, chance in enumerate(p2.tolist()):
    states.append((2, 1.5 - i, f"{i:02b}", f"R = log {chance:.1f}"))
chances = {(0, 1): "0.7", (0, 2): "0.3", (1, 3): "4/7", (1, 4): "3/7", (2, 5): "2/3", (2, 6): "1/3"}
figure = draw_states("Each value is the log of a sum of probabilities behind it", states, chances)
plots.show(
    figure,
    "A tree. From the empty canvas of two grey pixels, arrows with 0.7 and 0.3 lead to the first "
    "pixel white and black. From there arrows with 4/7, 3/7, 2/3 and 1/3 lead to the four finished "
    "pictures with the rewards log 0.4, log 0.3, log 0.2 and log 0.1. The values log 0.7, log 0.3 "
    "and log 1 stand under the states.",
)

# %% [markdown]
# Why does it work for any tree? Along the way to a picture $x$ the policy's factors **telescope**
# (Nachum et al. 2017). With
# $Q(s_t, a_t) = V(s_{t+1})$ before the end, and $Q = R$ at the end,
#
# $$\alpha \log \pi(x) = \sum_t \big[ Q(s_t, a_t) - V(s_t) \big] = R(x) - V(s_0)
#   \quad\Longrightarrow\quad \pi(x) = \frac{e^{R(x)/\alpha}}{Z}, \qquad V(s_0) = \alpha \log Z .$$
#
# Every middle $V$ appears twice, once with each sign. This needs two things: $\gamma = 1$, and **one single
# way** to each picture. Keep both in mind.
#
# With $R = \log p$ and $\alpha = 1$: $Z = 1$, $\pi = p$ and $V(\text{prefix}) = \log p(\text{prefix})$. Now on all 65,536.

# %%
Q, V = enumeration.soft_values(p.log())
policy = enumeration.distribution_of(enumeration.boltzmann(Q))
claim("|V| of the empty canvas", V[0].abs(), at_most=1e-5)
claim("total variation to p of the exact soft policy", total_variation(policy, p), at_most=1e-5)
sums = enumeration.prefix_sums(p)
gap = max((v - total.log()).abs().max() for v, total in zip(V[:-1], sums[:-1], strict=True))
claim("greatest |V(prefix) − log p(prefix)|, 65,535 prefixes", gap, at_most=1e-9)

# %% [markdown]
# The theory holds to the last digit. **Change** the reward to `3 * p.log()` or `p.log() + 7`, and run again:
# look for what a factor does, and what a constant does (not to the policy, but to $V$).
#
# ### Exercise 08.1 · One soft backup
#
# Difficulty ●●○○○ · importance ●●●●● · 10 minutes. Help: `hint("08.1")`, `solution("08.1")`


# %% tags=["exercise"] exercise="08.1"
def soft_backup(
    reward: Tensor, next_value: Tensor, terminated: Tensor, temperature: float, discount: float
) -> tuple[Tensor, Tensor]:
    """Return V(s), shape (n,), and π(a | s), shape (n, actions), of n states.

    reward, next_value: of each action, float, shape (n, actions). terminated: bool, the same
    shape; where it is true nothing follows the action. temperature: α > 0. discount: γ.
    """
    ...


# %%
check("08.1", soft_backup)

# %% [markdown]
# ## 5. Who says $\log p$?
#
# *Nobody tells the agent p. It has a discriminator.*
# Notebook 04: against fakes from $q$ the best discriminator is $D = p/(p+q)$. Its logit is
#
# $$\operatorname{logit} D(x) = \log \frac{D}{1 - D} = \log \frac{p(x)}{q(x)} ,$$
#
# because $D/(1-D) = p/q$. And the agent knows $q$! It is its own sampler: $\log q(x) = \sum_t \log q(a_t \mid s_t)$, one
# number from each decision. So there is the reward (Finn et al. 2016; Fu et al. 2018):
#
# $$R(x) = \operatorname{logit} D(x) + \log q(x) = \log p(x) .$$
#
# $q$ cancels. **Whatever the sampler is now, the reward is the same**, as long as $D$ is the best. By hand, with
# $q = 0.25$ for the picture 00 with $p = 0.4$: $D = 0.4/0.65 = 0.6154$, its logit is $\log 1.6 = 0.470$, plus
# $\log 0.25 = -1.386$ gives $-0.916 = \log 0.4$.

# %%
D = 0.4 / (0.4 + 0.25)
by_hand = math.log(D / (1 - D)) + math.log(0.25)
by_package = reward("logit + log q", torch.tensor(0.4 / 0.25).log(), torch.tensor(0.25).log())
print(f"by hand {by_hand:.4f}, package {by_package:.4f}, log 0.4 = {math.log(0.4):.4f}")

# %% [markdown]
# Now let the two play, as in a GAN: sampler, best discriminator, reward, soft Q-values, sampler …
# Each time the sampler's Q-values go 30 % of the way to the new ones. This loop does not contain the answer
# anywhere: it only knows $p$ through the discriminator's logit.

# %%
Q = [torch.zeros(2**level, 2, dtype=torch.float64) for level in range(16)]
distance = []
for _ in range(40):
    log_q = enumeration.path_sums(enumeration.boltzmann(Q))  # the sampler
    distance.append(total_variation(log_q.exp(), p))
    logit = p.log() - log_q  # the best discriminator against it
    R = reward("logit + log q", logit, log_q)
    target, _ = enumeration.soft_values(R)
    Q = [old + 0.3 * (new - old) for old, new in zip(Q, target, strict=True)]
claim("total variation to p after 40 rounds", distance[-1], at_most=1e-3)

# %% [markdown]
# The package has this loop as `enumeration.settle`, with the temperature, the discount and the reward form to
# choose. We shall use it to spring traps. Is it the same loop?

# %%
same = enumeration.settle("logit + log q", p, rounds=39)
print("equal to the cell above:", abs(total_variation(same, p) - distance[-1]) < 1e-12)

# %% [markdown]
# ## 6. All actions at once
#
# *A reward at the end has to travel back through 16 decisions. Can the discriminator speak earlier?*
# Show it **prefixes**. Give it one logit for each next pixel: $f(s, a)$ judges the canvas $s$ after $a$.
# The best one is
#
# $$f(s, a) = \log \frac{p(s, a)}{q(s, a)} = \log \frac{p(s)}{q(s)} + \log \frac{p(a \mid s)}{q(a \mid s)} ,$$
#
# where $p(s,a)$ is the probability that a real picture begins with $s$ and then $a$. Add $\log q(a \mid s)$:
#
# $$\log q(a \mid s) + f(s, a) = \log p(a \mid s) + \underbrace{\log \tfrac{p(s)}{q(s)}}_{\text{same for all } a} .$$
#
# A softmax does not see what is the same for all actions. So
# $\operatorname{softmax}_a\big(\log q + f\big) = p(a \mid s)$, **for all actions at once, with no bootstrap and no return.**
# Q-values that do it are $Q(s, \cdot) = \log q(\cdot \mid s) + f(s, \cdot)$.
#
# By hand: first pixel 0, and a sampler that tosses coins. $q(0) = \frac12$ and $q(00) = q(01) = \frac14$. Then
# $f = (\log\frac{0.4}{0.25}, \log\frac{0.3}{0.25}) = (\log 1.6, \log 1.2)$ and $\log q + f = (\log 0.8, \log 0.6)$. Divide by the
# sum 1.4: $\frac47$ and $\frac37$, as in the tree. And the sum itself is $p(s)/q(s) = 0.7/0.5$.

# %%
f = torch.tensor([[1.6, 1.2]]).log()
log_q2 = torch.tensor([[0.5, 0.5]]).log()
print("by hand: ", [round(4 / 7, 4), round(3 / 7, 4)])
print("package: ", [round(x, 4) for x in policy_target(log_q2, f).exp()[0].tolist()])
print("the sum: ", round((log_q2 + f).exp().sum().item(), 4), "= p(s)/q(s) =", 0.7 / 0.5)

# %% [markdown]
# That sum has a name. $\varphi(s) = \log \mathbb E_{a \sim q}\, e^{f(s, a)} = \log p(s)/q(s)$ is the logit of the prefix itself.
# Each step changes it by $\varphi(s') - \varphi(s) = \log p(a \mid s)/q(a \mid s)$. So one can also pay
# the logit $\log p/q$ of a picture in 16 instalments. This is **potential-based shaping** (Ng et al. 1999): with $\gamma = 1$ the sum
# telescopes to $\varphi(x) - \varphi(s_0)$, and the best policy stays what it was. Check both on a sampler with random Q-values.

# %%
noise = torch.Generator().manual_seed(seed)
log_q = [
    torch.randn(2**level, 2, generator=noise, dtype=torch.float64).log_softmax(1)
    for level in range(16)
]
q_sums = enumeration.prefix_sums(enumeration.distribution_of(log_q))
f = [(sums[t + 1] / q_sums[t + 1]).log().reshape(-1, 2) for t in range(16)]
phi = [(a + b).logsumexp(1) for a, b in zip(log_q, f, strict=True)]
gap = max((phi[t] - (sums[t] / q_sums[t]).log()).abs().max() for t in range(16))
claim("greatest |φ(s) − log p(s)/q(s)|", gap, at_most=1e-9)
targets = [policy_target(a, b) for a, b in zip(log_q, f, strict=True)]
distance = total_variation(enumeration.distribution_of(targets), p)
claim("total variation to p of softmax(log q + f), random sampler", distance, at_most=1e-5)

# %% [markdown]
# One step from a random sampler to $p$. **Change** `policy_target(a, b)` to `b.log_softmax(1)`, which forgets
# $\log q$: look for how far the result is from $p$ then. This is the first trap of section 8.
#
# ### Exercise 08.2 · The target for all actions
#
# Difficulty ●●○○○ · importance ●●●●● · 5 minutes. Help: `hint("08.2")`, `solution("08.2")`


# %% tags=["exercise"] exercise="08.2"
def all_action_target(log_q: Tensor, f: Tensor) -> Tensor:
    """Return log p(a | s) as the discriminator sees it, shape (n, actions).

    log_q: log q(a | s) of the sampler, float, shape (n, actions); each row's exp sums to 1.
    f: the discriminator's logits of the next actions, the same shape.
    Returns: logarithms; each row's exp sums to 1.
    """
    ...


# %%
check("08.2", all_action_target)

# %% [markdown]
# ## 7. Networks
#
# *Tables are exact. Does a network get there?*
# The core of the next notebooks is `DQNGAN` and `train_dqngan`: the **sampler** (a running mean of the Q-network) plays, the
# discriminator learns to tell its canvases from real ones, and the Q-network is moved to the target of section 6. Real
# pictures go to the discriminator alone.
#
# The canvas is the one of notebook 09 with a codebook of two patches: paper and ink. A network sees 16
# numbers: 1 ink, −1 paper, 0 not yet set. It returns two numbers, one for each next pixel.


# %%
class PixelCanvas(PatchCanvas):
    """A 4 × 4 canvas that is set pixel by pixel; networks see one state at a time."""

    whole_episodes = False


codebook = torch.tensor([0.0, 1.0]).reshape(2, 1, 1)


class PixelNetwork(nn.Module):
    """Two hidden layers; at first every number is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.body = QNetwork(16, 2, (128, 128))
        nn.init.zeros_(self.body.layers[-1].weight)
        nn.init.zeros_(self.body.layers[-1].bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, 1 + 16), −1 where nothing is set, to (n, 2)."""
        pixels = tokens[:, 1:]
        return self.body(torch.where(pixels < 0, 0, 2 * pixels - 1).float())


# %% [markdown]
# How good is a network? We ask it at every one of the 65,535 unfinished pictures and multiply out. That gives its **exact**
# distribution: no sampling error.


# %%
def tokens_of(prefix: Tensor) -> Tensor:
    """Turn prefixes (n, t) into observations (n, 1 + 16)."""
    tokens = torch.full((len(prefix), 17), -1)
    tokens[:, 0] = 0
    tokens[:, 1 : 1 + prefix.shape[1]] = prefix
    return tokens


def made_by(network: nn.Module, temperature: float = 1.0) -> Tensor:
    """Return the exact distribution of the pictures that a Q-network makes."""
    table = enumeration.table_of(lambda prefix: network(tokens_of(prefix)))
    return enumeration.distribution_of(enumeration.boltzmann(table, temperature))


start = total_variation(made_by(PixelNetwork()), p)
claim("total variation to p of a network that has learnt nothing", start, at_least=0.99)

# %% [markdown]
# ### With a perfect judge
#
# First without a second network that learns: the judge knows $p$ and the sampler, and returns the best $f$ (up to
# the part that is the same for all actions and cancels). All that is left is the DQN's own error.


# %%
class PerfectJudge(nn.Module):
    """The best prefix discriminator against the sampler of an agent."""

    def __init__(self, p: Tensor) -> None:
        super().__init__()
        self.log_p = torch.cat(enumeration.conditionals(p)).float()  # (65535, 2)
        self.nothing = nn.Parameter(torch.zeros(1))  # it has nothing to learn
        self.judged: list[DQNGAN] = []

    def forward(self, tokens: Tensor) -> Tensor:
        """Return log p(a|s) − log q(a|s), (n, 2)."""
        pixels = tokens[:, 1:]
        length = (pixels >= 0).sum(1)
        number = (pixels.clamp(min=0) << torch.arange(15, -1, -1)).sum(1) >> (16 - length)
        log_q = DQNGAN.log_q(self.judged[0], tokens)  # of what the sampler really does
        return self.log_p[number + 2**length - 1] - log_q + 0 * self.nothing


# %%
def real_steps(count: int) -> dict[str, Tensor]:
    """Draw real pictures, and of each one unfinished state with the pixel that comes next."""
    random = torch.Generator().manual_seed(seed)
    picture = pictures[torch.multinomial(p, count, replacement=True, generator=random)]
    length = torch.randint(16, (count, 1), generator=random)
    observation = tokens_of(torch.where(torch.arange(16) < length, picture, -1))
    return {"observation": observation, "action": picture.gather(1, length).squeeze(1)}


real = real_steps(400_000)


# %%
plan = {
    "batch_size": 512,
    "steps_per_round": 4,
    "learning_rate_end": 0.05,
    "evaluate_every": 100,
}
common = {"q_rate": 4e-3, "discriminator_rate": 4e-3, "sampler_memory": 0.98}


def distance_to_p(agent: DQNGAN) -> float:
    """Return the exact total variation between the pictures of an agent's generator and p."""
    return total_variation(made_by(agent.generator), p)


# %%
def train(judge: nn.Module, rounds: int, kind: type[DQNGAN] = DQNGAN, **changes) -> tuple:
    """Train a DQN-GAN; return it and its history; the score is the distance to p."""
    torch.manual_seed(seed)
    settings = DQNGANSettings(generator_memory=0.995, **common, **changes)
    agent = kind(PixelNetwork(), judge, settings, seed)
    if isinstance(judge, PerfectJudge):
        judge.judged = [agent]
    training = DQNGANTrainSettings(updates=rounds, **plan)
    canvas = PixelCanvas(128, codebook)
    history = train_dqngan(
        agent, canvas, real, evaluate=distance_to_p, settings=training, seed=seed
    )
    return agent, history


# %%
perfect, perfect_run = train(PerfectJudge(p), 1_000)
claim("total variation to p, trained network, perfect judge", perfect_run.score[-1], at_most=0.05)

# %% [markdown]
# ### With the reward of one action, passed back
#
# The textbook DQN learns from the action that was taken, $Q(s,a) \leftarrow r + V(s')$, and its rewards travel. In the exact
# world of section 4 this has the same end. Here it gets everything else alike: network, rounds, perfect judge, and even
# an instalment of the reward at every step, $r = \log p(a \mid s)$. Guess: as good, or worse?

# %%
one_action, one_run = train(PerfectJudge(p), 1_000, reward="logit + log q", every_step=True)
claim("total variation to p, same rounds, taken action only", one_run.score[-1], at_least=0.3)

# %% [markdown]
# Much worse, with these settings. **The theory says where learning ends, not when.** A wrong pixel costs $\log 0.003 \approx -6$; a random picture
# costs −50. Squared errors of such sizes come first, and each passes through up to 15 bootstraps. The all-action target
# has no bootstrap. It compares two numbers in one state.
#
# ### With a discriminator that learns
#
# Now the real thing: a second network of the same kind, that sees 400,000 real steps and the sampler's own. Nobody
# in this cell knows $p$, except the function that measures the distance.

# %%
torch.manual_seed(seed + 1)
learnt, learnt_run = train(PixelNetwork(), 2_000)
claim("total variation to p, learnt discriminator", learnt_run.score[-1], at_most=0.10)

# %% tags=["gallery"]
show_shares(
    {"p, the printer": p, "DQN, learnt discriminator": made_by(learnt.generator)},
    "A Deep Q-Network that prints like the printer",
    "For each of the eight signs and all others together two bars, the printer's and those of the "
    "trained generator. They have similar heights everywhere.",
)

# %%
figure, axes = plt.subplots()
for curve, name, color, style in (
    (one_run.score, "taken action only,\nperfect judge", "baseline", ":"),
    (learnt_run.score, "all actions,\nlearnt discriminator", "discriminator", "--"),
    (perfect_run.score, "all actions,\nperfect judge", "dqn", "-"),
):
    axes.plot(
        [100 * (i + 1) for i in range(len(curve))],
        curve,
        style,
        color=plots.COLORS[color],
        label=name,
    )
axes.axhline(0.1, color=plots.COLORS["ceiling"], linewidth=0.8)
axes.text(2_000, 0.11, "0.1", ha="right", color=plots.COLORS["ceiling"])
axes.set(xlabel="rounds", ylabel="total variation to p", ylim=(0, 1.03))
axes.set_title("Judged at every step, for all actions, the DQN becomes the printer")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    figure,
    "Total variation to p against rounds. With all actions and a perfect judge it falls fast to "
    "nearly zero; with a learnt discriminator later, and below 0.1. With the taken action only it "
    "stays high in the same number of rounds.",
)

# %% [markdown]
# And the same generator, if it is greedy? Two thousand pictures, at temperature 0:

# %%
greedy = generate(learnt.generator, PixelCanvas(2_000, codebook), temperature=0, seed=seed)
soft = generate(learnt.generator, PixelCanvas(2_000, codebook), temperature=1, seed=seed)
claim("different pictures among 2,000, greedy", len(greedy.unique(dim=0)), between=(1, 1))
claim("different pictures among 2,000, drawn from softmax(Q)", len(soft.unique(dim=0)), at_least=20)

# %% [markdown]
# Forty of these, as in the first figure:

# %%
canvases = PixelCanvas(1, codebook).pictures(soft[:40])
plots.show_images(
    1 - canvases,
    "Forty pictures drawn by the trained agent, in four rows: the same signs as the printer's, the "
    "frequent ones more often.",
    title="Forty pictures from the agent",
    scale=8,
)

# %% [markdown]
# **What is still wrong?** Some bars are too high and some too low. Why does the discriminator not say so? Its loss
# is $2 \log 2 = 1.386$ where it can only guess.

# %%
claim("loss of the discriminator at the end", learnt_run.discriminator_loss[-1], at_least=1.36)
others = shares(made_by(learnt.generator))[-1]
claim("share of pictures with a wrong pixel; the printer has 0.047", others, between=(0.003, 0.07))

# %% [markdown]
# It nearly guesses. What a judge can hardly see, it can hardly teach.
# **Change** the number of real steps to 2,000: look for what the curve does after its first fall. The judge then sees something
# that is not there: it knows its few examples by heart.
#
# ## 8. Traps
#
# Each of the following looks harmless. Each moves the place where the game comes to rest, and the formula says to where. In
# the table world we play each game with `settle`, which knows no formula, and compare. `report` prints both distances.

# %%
rows = []


def report(
    name: str, landed: Tensor, predicted: Tensor, far: float = 0.05, near: float = 0.05
) -> None:
    """Claim that a game landed where predicted, and how far that is from p."""
    to_prediction, to_p = total_variation(landed, predicted), total_variation(landed, p)
    claim(f"{name}: total variation to the prediction", to_prediction, at_most=near)
    claim(f"{name}: total variation to p", to_p, at_least=far)
    rows.append([name, f"{to_prediction:.1e}", f"{to_p:.2f}", f"{landed[signs].sum():.2f}"])


def normalised(weights: Tensor) -> Tensor:
    """Divide by the sum."""
    return weights / weights.sum()


# %% [markdown]
# ### Trap 1: forgetting $\log q$
#
# *The discriminator's logit is the reward. Why not pay it as it is?*
# Then $R = \log p/q$. Two things can happen, and both are wrong.
#
# **Full steps.** The best answer to a frozen $q$ is $\pi \propto e^{R} = p/q$. By hand on two pixels, from coins: $q = \frac14$ everywhere gives
# $\pi \propto p$: perfect! Now the sampler is $p$, so $p/q = 1$: the best answer is **uniform**. And then $p$ again, and so on. The better
# the sampler, the less $D$ has to say, and the entropy bonus takes over.

# %%
uniform = torch.full_like(p, 1 / len(p))
answer = best_response("logit", p, p)
claim(
    "best answer to q = p, total variation to uniform",
    total_variation(answer, uniform),
    at_most=1e-9,
)
swing = []
enumeration.settle(
    "logit", p, rate=1.0, rounds=8, watch=lambda q: swing.append(total_variation(q, p))
)
claim(
    "greatest minus least distance to p in the swing", max(swing[2:]) - min(swing[2:]), at_least=0.9
)

# %% [markdown]
# **Small steps.** Where does the swing have its middle? At rest the sampler is its own best answer:
# $q^\alpha \propto p/q$, so
#
# $$q \propto p^{1/(1+\alpha)}, \qquad \text{for } \alpha = 1: \quad q \propto \sqrt p .$$
#
# By hand: $\sqrt{0.4}, \sqrt{0.3}, \sqrt{0.2}, \sqrt{0.1} = 0.632, 0.548, 0.447, 0.316$, with the sum 1.943: $q = 0.325, 0.282, 0.230, 0.163$. Flatter
# than $p$.

# %%
middle = enumeration.settle("logit", p2)
print("by hand:", [round(x, 3) for x in normalised(p2.sqrt()).tolist()])
print("game:   ", [round(x, 3) for x in middle.tolist()])
print("package:", [round(x, 3) for x in fixed_point("logit", p2).tolist()])

# %%
calm = []
no_log_q = enumeration.settle("logit", p, watch=lambda q: calm.append(total_variation(q, p)))
report("logit D alone", no_log_q, normalised(p.sqrt()), far=0.5)

# %%
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.plot(swing, "o-", color=plots.COLORS["baseline"], label="full steps")
axes.plot(calm[:9], "s--", color=plots.COLORS["generated"], label="steps of 30 %")
predicted = total_variation(normalised(p.sqrt()), p)
axes.axhline(predicted, color=plots.COLORS["ceiling"], linestyle=":")
axes.text(8.35, predicted, "√p", va="center", color=plots.COLORS["ceiling"])
axes.set(xlabel="round", ylabel="total variation to p", ylim=(-0.05, 1.05))
axes.set_title("Without log q: to and fro for ever, or to rest at the wrong place")
axes.legend(loc="center left", bbox_to_anchor=(1.05, 0.5))
plots.show(
    figure,
    "Total variation to p over eight rounds. With full steps it jumps between nearly 1, where the "
    "sampler is uniform, and 0. With small steps it settles on a dotted line at about a half, the "
    "distribution proportional to the root of p.",
)

# %%
show_shares(
    {"p, the printer": p, "where it ends": no_log_q, "prediction": normalised(p.sqrt())},
    "Without log q the rubbish comes in: a root makes small numbers large",
    "Three bars for each sign: p, where the game ended, and the prediction. The last two agree "
    "everywhere: the signs are printed less than half as often as they should be, and all other "
    "pictures together more than half of the time.",
)

# %% [markdown]
# Does a *network* fall into it as well? In the all-action form, forgetting $\log q$ means the target
# $\operatorname{softmax}(f)$. The same argument, for each decision alone, gives $q(a \mid s) \propto \sqrt{p(a \mid s)}$ at rest.


# %%
class Forgetful(DQNGAN):
    """Forgets log q: its targets are softmax(f)."""

    def log_q(self, observation: Tensor) -> Tensor:
        """Return what would be right if all actions were equally likely."""
        return torch.full((len(observation), 2), -math.log(2))


forgetful, _ = train(PerfectJudge(p), 1_500, Forgetful)
by_decision = enumeration.distribution_of(
    [(step / 2).log_softmax(1) for step in enumeration.conditionals(p)]
)
report(
    "no log q in the targets, network",
    made_by(forgetful.generator),
    by_decision,
    far=0.4,
    near=0.15,
)

# %% [markdown]
# **Change** `rate` in the swing to 0.9, 0.6 and 0.5: look for the rate that goes to $\sqrt p$ in one step, and find out why from
# $R = \log p - \log q$.
#
# ### Trap 2: paying something else
#
# *And with $R = D$, the reward of notebook 07? Or $-\log(1 - D)$?*
# At rest $q \propto e^{R/\alpha}$ with $R$ made from $p/q$. For $R = D$ the reward lies between 0 and 1, so at $\alpha = 1$ no picture can be more than
# $e$ times as likely as another: nearly uniform. At $\alpha = 0.1$ it is a factor of $e^{10} = 22{,}026$: the signs appear, but
# 65,528 others want their share as well. $-\log(1-D) = \log(1 + p/q)$ is like the logit where $D$ is near 1, and 0 elsewhere.

# %%
for form, alpha in (("D", 1.0), ("D", 0.1), ("-log(1-D)", 1.0)):
    landed = enumeration.settle(form, p, temperature=alpha)
    report(f"{form}, α = {alpha:g}", landed, fixed_point(form, p, alpha), far=0.5)

# %% [markdown]
# There is an exception. A **Wasserstein critic** $w$ that nothing holds climbs $\mathbb E_p[w] - \mathbb E_q[w]$: its gradient for each picture is $p(x) - q(x)$. Let it take
# **small steps**, and let the sampler always be the soft answer $q \propto e^{w}$. Then
#
# $$w \leftarrow w + \eta\,(p - q), \qquad q = e^{w}/Z ,$$
#
# is gradient ascent on the log-likelihood of an energy-based model, and it stands still only at $q = p$ (Ziebart et al. 2008; Finn et al.
# 2016). Here the reward **remembers**: $w$ adds up all that was ever wrong. That is why no $\log q$ is missing.

# %%
w = torch.zeros_like(p)
for _ in range(4_000):
    q = torch.softmax(w, 0)
    w += 6.0 * (p - q)
distance = total_variation(torch.softmax(w, 0), p)
claim("critic by small steps: total variation to p", distance, at_most=0.05)
rows.append(
    ["critic, small steps, α = 1", f"{distance:.1e}", f"{distance:.2f}", f"{q[signs].sum():.2f}"]
)

# %% [markdown]
# **Change** the step 6.0 to 20: look for what a critic does that moves faster than its sampler can answer for.
#
# ### Trap 3: another temperature
#
# *Is α only a knob for exploration?* No: $\pi(x) = e^{R(x)/\alpha}/Z$. With $R = \log p$ this is
#
# $$\pi \propto p^{1/\alpha} .$$
#
# Below 1 the frequent becomes more frequent, above 1 the rare. By hand, $\alpha = \frac12$: $p^2 = 0.16, 0.09, 0.04, 0.01$, with the sum 0.3:
# $\pi = 0.533, 0.3, 0.133, 0.033$.

# %%
half = enumeration.settle("logit + log q", p2, temperature=0.5)
print("game:", [round(x, 3) for x in half.tolist()])
for alpha in (0.5, 2.0):
    landed = enumeration.settle("logit + log q", p, temperature=alpha)
    report(f"logit D + log q, α = {alpha:g}", landed, normalised(p ** (1 / alpha)), far=0.1)

# %% [markdown]
# Notebooks 09 and 10 *generate* at a temperature τ below 1 on purpose, to get clearer pictures. There each decision is sharpened for
# itself, $\pi(a \mid s) \propto p(a \mid s)^{1/\tau}$. Is that the same as $p^{1/\tau}$? On two pixels with $\tau = \frac12$: the first pixel is 0 with
# $0.49/(0.49 + 0.09) = 0.845$, then 0 with $0.16/(0.16+0.09) = 0.64$: the picture 00 has 0.541, not 0.533. Two decisions, and it is slightly off. How far off will sixteen be?

# %%
tau = 0.5
each = [(step / tau).log_softmax(1) for step in enumeration.conditionals(p)]
sharpened = enumeration.distribution_of(each)
report("generated at τ = 0.5, network", made_by(perfect.generator, tau), sharpened, far=0.1)
claim("from there to p^(1/τ)", total_variation(sharpened, normalised(p ** (1 / tau))), at_least=0.2)

# %%
alphas = [0.1 * 1.15**i for i in range(25)]
tempered = [normalised(p ** (1 / alpha)) for alpha in alphas]
figure, axes = plt.subplots(figsize=(7, 2.9))
for name, place, color, style in (
    ("O, the most frequent sign", 0, "dqn", "-"),
    ("/, the rarest sign", 7, "generated", "--"),
    ("all 65,528 others", 8, "baseline", ":"),
):
    curve = [shares(q)[place] for q in tempered]
    axes.semilogx(alphas, curve, style, color=plots.COLORS[color], label=name)
axes.axvline(1, color=plots.COLORS["real"], linewidth=0.8)
axes.text(1.03, 0.8, "the data", color=plots.COLORS["real"])
axes.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
axes.set(xlabel="temperature α", ylabel="probability")
axes.set_title("Only α = 1 gives every picture its share")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    figure,
    "Probabilities against the temperature, a logarithmic axis. At 0.1 the most frequent sign has "
    "most of it. At 1, marked as the data, it has one fifth and the rarest sign one "
    "twentieth. At 3 all other pictures together have most of it.",
)

# %% [markdown]
# ### Trap 4: a discount
#
# *γ = 0.99 is in every DQN. What does it do here?* The telescope breaks: the $V$ that is subtracted no longer equals the $\gamma V$ that
# was added. It depends on **when** the reward comes.
#
# **Paid at the end.** By hand, two pixels, $\gamma = \frac12$. The last pixel is chosen right, since nothing follows it. The first one has
# $Q = \gamma V = \frac12 \log 0.7$ and $\frac12 \log 0.3$: so $\pi(0) = \sqrt{0.7}/(\sqrt{0.7} + \sqrt{0.3}) = 0.604$, and not 0.7. The earlier a decision, the more
# often the discount has been applied, and the more it looks like a coin. Let $M(s)$ be the weight of a state:
#
# $$M(s) = \sum_a M(s')^\gamma, \qquad \pi(a \mid s) = M(s')^\gamma / M(s), \qquad M(\text{last canvas}) = p(s) .$$


# %%
def early_coins(p: Tensor, gamma: float) -> Tensor:
    """Return what a discount makes of a reward log p that is paid at the end."""
    M, steps = p.reshape(-1, 2).sum(1), [p.reshape(-1, 2)]
    while len(M) > 1:
        steps.insert(0, M.reshape(-1, 2) ** gamma)
        M = steps[0].sum(1)
    return enumeration.distribution_of([(step / step.sum(1, keepdim=True)).log() for step in steps])


print("two pixels:", [round(x, 4) for x in early_coins(p2, 0.5).reshape(2, 2).sum(1).tolist()])
for gamma in (0.95, 0.9):
    landed = enumeration.settle("logit + log q", p, discount=gamma)
    report(f"paid at the end, γ = {gamma}", landed, early_coins(p, gamma), far=0.2)

# %% [markdown]
# **Paid for progress.** Many agents are paid for how much better the picture got. Score the canvas as if the rest were paper: $r = \log p(\text{canvas after}) - \log p(\text{canvas before})$.
# With $\gamma = 1$ the sum telescopes, and the end is $p$. With $\gamma < 1$ an improvement **now** counts more than a loss later: $\gamma$ favours what looks good early.

# %%
steps = []
for t in range(16):
    before = torch.arange(2**t) << (16 - t)  # the canvas, completed with paper
    after = torch.stack([before, before | 1 << (15 - t)], 1)
    steps.append(p.log()[after] - p.log()[before][:, None])
hasty = {}
for gamma in (1.0, 0.9):
    Q, _ = enumeration.soft_values(torch.zeros_like(p), 1.0, gamma, steps)
    hasty[gamma] = enumeration.distribution_of(enumeration.boltzmann(Q))
claim(
    "paid for progress, γ = 1: total variation to p", total_variation(hasty[1.0], p), at_most=1e-5
)
claim(
    "paid for progress, γ = 0.9: total variation to p", total_variation(hasty[0.9], p), at_least=0.4
)

# %%
show_shares(
    {"p, the printer": p, "paid at the end": early_coins(p, 0.9), "paid for progress": hasty[0.9]},
    "γ = 0.9: coins at the start, or haste",
    "Three bars for each sign: p; a reward at the end with a discount, where signs are rarer and "
    "the other pictures have most of the probability; and a reward for progress with a discount, "
    "where signs with paper in the last rows or little ink are preferred.",
)

# %% [markdown]
# The signs that win have their ink early and paper late, or little ink at all: their unfinished canvases look like something already.
#
# **Paid $\log p(a \mid s)$ at each step.** Guess what γ does now. Then look at $V$: it is $\log \sum_a p(a \mid s) = \log 1 = 0$ in *every* state.
# A discount on zero does nothing.

# %%
for gamma in (0.9, 0.0):
    Q, V = enumeration.soft_values(torch.zeros_like(p), 1.0, gamma, enumeration.conditionals(p))
    landed = enumeration.distribution_of(enumeration.boltzmann(Q))
    claim(
        f"paid log p(a|s), γ = {gamma:g}: total variation to p",
        total_variation(landed, p),
        at_most=1e-5,
    )

# %% [markdown]
# This is the reason why the all-action form needs no discount, no bootstrap and no patience: each decision has its whole reward at once, and
# $Q(s, \cdot) = \log q + f$ is right even at $\gamma = 0$. It has a cost too: somebody must judge *unfinished* pictures.
# **Change** the loop to temperature 0.5 in `soft_values` and `boltzmann`: $V$ is then no longer 0. Look for what $\gamma = 0$ and $\gamma = 1$ give, and compare with trap 3.
#
# ### Trap 5: whose samples?
#
# *The discriminator's fakes come from a replay, and from a sampler that explores. Which $q$ is that?*
# The best discriminator knows what it was **shown**. Call that $\bar q$. Its logit is $\log p/\bar q$. If the target adds $\log q$ of another policy,
# it is wrong by their ratio:
#
# $$\log q + f = \log p + \log \frac{q}{\bar q} \quad\Longrightarrow\quad \pi \propto p \cdot \frac{q}{\bar q} .$$
#
# **A stored reward.** Keep the logit from the time when the sampler tossed coins, $\log p/u$, and add today's $\log q$. Today's sampler is $p$. So
# $\pi \propto p \cdot p/u \propto p^2$: the agent is paid *again* for what it has learnt already. Recomputed from the pictures, the logit is 0, and nothing moves.

# %%
stored = p.log() - uniform.log()  # the logit of long ago
for name, logit in (("stored", stored), ("recomputed", p.log() - p.log())):
    Q, _ = enumeration.soft_values(reward("logit + log q", logit, p.log()))
    landed = enumeration.distribution_of(enumeration.boltzmann(Q))
    if name == "stored":
        report("a stored logit", landed, normalised(p * p / uniform), far=0.1)
    else:
        claim("recomputed: total variation to p", total_variation(landed, p), at_most=1e-5)

# %% [markdown]
# **A memory that never forgets.** Let a share ρ of the fakes always come from an early sampler $u$. Here $u \propto \sqrt p$ and ρ = ½. At rest $q/\bar q$ must be constant wherever the sampler
# still draws, with $\bar q = \rho u + (1 - \rho) q$. So it is $\bar q$, **the mixture, that becomes $p$** as far as it can, and
#
# $$q = \frac{\max(0,\; p/c - \rho\, u)}{1 - \rho} , \qquad c \text{ such that it sums to 1} .$$
#
# The sampler leaves out what the memory already has too much of.


# %%
def left_over(p: Tensor, u: Tensor, rho: float) -> Tensor:
    """Return q for a memory that keeps a share rho of u; c is found by halving."""
    low, high = 0.01, 100.0
    for _ in range(100):
        c = (low + high) / 2
        q = (p / c - rho * u).clamp(min=0) / (1 - rho)
        low, high = (c, high) if q.sum() > 1 else (low, c)
    return normalised(q)


early = normalised(p.sqrt())
landed = enumeration.settle("logit + log q", p, fakes=lambda q: (early + q) / 2)
report("half of the memory is old", landed, left_over(p, early, 0.5), far=0.05)

# %% [markdown]
# **A memory that forgets, but slowly.** With the last $n$ rounds in memory the only place of rest is the right one. But does the game get there? The judge speaks about samplers of the last $n$ rounds, and the agent
# corrects an error that it has corrected already. On two pixels:

# %%
paths = {}
for n, rate in ((1, 1.0), (3, 1.0), (10, 1.0), (10, 0.05)):
    memory: list[Tensor] = []

    def last_rounds(q: Tensor, n: int = n, memory: list[Tensor] = memory) -> Tensor:
        """Return the mixture of the last n samplers."""
        memory.append(q)
        return torch.stack(memory[-n:]).mean(0)

    path = paths[n, rate] = []
    look = lambda q, path=path: path.append(total_variation(q, p2))  # noqa: E731
    enumeration.settle("logit + log q", p2, rate=rate, rounds=150, fakes=last_rounds, watch=look)
claim("3 rounds, full steps: total variation at the end", paths[3, 1.0][-1], at_most=0.01)
claim(
    "10 rounds, full steps: greatest in the last 50 rounds", max(paths[10, 1.0][-50:]), at_least=0.4
)
claim("10 rounds, steps of 5 %: total variation at the end", paths[10, 0.05][-1], at_most=0.01)

# %%
figure, axes = plt.subplots(figsize=(7, 2.9))
for (n, rate), color, style in (
    ((3, 1.0), "accent", "--"), ((10, 1.0), "generated", "-"), ((10, 0.05), "dqn", "-.")
):  # fmt: skip
    name = f"{n} rounds, " + ("full steps" if rate == 1 else f"steps of {rate:.0%}")
    axes.plot(paths[n, rate], style, color=plots.COLORS[color], label=name)
axes.set(xlabel="round", ylabel="total variation to p")
axes.set_title("A long memory needs a slow sampler")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    figure,
    "Total variation to p over 150 rounds on two pixels. With 3 rounds in memory and full steps it "
    "falls to zero with a few swings. With 10 rounds and full steps it swings more and more widely "
    "and stays large. With 10 rounds and steps of 5 % it falls smoothly to zero.",
)

# %% [markdown]
# So a replay of ten rounds is fine, *if the sampler is a slow running mean*. This is what `DQNGAN` does (`sampler_memory` 0.95), and why.
#
# **Exploring with ε.** The sampler takes a random action with probability ε: $\bar q = (1 - \varepsilon)\,\pi + \varepsilon/2$ in each decision. If the target has $\log \pi$ in place of $\log \bar q$, rest means
# $\bar q(a \mid s) = p(a \mid s)$ where possible: the agent makes its *exploring* self right, and the pure one overdoes it,
#
# $$\pi(a \mid s) = \max\Big(0,\; \frac{p(a \mid s) - \varepsilon/2}{1 - \varepsilon}\Big) \Big/ \text{sum} .$$
#
# By hand with $p = 0.7$ and $\varepsilon = 0.2$: $\pi = 0.6/0.8 = 0.75$, and indeed $\bar q = 0.8 \cdot 0.75 + 0.1 = 0.7$.

# %%
epsilon = 0.2
log_p = enumeration.conditionals(p)


def explorers_game(corrected: bool, rounds: int = 60) -> Tensor:
    """Play the all-action game with an exploring sampler; return where its pure policy ends."""
    policy = [torch.full_like(step, -math.log(2)) for step in log_p]
    for _ in range(rounds):
        shown = enumeration.explore(policy, epsilon)
        added = shown if corrected else policy
        for t, (own, q_bar) in enumerate(zip(added, shown, strict=True)):
            target = policy_target(own, log_p[t] - q_bar)
            policy[t] = log_softmax(0.7 * policy[t] + 0.3 * target, 1)
    return enumeration.distribution_of(policy)


# %%
over = [((step.exp() - epsilon / 2) / (1 - epsilon)).clamp(min=0) for step in log_p]
over = enumeration.distribution_of([(step / step.sum(1, keepdim=True)).log() for step in over])
overdone = explorers_game(corrected=False)
report("ε = 0.2, target with log π", overdone, over, far=0.05)
claim(
    "share of the rarest sign, over what it should be",
    overdone[signs[-1]] / p[signs[-1]],
    at_most=0.6,
)
right = total_variation(explorers_game(corrected=True), p)
claim("ε = 0.2, target with log q̄: total variation to p", right, at_most=1e-5)

# %% [markdown]
# Half of the rarest sign is gone, and every wrong pixel with it. `DQNGAN.log_q` has its own ε in it. So a network that explores still ends at $p$:

# %%
explorer, explorer_run = train(PerfectJudge(p), 1_500, epsilon=epsilon)
claim(
    "ε = 0.2, target with log q̄, network: total variation to p",
    explorer_run.score[-1],
    at_most=0.05,
)

# %% [markdown]
# The rule for all four: **the $q$ in the target is the $q$ whose pictures the discriminator has seen.**
#
# ### Exercise 08.3 · What did the discriminator see?
#
# Difficulty ●●●○○ · importance ●●●●○ · 15 minutes. Help: `hint("08.3")`, `solution("08.3")`


# %% tags=["exercise"] exercise="08.3"
def log_q_shown(q_values: Tensor, temperature: float, epsilon: float) -> Tensor:
    """Return log q̄(a | s) of a sampler that explores, shape (n, actions).

    With probability epsilon it draws any of the actions, all alike; else it draws an action
    with probability softmax(Q/α). q_values: float, shape (n, actions), as large as you can
    imagine. temperature: α > 0. epsilon: from 0 to 1, both included.
    """
    ...


# %%
check("08.3", log_q_shown)

# %% [markdown]
# ### Trap 6: many ways to one picture
#
# *Why row by row? A painter may begin anywhere.*
# Let the agent set ink where it likes, one pixel at a time, and stop when it likes. Now a picture with $k$ ink pixels can be reached in $k!$ orders. The states are no tree
# any more. Each *path* still has the probability $e^{R(x)}/Z$, so a picture has
#
# $$\pi(x) = n(x)\, e^{R(x)} / Z , \qquad n(x) = k! \text{ paths} .$$
#
# By hand on two pixels: $n = 1, 1, 1, 2$. $\pi \propto 0.4,\ 0.3,\ 0.2,\ 2 \cdot 0.1$, with the sum 1.1: the picture 11 comes with 0.182 and not 0.1.

# %%
states = [
    (0, 0, "00", "1 path"),
    (1, 1, "01", "1 path"),
    (1, -1, "10", "1 path"),
    (2, 0, "11", "2 paths"),
]
arrows = {(0, 1): "right first", (0, 2): "left first", (1, 3): "then left", (2, 3): "then right"}
figure = draw_states("Two paths lead to the picture 11", states, arrows)
plots.show(
    figure,
    "Four canvases. From two pixels of paper one arrow sets the right pixel, another the left one. "
    "From each of the two results an arrow leads to the same picture with both pixels ink.",
)

# %%
for corrected in (False, True):
    landed, V = enumeration.any_order(p2.log(), corrected=corrected)
    print(
        "corrected" if corrected else "as it is",
        [round(x, 4) for x in landed.tolist()],
        f"V(s₀) = {V[0].abs():.4f}",
    )

# %% [markdown]
# **The correction.** Divide each picture's weight among its paths. When a step leads to a canvas with $k$ ink pixels, the last one set could have been any of the $k$: the
# **backward probability** is $1/k$. Pay $\log \frac1k$ for this step. Along a path it adds up to $-\log k!$, and $n(x)$ cancels. This is known from generative flow networks, which are soft Q-learning
# on graphs (Tiapkin et al. 2024; Deleu et al. 2024).

# %%
landed, V = enumeration.any_order(p.log())
report("ink in any order", landed, normalised(enumeration.path_counts() * p), far=0.5)
mended, V = enumeration.any_order(p.log(), corrected=True)
claim("any order, corrected: total variation to p", total_variation(mended, p), at_most=1e-5)
claim("any order, corrected: |V| of the empty canvas", V[0].abs(), at_most=1e-5)

# %%
show_shares(
    {"p, the printer": p, "where it ends": landed, "corrected": mended},
    "In any order, the picture with most ways to it wins",
    "Three bars for each sign. Without the correction the sign U, which has the most ink, has "
    "three quarters of everything. With it all bars agree with p.",
)

# %% [markdown]
# "U" has ten ink pixels, "O" eight: $10!/8! = 90$ times as many ways. Notebook 10 paints in strokes. There the step number is part of the state and the discriminator judges *drawings*, orders included: then each drawing has one path, and
# no correction is needed. That is the other way out.
#
# ### Exercise 08.4 · Values on a graph
#
# Difficulty ●●●●○ · importance ●●●○○ · 25 minutes. Help: `hint("08.4")`, `solution("08.4")`


# %% tags=["exercise"] exercise="08.4"
def graph_values(children: list[list[int]], reward: Tensor) -> Tensor:
    """Return the soft value of each state of a graph with the path correction, shape (n,).

    In state s one may stop, for reward[s], or go to any state in children[s]; each of these is
    greater than s. A step to c pays log(1 / parents of c). Temperature and discount are 1.
    reward: float64, shape (n,); −inf where one may not stop.
    """
    ...


# %%
check("08.4", graph_values)

# %% [markdown]
# ## 9. When can a DQN train a generator?
#
# Everything that we have seen land. The last column is the share of the eight clean signs; the printer's is 0.95.

# %% tags=["nbval-ignore-output"]
right_ones = []
for name, q in (
    ("the right reward, tables", same),
    ("all actions, network, perfect judge", made_by(perfect.generator)),
    ("all actions, network, learnt discriminator", made_by(learnt.generator)),
):
    distance = total_variation(q, p)
    right_ones.append([name, f"{distance:.1e}", f"{distance:.2f}", f"{q[signs].sum():.2f}"])
header = ["game", "TV to prediction", "TV to p", "share of signs"]
plots.table(right_ones + rows, header, "Where each game landed; the first three should land at p.")

# %% [markdown]
# | what the agent is paid | lands at | needs | use it when |
# | --- | --- | --- | --- |
# | anything, greedy | one picture | – | you want *the best* picture, not a distribution |
# | $D$ | $q \propto e^{D/\alpha}$: flat, or a few | – | never, to match data |
# | $-\log(1-D)$ | $q \propto (1 + p/q)^{1/\alpha}$ | – | never, to match data |
# | $\operatorname{logit} D$ | $p^{1/(1+\alpha)}$, or a swing | small steps | small α, small steps, and $\log q$ is not known |
# | Wasserstein critic | $p$ | critic slow, sampler at its best answer | $\log q$ is not known, and time is |
# | $\operatorname{logit} D + \log q$ | $p^{1/\alpha}$ | α = 1, γ = 1, a tree, the right $q$ | only finished pictures can be judged |
# | all actions, $\log q + f$ | $p$ | a tree, the right $q$ | unfinished pictures can be judged: **first choice** |
#
# **To a colleague, in six questions.**
#
# 1. Are the decisions discrete, or is there a tool without a gradient? If not, train a GAN.
# 2. Should it make *one* best picture, or *draw* from the data? To draw, it must be soft.
# 3. Does the reward contain $\log q$? Without it a better sampler gets a worse reward.
# 4. Is $\alpha = 1$ and $\gamma = 1$ (or is each decision paid in full at once)?
# 5. Is the $q$ in the target the one that made the discriminator's fakes: its ε, its replay?
# 6. Does each picture have one path? If not, correct for the paths, or judge the drawing with its order.
#
# Six times yes, and a discriminator near its best: then the DQN is a generator. How near is near enough? That is what no theorem says,
# and what notebook 09 measures.
#
# To be fair: the learnt discriminator saw real pictures. Where real pictures are there to copy token by token, **maximum likelihood** learns $p(a \mid s)$ directly, and faster. The game is
# for rewards and tools that likelihood cannot use; notebook 09 puts both side by side.
#
# ## Recap
#
# - Soft Q-learning on a tree with $\gamma = 1$ makes pictures with $e^{R/\alpha}/Z$. With $R = \log p$ its values are log-probabilities of prefixes.
# - $\operatorname{logit} D + \log q = \log p$: the discriminator and the sampler together know the data.
# - On prefixes, $\log q + f$ is a target for all actions at once; it needs no bootstrap, and a network learns it in a thousand rounds.
# - Without $\log q$: $\sqrt p$ or a swing. Temperature: $p^{1/\alpha}$. Discount: coins early, or haste. Wrong $q$: $p\,q/\bar q$. Many paths: $n(x)\,p$.
#
# ## What is now possible
#
# You can read a paper that trains a generator by rewards, and say from its equations what it converges to. In **notebook 09** pictures get too many to count, and the discriminator must learn from
# 8,000 digits: the recipe of section 7 draws them patch by patch.
#
# ## References
#
# - B. Ziebart, A. Maas, J. Bagnell, A. Dey (2008). Maximum entropy inverse reinforcement learning. *AAAI*. The likelihood whose gradient is $p - q$.
# - A. Ng, D. Harada, S. Russell (1999). Policy invariance under reward transformations. *ICML*. Shaping by a potential.
# - D. Silver et al. (2014). Deterministic policy gradient algorithms. *ICML*. Section 2.
# - I. Goodfellow et al. (2014). Generative adversarial networks. *NeurIPS*. arXiv 1406.2661. The best discriminator.
# - C. Finn, P. Christiano, P. Abbeel, S. Levine (2016). A connection between GANs, inverse reinforcement learning, and energy-based models. arXiv 1611.03852. $\log q$ inside the discriminator.
# - D. Pfau, O. Vinyals (2016). Connecting generative adversarial networks and actor-critic methods. arXiv 1610.01945.
# - T. Haarnoja, H. Tang, P. Abbeel, S. Levine (2017). Reinforcement learning with deep energy-based policies. *ICML*. arXiv 1702.08165. Soft Q-learning.
# - O. Nachum, M. Norouzi, K. Xu, D. Schuurmans (2017). Bridging the gap between value and policy based reinforcement learning. *NeurIPS*. arXiv 1702.08892. The telescope along a path.
# - J. Fu, K. Luo, S. Levine (2018). Learning robust rewards with adversarial inverse reinforcement learning. *ICLR*. arXiv 1710.11248.
# - D. Tiapkin, N. Morozov, A. Naumov, D. Vetrov (2024). Generative flow networks as entropy-regularized RL. *AISTATS*. arXiv 2310.12934. Paths, and the backward probability as a reward.
# - T. Deleu, P. Nouri, N. Malkin, D. Precup, Y. Bengio (2024). Discrete probabilistic inference as control in multi-path environments. *UAI*. arXiv 2402.05234. The same correction.
