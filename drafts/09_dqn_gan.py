# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 09 · A DQN that draws digits, patch by patch
#
# Below is a digit of which the lower half is missing, and five small patches. Which patch belongs in
# the frame? If you can say how likely each one is, you can go on like this and finish the digit. And
# if you can do it from the empty canvas on, you can draw. Each choice is an *action*. So this is
# work for a DQN.
#
# **Objectives.** After this notebook you can
#
# - turn pictures into short sentences of patches, and say what that costs;
# - train a discriminator that judges every prefix of such a sentence;
# - give a DQN a target for *all* its actions at once, from that discriminator;
# - train the two against each other until the DQN draws digits, with no real digit in any of
#   its batches;
# - say why a greedy DQN and a reward at the end do not get there, and why maximum likelihood does.
#
# **You need** notebooks 02, 05 and 08. **Time:** about 60 minutes to read, about 4 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import csv
import math
import time
from copy import deepcopy

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

# %%
from dqngan_lib import plots
from dqngan_lib.causal_networks import CausalTransformer, train_by_likelihood
from dqngan_lib.data import digits
from dqngan_lib.dqngan import DQNGAN, DQNGANSettings
from dqngan_lib.dqngan_training import (
    DQNGANTrainSettings,
    RoundReplay,
    branch,
    generate,
    play_episodes,
    train_dqngan,
)
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.metrics import digit_fid, digit_scores, distinct_images
from dqngan_lib.networks import parameter_count
from dqngan_lib.patch_canvas import PatchCanvas, decode, encode, fit_codebook, reconstruction
from dqngan_lib.rewards import policy_target
from dqngan_lib.rollout import Rollout
from dqngan_lib.runtime import claim, seed_everything

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %%
data = digits(16)
training, held_out = data.train_images, data.test_images
codebook = fit_codebook(training, patch=4, count=128, seed=0)
print("digits:", tuple(training.shape), "| codebook:", tuple(codebook.shape))

# %%
tokens = encode(training[:1], codebook)
half = tokens.clone()
half[0, 9:] = -1  # nothing placed there
figure, all_axes = plt.subplots(1, 6, figsize=(7.4, 1.9), width_ratios=[2.4, 1, 1, 1, 1, 1])
all_axes[0].imshow(decode(half, codebook, blank=0.4)[0, 0], cmap="gray", vmin=0, vmax=1)
frame = {"edgecolor": plots.COLORS["accent"], "fill": False, "linewidth": 3}
all_axes[0].add_patch(Rectangle((3.5, 7.5), 4, 4, **frame))
for axes, token in zip(all_axes[1:], (tokens[0, 9].item(), 0, 40, 80, 120), strict=True):
    axes.imshow(codebook[token], cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"patch {token}", fontsize=9)
for axes in all_axes:
    axes.set_axis_off()
figure.suptitle("Which patch comes into the frame?", fontsize=11)
plots.show(
    figure,
    "On the left the upper half of a handwritten digit on a canvas of four by four patches; the "
    "first nine patches are placed, the rest is grey, and a frame marks the tenth place. On the "
    "right five patches to choose from.",
)

# %% [markdown]
# ## 1. Pictures as sentences
#
# *How can a picture become a few choices?* Cut it into patches, and allow only patches from a fixed
# list, the **codebook**. A choice is then a number from 0 to $K - 1$, a **token**. A picture $x$ is a
# sentence of tokens $a_0, a_1, \dots, a_{T-1}$, row by row from the top left.
#
# To **encode** a patch $u$ is to find the nearest patch $c_k$ of the codebook:
#
# $$a = \arg\min_k \; \|u - c_k\|^2 .$$
#
# By hand, with patches of two pixels and a codebook of three: $c_0 = (0, 0)$, $c_1 = (0, 1)$,
# $c_2 = (1, 1)$. The patch $(0.2, 0.1)$ is at squared distances $0.05,\ 0.85,\ 1.45$: token 0. The patch
# $(0.1, 0.7)$: $0.5,\ 0.1,\ 0.9$: token 1. The patch $(0.6, 0.9)$: $1.17,\ 0.37,\ 0.17$: token 2.

# %%
patches = torch.tensor([[0.2, 0.1], [0.1, 0.7], [0.6, 0.9]])
small_codebook = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
squares = (patches[:, None] - small_codebook[None]).square().sum(2)  # a row for each patch
print(squares)
print("tokens:", squares.argmin(1).tolist())

# %% [markdown]
# To **decode** is to put the patches where their tokens stand. Where does the codebook come from?
# From **k-means** (Lloyd 1982): begin with $K$ patches; give each patch of the data to the nearest;
# replace each of the $K$ by the mean of what it was given; repeat. scikit-learn does it. Ours has
# $K = 128$ patches of $4 \times 4$ pixels, sorted by ink. A digit of $16 \times 16$ is a sentence of
# $T = 16$ tokens.

# %%
plots.show_images(
    codebook[:, None],
    "128 small grey patches in eight rows of sixteen: black ones first, then ends and edges of "
    "strokes in all directions, and white ones last.",
    columns=16,
    title="The codebook, from no ink to much ink",
    scale=4.0,
)

# %% tags=["nbval-ignore-output"]
tokens = encode(training, codebook)
print("a digit as a sentence:", tokens[0].tolist())

# %%
both = torch.cat([training[:10], decode(tokens[:10], codebook)])
plots.show_images(
    both,
    "Two rows of ten digits. The upper row holds real digits, the lower the same digits put "
    "together from the codebook's patches: the same, but for small steps in the strokes.",
    title="Real digits, and what is left of them",
    scale=3.0,
)

# %% [markdown]
# Something is lost, and no generator that uses this codebook can bring it back. So we measure it
# first: digit-FID (notebook 05) of held-out digits that were encoded and decoded. This is the
# **floor**. Scores at $16 \times 16$ are not scores at $28 \times 28$; compare them with what is in this
# notebook alone. At the other end: patches drawn at random, all alike.

# %%
floor = digit_fid(reconstruction(held_out, codebook), held_out)
random_tokens = torch.randint(128, (2_000, 16), generator=torch.Generator().manual_seed(seed))
worst = digit_fid(decode(random_tokens, codebook), held_out)
claim("digit-FID of the codebook, the floor (n = 2,000 against 2,000)", floor, at_most=7)
claim("digit-FID of random patches", worst, at_least=65)

# %% [markdown]
# *Change* `count=128` to 32 in the cell that makes the codebook and run the cells again: look for the
# steps in the strokes, and for the floor. Put 128 back afterwards.
#
# ### Exercise 09.1 · Encode
#
# Difficulty ●●○○○ · importance ●●●○○ · 5 minutes. Help: `hint("09.1")`, `solution("09.1")`


# %% tags=["exercise"] exercise="09.1"
def nearest_patches(patches: Tensor, codebook: Tensor) -> Tensor:
    """Return the number of the nearest patch of the codebook for each patch.

    patches: float, shape (n, pixels). codebook: float, shape (K, pixels).
    Returns: int64, shape (n,), from 0 to K − 1.
    """
    ...


# %%
check("09.1", nearest_patches)

# %% [markdown]
# ## 2. The canvas is an environment
#
# *What does the agent see, and what may it do?* State $s_t$: the tokens placed so far. Action $a_t$:
# the next token. The next state is $s_t$ with $a_t$ appended, without any chance. After $T = 16$
# actions the episode terminates. The canvas gives **no reward**: what a picture is worth, only the
# discriminator can say. `PatchCanvas` speaks Gymnasium's language, as in notebook 02. Token 0 of an
# observation is a *start token*, here always 0, and $-1$ means that nothing has been placed.

# %%
canvas = PatchCanvas(num_envs=1, codebook=codebook, grid=4)
observation, _ = canvas.reset(seed=seed)
for action in (0, 0, 64, 127, 90, 5):
    observation, reward, terminated, truncated, _ = canvas.step(torch.tensor([action]))
print("observation:", observation[0].tolist())
print("reward:", reward.item(), "| terminated:", terminated.item())

# %% [markdown]
# *Change* the six actions, or place ten more: look for `terminated`, and for the observation after it.
#
# Two different sentences never meet in one state: the states form a **tree**, and each picture is one
# leaf. Notebook 08 showed why this matters: on a tree, soft Q-learning samples exactly.
#
# ## 3. One network for all states of an episode
#
# *Must we run the network sixteen times for sixteen states?* No. A **causal transformer** (Vaswani et
# al. 2017) reads the whole sentence at once. Its output at position $t$ depends on $s_t$ only: on the
# start token and the first $t$ patches. So one call gives $Q(s_t, a)$ for every $t$ and every $a$: a
# tensor of shape $(n, K, T)$, with the actions in dimension 1, as always.
#
# Ours is small: width 64, two layers. The last layer begins at zero, so at first all
# Q-values are 0 and every patch is equally likely. A patch's description begins as a
# random projection of its pixels, so that patches that look alike begin alike.

# %%
torch.manual_seed(seed)
q_network = CausalTransformer(codebook, steps=16)
discriminator = CausalTransformer(codebook, steps=16, dropout=0.1)  # for section 4
episodes = canvas.episodes(training)  # the start token, then 16 tokens: (8,000, 17)
q_values = q_network(episodes[:2, :-1])
print("Q-values:", tuple(q_values.shape), "| all zero:", bool((q_values == 0).all()))
print("weights:", parameter_count(q_network))

# %% [markdown]
# Does it never look ahead? Change one token and see which outputs change. (For this test we give a
# copy of the network a last layer that is not zero.)

# %%
probe = deepcopy(q_network)
torch.nn.init.normal_(probe.head.weight)
changed = episodes[:1, :-1].clone()
changed[0, 6] = (changed[0, 6] + 1) % 128  # the sixth patch
different = (probe(changed) != probe(episodes[:1, :-1])).any(1)[0]
print("outputs that differ:", different.nonzero().flatten().tolist())

# %% [markdown]
# Position 6 is the first that has seen the sixth patch, and it is about the seventh. Everything
# before is untouched. *Change* the 6 to 1 or to 15, and say first which outputs will differ.
#
# ## 4. A discriminator for every prefix
#
# *How can a picture be judged before it is finished?* Take the discriminator of notebook 04 and show
# it beginnings. "Is this a beginning of a real digit, or of a fake?" It has the same causal network,
# and it gives one logit for each next token: $f(s, a)$ judges the state $s$ *after* action $a$. Real
# sentences and those of the sampler $q$ give one question at each of the 16 positions:
#
# $$L_D = \mathbb E_{\text{real}}\big[-\log \sigma(f(s_t, a_t))\big]
#       + \mathbb E_{q}\big[-\log(1 - \sigma(f(s_t, a_t)))\big].$$
#
# We know its best answer from notebook 04, a ratio:
#
# $$f^*(s, a) = \log \frac{p(s, a)}{q(s, a)} = \log \frac{p(a|s)}{q(a|s)} + \log \frac{p(s)}{q(s)} .$$
#
# By hand: in one state, ten real digits went on with patch 0, 1, 2 six, three and one times; ten
# fakes went on two, four and four times. So $f^* = \log \frac62, \log \frac34, \log \frac14$. Gradient
# descent on $L_D$ finds it.

# %%
real_counts, fake_counts = torch.tensor([6.0, 3.0, 1.0]), torch.tensor([2.0, 4.0, 4.0])
f = torch.zeros(3, requires_grad=True)
adam = torch.optim.Adam([f], lr=0.1)
for _ in range(300):
    loss = (real_counts * softplus(-f) + fake_counts * softplus(f)).sum() / 10
    adam.zero_grad()
    loss.backward()
    adam.step()
print("found: ", [round(value, 3) for value in f.tolist()])
print("theory:", [round(math.log(a / b), 3) for a, b in ((6, 2), (3, 4), (1, 4))])

# %% [markdown]
# *Change* the real counts to `[60., 30., 10.]`: ten times as many real digits come through this
# state as fakes. Each $f$ rises by $\log 10$: this is the part $\log p(s)/q(s)$.
#
# ### Exercise 09.2 · The loss at every prefix
#
# Difficulty ●●●○○ · importance ●●●●● · 10 minutes. Help: `hint("09.2")`, `solution("09.2")`


# %% tags=["exercise"] exercise="09.2"
def prefix_loss(
    real_logits: Tensor, real_action: Tensor, fake_logits: Tensor, fake_action: Tensor
) -> Tensor:
    """Return the discriminator's loss: two means over episodes and steps, added.

    real_logits: float, shape (n, K, T), f(s_t, a) of all actions. real_action: int64, shape (n, T).
    fake_logits, fake_action: the same for m fakes. Logits may be as far from 0 as 200.
    """
    ...


# %%
check("09.2", prefix_loss)

# %% [markdown]
# ## 5. A target for all actions at once
#
# *What should the Q-values become?* In notebook 08, with temperature 1, $\pi(a|s) = e^{Q(s,a) - V(s)}$
# and the right answer was $\pi = p$. The discriminator says how $p$ differs from $q$, and we know
# $q$: it is our own sampler. So
#
# $$Q(s, \cdot) = \log q(\cdot|s) + f(s, \cdot) = \log p(\cdot|s) + \log \frac{p(s)}{q(s)} .$$
#
# The last part is one number for the whole state. Add a number to all Q-values of a state: the softmax
# does not change. So it **cancels**. By hand, with our three patches, $q = (0.2, 0.4, 0.4)$:
#
# $$q\, e^{f} = (0.2 \cdot 3,\; 0.4 \cdot \tfrac34,\; 0.4 \cdot \tfrac14) = (0.6,\, 0.3,\, 0.1) = p.$$

# %%
log_q = torch.tensor([[0.2, 0.4, 0.4]]).log()
f = torch.tensor([[6 / 2, 3 / 4, 1 / 4]]).log()
target = log_softmax(log_q + f, 1)
print("our line:       ", [round(value, 4) for value in target.exp()[0].tolist()])
shifted = log_softmax(log_q + f + 7, 1)
print("f + 7:          ", [round(value, 4) for value in shifted.exp()[0].tolist()])
package = policy_target(log_q, f, clip=5.0)
print("package:        ", [round(value, 4) for value in package.exp()[0].tolist()])

# %% [markdown]
# The package first takes the mean of $f$ under $q$ off, which cancels as well, and then cuts $f$ off at
# $\pm 5$: a discriminator that is sure of itself must not turn everything upside down in one step.
#
# *Change* 7 to any number you like, and then add it to the first logit alone. Which of the two does the
# policy notice?
#
# The loss is the distance from the target to the policy, summed over **all** $K$ actions,
#
# $$L_Q = \mathrm{KL}\big(\text{target} \,\big\|\, \mathrm{softmax}(Q)\big),$$
#
# and the states are the sampler's own. Compare the DQN of notebook 02: there a state gave a target for
# one action, the one taken, and the reward had to travel back step by step. Here a state gives 128
# targets, and nothing has to travel: $f(s, a)$ already judges the prefix. In the words of Ng et al.
# (1999) the discriminator's increments are a *potential-based shaping* of the reward at the end.
#
# ### Exercise 09.3 · The target
#
# Difficulty ●●●○○ · importance ●●●●● · 5 minutes. Help: `hint("09.3")`, `solution("09.3")`


# %% tags=["exercise"] exercise="09.3"
def all_action_target(log_q: Tensor, f: Tensor) -> Tensor:
    """Return log p(·|s) as the discriminator sees it, without any clipping.

    log_q: float, shape (n, K, T), log-probabilities of the sampler. f: the logits, same shape.
    Returns: float, shape (n, K, T); e to its power sums to 1 over the actions.
    """
    ...


# %%
check("09.3", all_action_target)

# %% [markdown]
# ### Exercise 09.4 · How likely is a picture?
#
# Difficulty ●●●○○ · importance ●●●○○ · 10 minutes. Help: `hint("09.4")`, `solution("09.4")`
#
# A gift of this construction: the generator can say how likely any picture is. A GAN's cannot.


# %% tags=["exercise"] exercise="09.4"
def picture_log_probability(q_values: Tensor, action: Tensor) -> Tensor:
    """Return log q(x) of each picture, for a sampler with temperature 1.

    q_values: float, shape (n, K, T), of the states the picture went through. action: int64, shape
    (n, T), the patches. Returns: float, shape (n,), in nats.
    """
    ...


# %%
check("09.4", picture_log_probability)

# %% [markdown]
# ## 6. Train
#
# *Which fakes should the discriminator see?* The sampler's own sentences, of course. But a young
# sampler's canvases look like no digit at all, and the discriminator sees it from the *state*,
# whatever the action: $f$ is one large negative number for all actions. That part cancels, and so it
# teaches nothing. Remedy: half of the fakes are **branches**. Take a prefix of a real sentence, and let the
# sampler choose the next patch. Now a real action and the sampler's stand in the same state, and only the
# action tells them apart. Is that allowed? With a share $b$ of branches
#
# $$f^*(s, a) = \log \frac{p(s)\, p(a|s)}{\big(b\, p(s) + (1 - b)\, q(s)\big)\, q(a|s)}
#    = \log \frac{p(a|s)}{q(a|s)} + \text{one number for each } s,$$
#
# and the softmax drops the number, whatever $b$ is. By hand, with our three patches and a state that real digits
# reach with probability 0.01 and the sampler with 0.2:

# %%
p, q = torch.tensor([[0.6, 0.3, 0.1]]), torch.tensor([[0.2, 0.4, 0.4]])
for b in (0.0, 0.5, 1.0):
    f = (0.01 * p / ((b * 0.01 + (1 - b) * 0.2) * q)).log()
    target = policy_target(q.log(), f).exp()[0].tolist()
    print(f"b = {b}: f = {[round(value, 2) for value in f[0].tolist()]},",
          f"target = {[round(value, 3) for value in target]}")  # fmt: skip

# %% [markdown]
# The loop has the parts of notebook 02, and a discriminator between the environment and the
# Q-network:
#
# 1. the **sampler**, a running mean of the Q-network (the *target network*), fills 64 canvases,
#    drawing patches from softmax(Q);
# 2. the **replay** remembers the tokens of the last 10 rounds, and no reward;
# 3. the **discriminator** takes one step: 64 real sentences against 32 from the replay and 32 with
#    branches;
# 4. the **Q-network** takes one step on 64 sentences from the replay, with the target above.
#
# No real digit, and no prefix of one, comes into step 4. Look at the lines: `real` is read in the
# discriminator's step alone. Everything the Q-network ever learns about digits reaches it through $f$.

# %%
settings = DQNGANSettings(
    reward="prefix",
    q_rate=2e-3,
    discriminator_rate=4e-3,
    sampler_memory=0.9,
    generator_memory=0.97,
)
agent = DQNGAN(q_network, discriminator, settings, seed)
real = {"observation": episodes[:, :-1], "action": episodes[:, 1:]}
envs = PatchCanvas(64, codebook, grid=4)

# %% [markdown]
# One round by hand, to see it once:

# %%
practice = deepcopy(agent)
replay = RoundReplay(rounds=10, newest_share=0.5, seed=seed)
replay.add(play_episodes(practice, Rollout(envs)))
some_real = {name: value[:64] for name, value in real.items()}
fake = branch(practice, some_real, replay.sample(64), count=32)
measured = practice.update_discriminator(some_real, fake)
q_loss = practice.update_q(replay.sample(64))
print(f"discriminator's loss {measured['discriminator_loss'].item():.4f}, "
      f"of one that guesses {2 * math.log(2):.4f}")  # fmt: skip
print("what the replay remembers:", {name: tuple(v.shape) for name, v in replay.sample(64).items()})

# %% [markdown]
# Now 1,500 rounds. Guess first: the canvas has $128^{16}$ pictures. How many of the first thousand
# fakes will look like digits?


# %%
def evaluate(agent: DQNGAN) -> float:
    """Return the digit-FID of 2,000 pictures against the held-out digits."""
    finished = generate(agent.generator, PatchCanvas(2_000, codebook), seed=seed)
    return digit_fid(canvas.pictures(finished), held_out)


class Watcher:
    """Keeps a few pictures after each evaluation."""

    def __init__(self) -> None:
        self.rows: list[Tensor] = []

    def __call__(self, history) -> None:
        finished = generate(agent.generator, PatchCanvas(10, codebook), seed=seed)
        self.rows.append(canvas.pictures(finished))


# %%
watcher = Watcher()
budget = DQNGANTrainSettings(
    updates=1_500, branch_share=0.5, evaluate_every=250, learning_rate_end=0.1
)
torch.manual_seed(seed)
history = train_dqngan(
    agent, envs, real, evaluate=evaluate, settings=budget, seed=seed, watch=watcher
)

# %% [markdown]
# And beside it the same network, trained by **maximum likelihood** on the real sentences themselves:
# predict the next token. It sees what the DQN may not see. Here it gets as many updates; section 9
# gives it as much time.

# %%
torch.manual_seed(seed)
likelihood = CausalTransformer(codebook, steps=16)
started = time.perf_counter()
train_by_likelihood(likelihood, episodes, updates=1_500, seed=seed)
print(f"maximum likelihood: {time.perf_counter() - started:.0f} s, "
      f"DQN-GAN: {history.seconds[-1]:.0f} s")  # fmt: skip
by_likelihood = canvas.pictures(generate(likelihood, PatchCanvas(2_000, codebook), seed=seed))
likelihood_fid = digit_fid(by_likelihood, held_out)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
left.plot(history.update, history.score, "o-", color=plots.COLORS["dqn"], label="DQN-GAN")
left.axhline(worst, color=plots.COLORS["baseline"], linestyle=":", label="random patches")
left.axhline(likelihood_fid, color=plots.COLORS["ceiling"], linestyle="--", label="likelihood, 1,500")
left.axhline(floor, color=plots.COLORS["real"], linewidth=1, label="the codebook")
left.set(xlabel="rounds", ylabel="digit-FID", title="From noise to digits", ylim=(0, None))
left.legend(fontsize=8)
right.plot(
    history.update,
    history.discriminator_loss,
    "s--",
    color=plots.COLORS["discriminator"],
    label="discriminator",
)
right.axhline(2 * math.log(2), color=plots.COLORS["baseline"], linewidth=1)
right.text(history.update[0], 2 * math.log(2), "guessing", va="bottom", fontsize=8)
right.plot(history.update, history.q_loss, "o-", color=plots.COLORS["dqn"], label="Q-network")
right.set(xlabel="rounds", ylabel="loss in nats", title="The two losses", ylim=(0, 1.6))
right.legend(fontsize=8)
plots.show(
    figure,
    "Two panels over the rounds. Left: the digit-FID falls from near that of random patches "
    "towards that of maximum likelihood, without reaching it; the codebook lies below both. "
    "Right: the discriminator's loss rises to just below that of guessing; the Q-network's falls.",
)

# %% tags=["gallery"]
finished = generate(agent.generator, PatchCanvas(2_000, codebook), seed=seed + 1)
generated = canvas.pictures(finished)
plots.show_images(
    generated[:60],
    "Six rows of ten digits drawn patch by patch. Most can be read; some lie between two digits.",
    title="Sixty digits drawn by a Deep Q-Network, not chosen",
    scale=3.0,
)

# %%
plots.show_images(
    torch.cat(watcher.rows),
    "Six rows of ten pictures, one row for each evaluation, the earliest on top: broken "
    "strokes first, digits at the end.",
    title="After 250, 500, … 1,500 rounds",
    scale=2.5,
)

# %% [markdown]
# Every score of notebook 05, for all three. `closer` is the chance that a picture is closer to the
# training digits than a held-out digit is (0.5: no closer); `copies` the share that is as close
# as the closest 1 % of held-out digits. Pictures made of codebook patches are a little off every
# real digit, so the fair reference are held-out digits that went through the codebook.

# %%
columns = {
    "held-out, through the codebook": reconstruction(held_out, codebook),
    "maximum likelihood": by_likelihood,
    "DQN-GAN": generated,
}
scores = {
    name: digit_scores(images, held_out, training=training) for name, images in columns.items()
}

# %% tags=["nbval-ignore-output"]
names = ("digit-FID", "class entropy", "precision", "recall", "distinct", "closer", "copies")
rows = [[name, *(f"{scores[column][name]:.3g}" for column in columns)] for name in names]
rows[4] = ["distinct", *(str(scores[column]["distinct"]) for column in columns)]
plots.table(rows, ["score", *columns], "2,000 pictures each, against the 2,000 held-out digits.")

# %%
drawn, through = scores["DQN-GAN"], scores["held-out, through the codebook"]
claim("digit-FID of the DQN-GAN, n = 2,000 against 2,000", drawn["digit-FID"], at_most=20)
claim("the same, over maximum likelihood's after as many updates", drawn["digit-FID"] / likelihood_fid, at_most=1.3)
claim("class entropy in nats (ten equal classes: 2.303)", drawn["class entropy"], at_least=2.25)
claim("different pictures among 2,000", drawn["distinct"], at_least=1_990)
claim("closer than held-out digits through the codebook", drawn["closer"] - through["closer"],
      at_most=0)
claim("copies, beyond held-out digits through the codebook", drawn["copies"] - through["copies"],
      at_most=0.002)

# %% [markdown]
# It draws digits: of all classes, all different, none copied. After as many updates it is near maximum likelihood,
# which was allowed to look. But an update takes a fraction of the time of a round. What maximum
# likelihood makes of the same *time* stands in section 9.
#
# Was there really no real digit in the Q-network's batches? They come from the sampler's own play, the
# line `replay.add(play_episodes(…))` above. Here is a round of it, searched for real sentences:

# %%
seen = {tuple(row) for row in play_episodes(agent, Rollout(envs))["action"].tolist()}
known = {tuple(row) for row in episodes[:, 1:].tolist()}
print(f"different sentences in a round: (measured {len(seen)})")
claim("of them, also among the 8,000 real ones", len(seen & known), at_most=3)

# %% [markdown]
# *Change* `branch_share=0.5` to 0 and run the training again: at which digit-FID does the curve become
# flat? Or give `replay_rounds=200` to `DQNGANTrainSettings`: most fakes are then from samplers long
# gone, and $\log q$ in the target is not theirs.
#
# ## 7. Watch one digit being made
#
# *What does the network think while it draws?* At each step we show the canvas and the eight likeliest
# next patches, with their probability $e^{Q - V}$. The patch that is drawn has a striped, orange
# bar. Often it is not the first: the sampler *draws*, it does not choose the best.

# %%
one = PatchCanvas(1, codebook)
sentence = finished[:1]
with torch.no_grad():
    chances = agent.generator(sentence[:, :-1])[0].softmax(0)  # (128 patches, 16 steps)


def draw_step(step: int) -> plt.Figure:
    """Draw the canvas before a step, and the likeliest next patches."""
    canvas_now = sentence.clone()
    canvas_now[0, 1 + step :] = -1
    figure = plt.figure(figsize=(7.2, 2.6), dpi=80)
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.2])
    left.imshow(one.pictures(canvas_now, blank=0.35)[0, 0], cmap="gray", vmin=0, vmax=1)
    row, column = divmod(step, 4)
    frame = {"edgecolor": plots.COLORS["accent"], "fill": False, "linewidth": 2.5}
    left.add_patch(Rectangle((4 * column - 0.5, 4 * row - 0.5), 4, 4, **frame))
    left.set(title=f"step {step + 1} of 16", xticks=[], yticks=[])
    draw_chances(right, chances[:, step], sentence[0, 1 + step].item())
    return figure


# %%
def draw_chances(axes: plt.Axes, chance: Tensor, chosen: int) -> None:
    """Draw a bar for each of the eight likeliest patches, with the patch under it."""
    best = chance.argsort(descending=True)[:8].tolist()
    best = best if chosen in best else [*best[:7], chosen]
    colors = [plots.COLORS["accent" if token == chosen else "dqn"] for token in best]
    hatches = ["//" if token == chosen else "" for token in best]
    axes.bar(range(8), chance[best], color=colors, hatch=hatches, edgecolor="white", width=0.7)
    for place, token in enumerate(best):
        picture = axes.inset_axes([place - 0.32, -0.32, 0.64, 0.27], transform=axes.transData)
        picture.imshow(codebook[token], cmap="gray", vmin=0, vmax=1, aspect="auto")
        picture.set(xticks=[], yticks=[])
    axes.set(xlim=(-0.6, 7.6), ylim=(0, 1), xticks=[], ylabel="probability")
    axes.set_title("The likeliest next patches; striped: the one drawn")


# %% tags=["nbval-ignore-output"]
frames = [plots.figure_to_array(draw_step(step)) for step in range(16)]
plots.film(
    frames,
    "A film of one digit being made. On the left the canvas fills patch by patch from the top "
    "left; on the right bars show the probability of the eight likeliest next patches, and the "
    "one that is drawn is marked.",
    seconds=16,
    width=620,
)

# %% [markdown]
# *The film in words: at first the black patch has nearly all the probability. Where a stroke begins,
# many patches share it. Where a stroke must go on, a few do.* For those who print this page, four of
# its frames:

# %%
figure, all_axes = plt.subplots(4, 1, figsize=(7.0, 9.6))
for axes, step in zip(all_axes, (1, 5, 9, 13), strict=True):
    axes.imshow(frames[step])
    axes.set_axis_off()
plots.show(
    figure,
    "Four frames of the film, at steps 2, 6, 10 and 14. The canvas is fuller in each; the bars of "
    "the next patch are spread where a stroke may begin or turn.",
)

# %% [markdown]
# *Change* `finished[:1]` to `finished[7:8]` and run this section again. Look for the step at which it
# is settled which digit it will be.
#
# ## 8. Temperature, after training
#
# *Can we ask for safer digits?* Training needs $\alpha = 1$: anything else ends elsewhere (notebook 08).
# But when we *generate*, we may draw from softmax$(Q/\tau)$ with any $\tau$. Small $\tau$ takes likely
# patches more often. Guess: which $\tau$ gives the lowest digit-FID, and what does $\tau \to 0$ give?

# %%
temperatures = (1.3, 1.0, 0.8, 0.6, 0.3, 0.0)
cooled = {}
for tau in temperatures:
    pictures = generate(agent.generator, PatchCanvas(2_000, codebook), tau, seed=seed + 2)
    cooled[tau] = canvas.pictures(pictures)

# %% tags=["nbval-ignore-output"]
rows = []
for tau, images in cooled.items():
    found = digit_scores(images, held_out)
    rows.append([tau, *(f"{found[name]:.3g}" for name in names[:4]), found["distinct"]])
plots.table(
    rows, ["τ", *names[:5]], "One trained DQN, six temperatures of generation, n = 2,000."
)

# %%
plots.show_images(
    torch.cat([images[:10] for images in cooled.values()]),
    "Six rows of ten digits, from the highest temperature to zero. Upper rows have more broken "
    "strokes, lower rows are smoother and more alike; the last row shows one picture ten times.",
    title="τ = 1.3, 1, 0.8, 0.6, 0.3, 0",
    scale=2.5,
)

# %%
claim("different pictures among 2,000 with τ = 0", distinct_images(cooled[0.0]), between=(1, 1))

# %% [markdown]
# With $\tau = 0$ the DQN is greedy, and a greedy DQN on a canvas without chance makes **one** picture. A
# little cooler than 1 makes cleaner strokes, and pays with variety (recall). A single number does not
# show this; that is why notebook 05 has several.
#
# *Change* the temperatures to `(1.0, 0.95, 0.9, 0.85, 0.8)`: where is the least digit-FID, and is it a
# better generator there, or a narrower one?
#
# ## 9. What else could we have done?
#
# Now each choice of this notebook is undone, one at a time. All rows have the same networks, the same
# learning rates, and 200 rounds (or updates).
#
# - **Greedy DQN**: the recipe of notebook 02. Reward $D(x)$ at the end, backup with $\max$, and
#   $\varepsilon = 0.1$.
# - **Greedy DQN, noise as input**: the same, with one of 256 start tokens drawn for each episode. The
#   discriminator does not see it. A GAN's generator gets its variety from noise. Will a DQN?
# - **Soft DQN, paid at the end**: the temperature is back, and the reward is
#   $\mathrm{logit}\, D + \log q$, right by notebook 08. But it comes once, at the end, and one action
#   is taught at each step.
# - **Soft DQN, paid each step**: the prefix discriminator pays every step,
#   $\log p(a|s)/q(a|s) + \log q(a|s)$, but still only the action taken gets a target.
# - **All actions, no branches**: the target for all actions, and only the sampler's own sentences as fakes.
# - **All actions, branches**: ours. **Branches alone**: with $b = 1$; the discriminator then never
#   sees a sentence of the sampler's own.
# - **Maximum likelihood**: as many updates, then 1,500, and 6,000, which take less time than the notebook's
#   run. **Likelihood, then DQN-GAN**: 1,500 updates of maximum
#   likelihood, then 200 rounds of ours.
#
# Guess the order before you look. The command `python course.py study 09` makes the table; it takes
# about a quarter of an hour.

# %%
path = folder / "benchmarks" / "results" / "09_dqn_gan.csv"
with path.open(encoding="utf-8") as file:
    stored = list(csv.DictReader(file))


def column(variant: str, name: str) -> list[float]:
    """Return one column of a variant's rows, a number for each seed."""
    return [float(row[name]) for row in stored if row["variant"] == variant]


# %%
def mean(variant: str, name: str = "digit_fid") -> float:
    """Return the mean over seeds."""
    numbers = column(variant, name)
    return sum(numbers) / len(numbers)


# %% tags=["nbval-ignore-output"]
rows = []
for variant in dict.fromkeys(row["variant"] for row in stored):
    cells = [" · ".join(f"{value:.1f}" for value in column(variant, "digit_fid"))]
    cells += [f"{mean(variant, 'class_entropy'):.2f}", f"{mean(variant, 'distinct'):,.0f}"]
    rows.append([variant, *cells, f"{mean(variant, 'seconds'):.0f}"])
plots.table(
    rows,
    ["made by", "digit-FID, three seeds", "class entropy", "distinct of 2,000", "seconds"],
    "200 rounds or updates, or as many as the row says; the notebook's run has 1,500. One thread.",
)

# %% [markdown]
# - **Greedy collapses.** The expected reward of a policy is largest when it always makes the one
#   picture with the largest reward. Which one changes as $D$ changes.
# - **Noise does not help.** The best picture is the same whatever the noise says, so nothing in
#   the reward asks for variety. What we see is the network's arbitrary answer to 256 numbers.
# - **A reward at the end is right and slow.** One number for sixteen choices, as large as
#   $\log p(x)$, has to come back step by step. After 200 rounds the pictures are no better than
#   random patches. Paid at each step it goes faster, but one action of 128 is taught in each state.
# - **All actions at once** is the big step, and **branches** are the next. With both, a round brings as much
#   as an update of maximum likelihood. But it takes several times as long: play, judge, learn. Branches
#   alone are a little better still in these 200 rounds. We kept one half, so that the discriminator also
#   judges states that only the sampler comes to: there the Q-network must learn.

# %%
ours = "all actions, branches"
claim("distinct pictures of a greedy DQN, most of three seeds", max(column("greedy DQN", "distinct")),
      at_most=1)
claim("distinct pictures of a greedy DQN with noise", max(column("greedy DQN, noise as input", "distinct")),
      at_most=60)
claim("digit-FID, paid at the end: least of three seeds", min(column("soft DQN, paid at the end", "digit_fid")),
      at_least=65)

# %%
for other in ("greedy DQN, noise as input", "soft DQN, paid each step", "all actions, no branches"):
    claim(f"digit-FID, least of '{other}' less most of ours",
          min(column(other, "digit_fid")) - max(column(ours, "digit_fid")), at_least=2)
claim("digit-FID, ours over maximum likelihood, equal updates",
      mean(ours) / mean("maximum likelihood"), at_most=1.15)

# %%
same_time, whole_run = "maximum likelihood, 6,000", "DQN-GAN of the notebook"
claim("seconds of 6,000 updates of maximum likelihood, over those of the notebook's run",
      mean(same_time, "seconds") / mean(whole_run, "seconds"), at_most=1.0)
claim("digit-FID of the notebook's run, over maximum likelihood in the same time",
      mean(whole_run) / mean(same_time), between=(1.2, 2.0))

# %% [markdown]
# The last row is this notebook's own run on three seeds. A table is only worth something if you can make
# it again; the run above must lie in its spread.

# %%
spread = column("DQN-GAN of the notebook", "digit_fid")
claim("digit-FID of section 6: the table's spread ± 15 %", drawn["digit-FID"],
      between=(round(0.85 * min(spread)), round(1.15 * max(spread))))

# %% [markdown]
# ### What a discriminator says in the part that cancels
#
# Why do branches matter so much? Split the logit into what it says about the state and what it says
# about the action:
#
# $$f(s, a) = \underbrace{\textstyle\sum_a q(a|s)\, f(s, a)}_{\text{about the state}}
#    + \underbrace{\text{the rest}}_{\text{about the action}} .$$
#
# Only the rest reaches the Q-network. We train twice for 200 rounds, without and with branches, and
# measure both parts in the sampler's own states: how large they are (root mean square).


# %%
def short_run(share: float) -> DQNGAN:
    """Train for 200 rounds with a share of branches; return the agent."""
    torch.manual_seed(seed)
    networks = [CausalTransformer(codebook, 16), CausalTransformer(codebook, 16, dropout=0.1)]
    young = DQNGAN(*networks, settings, seed)
    torch.manual_seed(seed)
    rounds = DQNGANTrainSettings(updates=200, branch_share=share, evaluate_every=200)
    train_dqngan(young, envs, real, settings=rounds, seed=seed)
    return young


@torch.no_grad()
def two_parts(agent: DQNGAN) -> tuple[float, float]:
    """Return the size of what the discriminator says about states, and about actions."""
    observation = play_episodes(agent, Rollout(envs))["observation"]
    q, f = agent.log_q(observation).exp(), agent.discriminator.eval()(observation)
    state = (q * f).sum(1, keepdim=True)
    action = (q * (f - state).square()).sum(1).mean().sqrt()
    return state.square().mean().sqrt().item(), action.item()


# %%
without, with_branches = short_run(0.0), short_run(0.5)
parts = {"no branches": two_parts(without), "half of the fakes": two_parts(with_branches)}

# %%
figure, axes = plt.subplots(figsize=(6.4, 2.6))
for place, (state, action) in enumerate(parts.values()):
    axes.barh(place + 0.19, state, 0.36, color=plots.COLORS["discriminator"])
    axes.barh(place - 0.19, action, 0.36, color=plots.COLORS["dqn"], hatch="//", edgecolor="white")
    axes.text(state, place + 0.19, " about the state: cancels", va="center", fontsize=9)
    axes.text(action, place - 0.19, " about the action: is learnt", va="center", fontsize=9)
axes.set(yticks=[0, 1], yticklabels=list(parts), xlabel="size in nats, after 200 rounds")
axes.set_xlim(0, 1.5 * max(max(pair) for pair in parts.values()))
axes.set_title("Without branches the discriminator talks about states")
plots.show(
    figure,
    "Horizontal bars, two for each of two runs. Without branches the bar for what the logit says "
    "about the state is much longer than the bar for the action. With branches the state's bar is "
    "shorter.",
)

# %%
share = {name: action / (state + action) for name, (state, action) in parts.items()}
claim("share of the action's part, with branches less without",
      share["half of the fakes"] - share["no branches"], at_least=0.05)
short_fid = {
    name: digit_fid(
        canvas.pictures(generate(one.generator, PatchCanvas(2_000, codebook), seed=seed)), held_out
    )
    for name, one in (("all actions, no branches", without), (ours, with_branches))
}
for name, fid in short_fid.items():
    spread = column(name, "digit_fid")
    claim(f"digit-FID, live, {name}: the table's spread ± 15 %", fid,
          between=(round(0.85 * min(spread)), round(1.15 * max(spread))))

# %% [markdown]
# Something else can hide in the state's part. The discriminator sees the same 8,000 digits again and again. It
# can learn them by heart, and be sure that a beginning is real *because it knows it*. That knowledge
# cancels as well: its loss falls, the Q-network's loss goes to nothing, and the digit-FID stands still.
# These are the signs to watch. Dropout (we use 0.1) and more digits, such as copies shifted by one
# pixel, hold it back. Has our long run's discriminator learnt digits by heart?


# %%
@torch.no_grad()
def state_part(images: Tensor) -> Tensor:
    """Return the mean over pictures of what the logit says about each of the 16 states."""
    observation = canvas.episodes(images)[:, :-1]
    q, f = agent.log_q(observation).exp(), agent.discriminator.eval()(observation)
    return (q * f).sum(1).mean(0)


seen_before, fresh = state_part(training[:2_000]), state_part(held_out)
late = (seen_before - fresh)[8:].mean().item()
claim("state's part: digits it learnt from less held-out digits, last 8 states", late,
      between=(-0.05, 0.25))

# %% [markdown]
# Hardly. *Change* `short_run(0.5)` to `short_run(1.0)` above: what becomes of the state's part when no fake
# comes from the sampler's own states?
#
# And one more way to leave the discriminator nothing to say: begin from maximum
# likelihood. The sampler is then as good as the discriminator can tell: its loss stays at that of
# guessing, and the rounds add noise and no more. Compare these rows of the table.

# %% tags=["nbval-ignore-output"]
rows = []
for variant in ("maximum likelihood, 1,500", "likelihood, then DQN-GAN", ours):
    cells = [f"{mean(variant, name):.3f}" for name in ("discriminator_loss", "q_loss")]
    rows.append([variant, f"{mean(variant):.1f}", *(cells if cells[0] != "nan" else ["", ""])])
plots.table(
    rows,
    ["row", "digit-FID", "discriminator's loss", "Q-network's loss"],
    f"Means over three seeds; a discriminator that guesses has {2 * math.log(2):.3f}.",
)

# %% [markdown]
# ## 10. Why a DQN, then?
#
# Maximum likelihood is better here, and faster: in the same time it leaves our run well behind. It has the right next patch in every state of every real
# sentence. Where you have that, use it. Our discriminator had it as well: with branches it is a
# judge of single choices, as in imitation learning (Ho & Ermon 2016). The DQN did not. It needs states that
# it makes itself, and somebody who says how good the actions are.
#
# - The judge may be anything: a program, a person, a printer, a classifier that returns a class and
#   no gradient. Nothing in section 6 differentiates the discriminator with respect to the picture.
# - The actions may be anything: in notebook 10 a stroke of a brush, of which many orders and many
#   drawings give nearly the same picture, so that there is no "right next action" to be copied.
# - It says how likely each picture is, and each choice can be read.
#
# So this notebook is a proof of the method where the right answer is known, and not the best way to
# make digits.
#
# ## Recap
#
# - A codebook turns pictures into sentences. What it loses is the floor of every score.
# - A causal network gives the Q-values, or the logits, of all states of an episode in one call.
# - A discriminator of prefixes has the logit $f = \log p/q$, and $\log q + f$ is $\log p$ of the next
#   patch, up to a number that the softmax drops: a target for all actions at once.
# - What a discriminator says about the state cancels. Branches, the sampler's actions in real states,
#   make it speak about the action.
# - Trained so, a DQN draws digits of all classes, all different, none copied, and no real digit is in
#   any of its batches.
# - Greedy gives one picture, and with noise a few; a reward at the end is right but slow.
# - For each update a DQN-GAN keeps up with maximum likelihood; for each second it does not. It is for
#   judges and actions that maximum likelihood cannot use.
#
# ## What is now possible
#
# You can train a generator whose only teacher is a judge of beginnings, with actions that nobody can
# differentiate. In notebook 10 the actions become strokes of a pen, and you say which digit to draw.
#
# ## References
#
# - V. Mnih et al. (2015). Human-level control through deep reinforcement learning. *Nature*. The DQN.
# - T. Haarnoja, H. Tang, P. Abbeel, S. Levine (2017). Reinforcement learning with deep energy-based
#   policies. *ICML*. arXiv 1702.08165. Soft Q-learning.
# - O. Nachum, M. Norouzi, K. Xu, D. Schuurmans (2017). Bridging the gap between value and policy based
#   reinforcement learning. *NeurIPS*. arXiv 1702.08892.
# - J. Ho, S. Ermon (2016). Generative adversarial imitation learning. *NeurIPS*. arXiv 1606.03476. An
#   agent whose reward is a discriminator of states and actions.
# - J. Fu, K. Luo, S. Levine (2018). Learning robust rewards with adversarial inverse reinforcement
#   learning. *ICLR*. arXiv 1710.11248. The logit as log p/q, per step.
# - A. Ng, D. Harada, S. Russell (1999). Policy invariance under reward transformations. *ICML*.
# - L. Yu, W. Zhang, J. Wang, Y. Yu (2017). SeqGAN: sequence generative adversarial nets with policy
#   gradient. *AAAI*. arXiv 1609.05473. A sentence built against a discriminator, by policy gradient.
# - A. Vaswani et al. (2017). Attention is all you need. *NeurIPS*. arXiv 1706.03762. The transformer.
# - A. van den Oord, O. Vinyals, K. Kavukcuoglu (2017). Neural discrete representation learning.
#   *NeurIPS*. arXiv 1711.00937. Pictures as tokens of a learnt codebook.
# - S. Lloyd (1982). Least squares quantization in PCM. *IEEE Transactions on Information Theory*.
#   k-means.
