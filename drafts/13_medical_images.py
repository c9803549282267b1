# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 13 · Medical images: restore, generate, choose
#
# A scanner has no time: the patient cannot lie still for longer. So its picture is noisy, as on the
# left below. On the right is what was there before the noise. Would you let a network tell you what
# the right picture looks like when you have only the left one? And how would you find out whether you
# may believe it?
#
# **Objectives.** After this notebook you can
#
# - divide slices of a volume into training and test sets that do not leak, and show what a leak does;
# - let pixels begin where a strong classical method ends, and improve on it;
# - say when a DQN is a regression network in disguise, and read the regression out of its Q-values;
# - generate labelled patches with a DQN-GAN, and test whether they are any good for a classifier;
# - let a DQN choose what a classifier learns from, beside simpler ways to choose;
# - say what all of this does not show about a clinic.
#
# **You need** notebooks 02, 09 and 11. **Time:** about 60 minutes to read, about 5 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import itertools
import time

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib import pixel_plots, plots
from dqngan_lib.data import brain_slices
from dqngan_lib.exercises import check, hint, solution  # noqa: F401
from dqngan_lib.filters import ActionSet, bilateral, gaussian, median, unsharp
from dqngan_lib.head_start import (
    HeadStartQNetwork,
    HeadStartRegressor,
    edit_answers,
    train_head_start,
)
from dqngan_lib.medical import (
    MARGIN,
    NOISE,
    WIDTH,
    WideActions,
    add_noise,
    block_split,
    crops,
    darken,
    dct_threshold,
    narrow,
    non_local_means,
    sharpen,
    soften,
    split_slices,
    total_variation,
    widen,
)
from dqngan_lib.networks import parameter_count
from dqngan_lib.pictures import psnr, ssim
from dqngan_lib.pixel_editor import observe
from dqngan_lib.restoration import (
    apply_single_actions,
    back_projection,
    best_single_actions,
    enlarge,
    oracle,
    regress,
    shrink,
    train_regressor,
)
from dqngan_lib.runtime import claim, seed_everything

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %%
fit, validation, test = split_slices()
shown = test.images[20:21]
figure = pixel_plots.draw_rows(
    [torch.cat([add_noise(shown, seed=seed).clamp(0, 1), shown])], [""], "Before and after the noise"
)
figure.set_size_inches(5.2, 2.9)
plots.show(
    figure,
    "Two pictures of one horizontal slice through a head. On the left it is covered by noise, so "
    "that one can guess at folds and cavities; on the right it is clean.",
)

# %% [markdown]
# ## 1. Slices, and a split that does not leak
#
# *Which pictures may a method be tested on?* On pictures that it cannot know. With slices of one head
# this is harder than it sounds.
#
# Our pictures are MR slices of $64 \times 64$ pixels, three millimetres wide each, one for each
# millimetre of height. **They show no patient.** They come from a *template*, an average of 152 healthy
# adults (Fonov et al. 2011): smoother than any one head, without disease, and without the faults of a
# real scan. Nothing below is clinical evidence. What can be learnt here is how such methods work, how
# they are compared, and which mistakes make them look better than they are.
#
# Neighbouring slices look alike. So hold out whole *blocks* of slices, and leave a *gap* on each side
# that belongs to no set. By hand, ten slices, block 4 to 5, gap 2: slices 0, 1, 8, 9 remain for training.

# %%
train_rows, held_rows, gap_rows = block_split(10, [(4, 6)], gap=2)
print("training", train_rows.tolist(), "| held out", held_rows.tolist(), "| gap", gap_rows.tolist())

# %% [markdown]
# We need three sets. **Training** slices are for learning and for the settings of classical methods.
# **Validation** slices are for our own decisions: how many actions, how long, which start. **Test**
# slices are looked at once, at the end. Between any two sets are at least five millimetres.

# %%
figure, axes = plt.subplots(figsize=(7.4, 1.7))
sets = {"training": (fit, "dqn", 0), "validation": (validation, "accent", 1), "test": (test, "real", 2)}
for name, (part, color, row) in sets.items():
    axes.plot(part.z_mm, [row] * len(part.z_mm), "|", color=plots.COLORS[color], markersize=13)
    axes.text(77, row, f"{name} ({len(part.z_mm)})", va="center", fontsize=9)
axes.set(yticks=[], ylim=(2.6, -0.6), xlim=(-59, 98), xlabel="height of the slice, mm")
axes.set_title("Blocks with gaps between them")
plots.show(
    figure,
    "Three rows of ticks over the height in millimetres, one row for each set. Validation is one "
    "block and test two blocks; training has what is below, between and above, at a distance.",
)

# %% [markdown]
# ### What a leak does
#
# Now the mistake. Take all the slices we have, shuffle them, and hold 28 out at random, as one does with
# digits. And take the worst "denoiser" that one can think of: it finds the training slice that is nearest
# to the noisy picture, **and hands in that slice**. It removes no noise. It shows you another picture.
#
# Its rival is *non-local means*, a good method, explained in the next section. Say first: who wins?


# %%
def copy_nearest(noisy: Tensor, library: Tensor) -> Tensor:
    """Return, for each noisy picture, the picture of the library that is nearest to it."""
    return library[torch.cdist(noisy.flatten(1), library.flatten(1)).argmin(1)]


data = brain_slices()
every = torch.cat([data.train_images, data.test_images])
order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))
splits = {
    "held out at random": (every[order[:28]], every[order[28:]]),
    "blocks with gaps": (test.images, fit.images),
}
leak = {}
for name, (clean, library) in splits.items():
    noisy = add_noise(clean, seed=seed)
    made = {"copy": copy_nearest(noisy, library), "non-local means": non_local_means(noisy, 0.75)}
    for method, pictures in made.items():
        leak[name, method] = psnr(pictures.clamp(0, 1), clean).mean().item()

# %%
figure, axes = plt.subplots(figsize=(6.8, 2.4))
looks = {"copy": ("generated", "//", 0.19), "non-local means": ("baseline", "", -0.19)}
for place, name in enumerate(splits):
    for method, (color, hatch, shift) in looks.items():
        value, where = leak[name, method], place + shift
        style = {"color": plots.COLORS[color], "hatch": hatch, "edgecolor": "white"}
        axes.barh(where, value, 0.36, **style)
        text = "copies the nearest training slice" if method == "copy" else method
        axes.text(0.4, where, text, va="center", fontsize=9, color="white", weight="bold")
axes.set(yticks=[0, 1], yticklabels=list(splits), xlabel="PSNR on the held-out slices, dB")
axes.set_title("With a leak, a copier beats an honest method")
plots.show(
    figure,
    "Two pairs of bars. With slices held out at random the copier's bar is a little longer than "
    "that of non-local means; with blocks and gaps it is much shorter.",
)

# %%
random, blocks = splits
ahead = leak[random, "copy"] - leak[random, "non-local means"]
claim("held out at random: copier above non-local means, dB", ahead, at_least=0.2)
behind = leak[blocks, "non-local means"] - leak[blocks, "copy"]
claim("blocks with gaps: copier below non-local means, dB", behind, at_least=6)

# %% [markdown]
# With the random split a method that removes nothing looks better than one that works. A network with
# enough weights would find this trick by itself: recognise the slice, recall its neighbour. In papers on
# real patients the same leak is called slice-level splitting; the remedy there is to split by *patient*.
#
# *Change* the split: hold out `every[40:68]` and train on the rest, a block without a gap. Look for the
# copier's score: where in the block does it still win?
#
# ### Exercise 13.1 · Far enough
#
# Difficulty ●●○○○ · importance ●●●●● · 10 minutes. Help: `hint("13.1")`, `solution("13.1")`


# %% tags=["exercise"] exercise="13.1"
def may_train(z_mm: Tensor, held_out_z_mm: Tensor, gap_mm: int) -> Tensor:
    """Say which slices are more than gap_mm away from every held-out slice.

    z_mm: int64, shape (n,), heights of all slices in mm, in any order.
    held_out_z_mm: int64, shape (m,), m >= 1, heights of the held-out slices.
    Returns: bool, shape (n,).
    """
    ...


# %%
check("13.1", may_train)

# %% [markdown]
# ## 2. Noise, and those who know how to remove it
#
# *What must a DQN beat?* The noise is Gaussian, with a standard deviation of $\sigma = 25$ of 255 grey
# levels: $x = y + \sigma\,\varepsilon$. We do **not** cut the result off at black. Here is why. Where
# $y = 0$ and everything below 0 is cut off, the mean is no longer 0 but
#
# $$\mathbb E[\max(0, \sigma\varepsilon)] = \frac{\sigma}{\sqrt{2\pi}} \approx 0.4\,\sigma,$$
#
# for $\sigma = 25$ about 10 grey levels. The background would be brighter than black by a known amount, and
# whoever subtracts it looks clever without having removed any noise.

# %%
black = torch.zeros(20, 1, 64, 64)
noise = add_noise(black, seed=seed)
print("by hand:", round(25 / (2 * torch.pi) ** 0.5, 2), "grey levels")
claim("mean of black after noise, in grey levels", 255 * noise.mean().item(), between=(-0.5, 0.5))
cut_off = 255 * noise.clamp(min=0).mean().item()
claim("the same, cut off at black", cut_off, between=(9.7, 10.3))

# %% [markdown]
# ### Non-local means, by hand
#
# An average removes noise, and also edges, if it averages over the wrong pixels. **Non-local means**
# (Buades, Coll and Morel 2005) averages over pixels *whose surroundings look alike*, wherever they are.
# With $P_i$ the small patch around pixel $i$ and $|P|$ its number of pixels:
#
# $$\hat y_i = \frac{\sum_j w_{ij}\, x_j}{\sum_j w_{ij}}, \qquad
#   w_{ij} = \exp\!\left(-\frac{\max\!\big(0,\ \tfrac{1}{|P|}\|P_i - P_j\|^2 - 2\sigma^2\big)}{h^2}\right).$$
#
# Two patches that differ by noise alone have a mean squared difference of $2\sigma^2$. So this much is
# taken off. $h$ says how much more is forgiven.
#
# By hand on a row of five pixels, $x = 1, 1, 5, 5, 2$, with patches of three pixels, $\sigma = 0$ and
# $h = 2$. (The row goes on beyond its ends with its last value.) The middle pixel has the patch
# $(1, 5, 5)$. Pixel 3 has $(5, 5, 2)$: differences $4, 0, -3$, mean square $25/3$, weight
# $e^{-25/12} = 0.125$.

# %%
row, h, sigma = torch.tensor([1.0, 1.0, 5.0, 5.0, 2.0]), 2.0, 0.0
around = torch.cat([row[:1], row, row[-1:]]).unfold(0, 3, 1)  # a patch for each pixel: (5, 3)
unlike = (around[2] - around).square().mean(1)
weights = (-(unlike - 2 * sigma**2).clamp(min=0) / h**2).exp()
print("mean squares:", [round(value, 3) for value in unlike.tolist()])
print("weights:     ", [round(value, 3) for value in weights.tolist()])
print("new value:   ", round(((weights * row).sum() / weights.sum()).item(), 3))

# %% [markdown]
# The new value is between 5 and the 1 to its left, and nearer to 5: pixel 1, right of whose own 1 there is
# also a 5, is a little alike. *Change* `h` to 0.5, then to 20: which of the two is a plain average?
#
# ### Exercise 13.2 · One pixel of non-local means
#
# Difficulty ●●●○○ · importance ●●●○○ · 15 minutes. Help: `hint("13.2")`, `solution("13.2")`


# %% tags=["exercise"] exercise="13.2"
def one_pixel(
    noisy: Tensor, row: int, column: int, half: int, distance: int, h: float, sigma: float
) -> float:
    """Return the new value of one pixel by non-local means.

    noisy: float, shape (height, width). Patches have the side 2 · half + 1; pixels at most
    `distance` rows and `distance` columns away are averaged. All of them lie inside the picture.
    h and sigma: in the units of the picture.
    """
    ...


# %%
check("13.2", one_pixel)

# %% [markdown]
# ### The whole field
#
# The others in short. *Gaussian* and *bilateral* blur were actions in notebook 11, and so was the
# *median*. *Total variation* looks for a nearby picture whose gradients sum to little (Chambolle 2004).
# *DCT thresholding* writes each $n \times n$ square as cosine waves, sets the weak ones to 0 and averages
# all squares (Yu and Sapiro 2011).
#
# And one trick for all of them: we know that the background is black. So set everything below a
# *threshold* to 0. A baseline without it would be too easy to beat. Every method gets the best of its
# settings and the best threshold **on training slices**; then, and only then, the test slices are shown to
# it.

# %%
METHODS = {
    "do nothing": (lambda noisy: noisy, [()]),
    "median": (median, [(3,), (5,)]),
    "Gaussian": (gaussian, [(0.5,), (0.6,), (0.7,), (0.8,), (0.9,)]),
    "bilateral": (bilateral, [(7, a, b) for a in (0.2, 0.25, 0.3) for b in (0.7, 1.0, 1.5)]),
    "total variation": (total_variation, [(0.05,), (0.06,), (0.07,), (0.08,), (0.09,)]),
    "DCT thresholding": (dct_threshold, [(t, n) for t in (2.0, 2.4, 2.8) for n in (4, 6, 8)]),
    "non-local means": (non_local_means, [(h, p) for h in (0.65, 0.75, 0.85) for p in (3, 5)]),
}
THRESHOLDS = (0.0, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14)


def best_of(options: list, answer, original: Tensor):
    """Return the option whose answer has the greatest mean PSNR, within [0, 1]."""
    scores = [psnr(answer(one).clamp(0, 1), original).mean().item() for one in options]
    return options[scores.index(max(scores))]


# %%
some = fit.images[::4]
some_noisy = add_noise(some, seed=1_000 + seed)
chosen = {}
for name, (method, options) in METHODS.items():
    setting = best_of(options, lambda s, f=method: f(some_noisy, *s), some)
    plain = method(some_noisy, *setting)
    chosen[name] = setting, best_of(list(THRESHOLDS), lambda t, p=plain: darken(p, t), some)


def classical(name: str, noisy: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a method makes of noisy pictures, without and with its threshold."""
    setting, threshold = chosen[name]
    plain = METHODS[name][0](noisy, *setting)
    return plain, darken(plain, threshold)


# %%
noisy = add_noise(test.images, seed=2_000 + seed)
made = {name: classical(name, noisy) for name in METHODS}
field = {
    name: [psnr(picture.clamp(0, 1), test.images).mean().item() for picture in pair]
    for name, pair in made.items()
}
claim("noisy test slices, cut off at 0 and 1: PSNR in dB", field["do nothing"][0], between=(21.4, 22.2))
best_classical = max(value for pair in field.values() for value in pair)

# %% tags=["nbval-ignore-output"]
rows = [
    [name, str(chosen[name][0]), f"{chosen[name][1]:g}", *(f"{value:.2f}" for value in field[name])]
    for name in METHODS
]
header = ["method", "settings", "threshold", "without it, dB", "with it, dB"]
plots.table(rows, header, "PSNR of the test slices; settings and thresholds from training slices.")

# %% [markdown]
# Two remarks for the sceptic. *BM3D*, which joins the ideas of the last two rows, would probably be a
# little better than both; it is not in scikit-image. And whoever has a whole volume should use the
# slices above and below as well. Here every method, ours too, sees one slice at a time.
#
# ## 3. Pixels with a head start
#
# *Can the pixels of notebook 11 do better?* There they began with the bicubic picture and took large
# steps. Here others have already done the work. So every pixel begins at the answer of non-local means
# **with** threshold, sees the noisy picture beside it, and takes small steps: 3 or 10 grey levels darker
# or brighter, or a little softer or sharper. If it does nothing, it is as good as its start.
#
# The editor wants numbers from 0 to 1, and noise leaves that range. So all pictures are squeezed onto a
# wider scale first: black is at 0.27 there. The steps shrink with it.

# %%
actions = WideActions((3, 10), {"soften": soften, "sharpen": sharpen})
print("actions:", ", ".join(actions.names))
print("black:", round(widen(torch.zeros(1)).item(), 3), "| white:", round(widen(torch.ones(1)).item(), 3))

# %% [markdown]
# **Every action's reward.** A step of 3 grey levels changes a squared error little, and the noise in a
# single reward is large beside it. But in training we know the original, so we can say at once what *every*
# action would have paid, not only the one taken. By hand: a pixel should be 8 grey levels brighter. Its
# squared error is 64. After "+3" it is $5^2 = 25$: reward 39. After "+10" it is $2^2$: reward 60. After
# "−3": $11^2$, reward $-57$; after "−10": $18^2$, reward $-260$.

# %%
answer = torch.full((1, 1, 3, 3), 0.5)
original = answer + 8 / 255
error = 255**2 * (widen(answer) - widen(original)).square() * WIDTH**2
after = 255**2 * (actions.results(widen(answer)) - widen(original)).square() * WIDTH**2
for name, value in zip(actions.names, (error - after)[0, :, 1, 1].tolist(), strict=True):
    print(f"{name:8s}{value:9.1f}")

# %% [markdown]
# A flat picture cannot be made softer or sharper, so the last two lines are 0.
#
# **No looking ahead.** Notebook 11 found $\gamma = 0$ as good as any other: an edit is paid at once. With
# $\gamma = 0$ nothing is bootstrapped. The target of an action is its reward, and the loss is
#
# $$L = \frac{1}{2\,|A|} \sum_{a \in A} \big(r(s, a) - Q(s, a)\big)^2 .$$
#
# **Let us be plain about what this is.** Rewards of all actions, computed from the original, and no
# bootstrap: this is hardly reinforcement learning any more. It is supervised learning of action values in
# the states that the agent itself reaches. What remains of the DQN is the form: named actions, five rounds, a
# memory of its own states, and Q-values that say what each action is worth. We come back to it below.
#
# ### Exercise 13.3 · The loss of all actions
#
# Difficulty ●●●○○ · importance ●●●●○ · 10 minutes. Help: `hint("13.3")`, `solution("13.3")`


# %% tags=["exercise"] exercise="13.3"
def all_action_loss(
    q_values: Tensor, results: Tensor, picture: Tensor, original: Tensor, scale: float
) -> Tensor:
    """Return ½ (r − Q)², the mean over pictures, actions and pixels; γ = 0.

    q_values: float, shape (n, actions, height, width). results: what each action would make of
    each pixel, same shape. picture, original: float, shape (n, 1, height, width).
    r(s, a) is scale times the fall of the pixel's squared error.
    """
    ...


# %%
check("13.3", all_action_loss)

# %% [markdown]
# ### Training
#
# Each training slice is used with four draws of the noise, cut into squares of $32 \times 32$ pixels; squares
# that are nearly all background are left out. The network is that of notebook 11, with one change: it
# gets the *difference* between the noisy picture and the answer as a plane of its own. What a method took
# away hardly shows in two pictures that look alike; in their difference nothing else is left.


# %%
def denoised(slices, draws: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy pictures, the answers that the pixels begin with, and originals."""
    clean = slices.images.repeat(draws, 1, 1, 1)
    noisy = add_noise(clean, seed=seed)
    return noisy, classical("non-local means", noisy)[1], clean


def squares(parts: tuple[Tensor, ...]) -> list[Tensor]:
    """Cut pictures into squares, and leave out those that are nearly all background."""
    cut = [crops(part) for part in parts]
    return [part[cut[-1].mean((1, 2, 3)) > 0.1] for part in cut]


learn = squares(denoised(fit, draws=4, seed=3_000 + seed))
look = denoised(validation, draws=2, seed=4_000 + seed)
sizes = {"grey": (0.3 + MARGIN) / WIDTH, "spread": 0.25 / WIDTH, "noise": NOISE / WIDTH}
torch.manual_seed(seed)
network = HeadStartQNetwork(len(actions), **sizes)
print("squares:", tuple(learn[0].shape), "| weights:", parameter_count(network))

# %%
clock = time.process_time()
agent, history = train_head_start(
    *map(widen, learn),
    actions,
    network,
    held_out=tuple(map(widen, look)),
    reward_scale=300 * WIDTH**2,
    seed=seed,
)
print(f"{time.process_time() - clock:.0f} s")

# %%
start = made["non-local means"][1]
edits = edit_answers(agent.act, widen(noisy), widen(start), actions)
restored = narrow(edits.result)
ours = psnr(restored, test.images).mean().item()
claim("denoising, DQN: PSNR in dB", ours, at_least=27)
claim("DQN above where its pixels began, dB", ours - field["non-local means"][1], at_least=0.4)
claim("DQN above the best of all classical methods, dB", ours - best_classical, at_least=0.1)

# %% [markdown]
# Now the rivals of notebook 11 on the same start: the best single action for all pixels at each step, the oracle
# that looks at the original, and a **CNN**: a regression network of the same size, with the same two pictures
# as input, the same batches and as many updates.

# %%
single = best_single_actions(widen(learn[1]), widen(learn[2]), actions)
all_alike = narrow(apply_single_actions(widen(start), single, actions))
perfect = narrow(oracle(widen(start), widen(test.images), actions).result)
torch.manual_seed(seed)
cnn = HeadStartRegressor(0.3, 0.25, NOISE)
train_regressor(
    cnn, torch.cat([learn[1], learn[0]], 1), learn[2], updates=900, batch_size=8, learning_rate=4e-3, seed=seed
)  # fmt: skip
regressed = regress(cnn, torch.cat([start, noisy], 1))

# %%
def scores(pictures: Tensor, originals: Tensor) -> tuple[float, float]:
    """Return mean PSNR in dB and mean SSIM."""
    pictures = pictures.clamp(0, 1)
    return psnr(pictures, originals).mean().item(), ssim(pictures, originals).mean().item()


denoising = {"noisy": scores(noisy, test.images)}
for name in ("total variation", "DCT thresholding", "non-local means"):
    denoising[f"{name} + threshold"] = scores(made[name][1], test.images)
denoising["best single action a step"] = scores(all_alike, test.images)
denoising["**DQN, every pixel an agent**"] = scores(restored, test.images)
denoising["CNN, regression"] = scores(regressed, test.images)
denoising["per-pixel oracle (ceiling)"] = scores(perfect, test.images)

# %% tags=["nbval-ignore-output"]
rows = [[name, f"{a:.2f}", f"{b:.3f}"] for name, (a, b) in denoising.items()]
plots.table(rows, ["method", "PSNR, dB", "SSIM"], "Denoising: 28 test slices, noise of 25 grey levels.")

# %%
rival = denoising["CNN, regression"][0]
claim("denoising, DQN less CNN after as many updates, dB", ours - rival, between=(-0.6, 0.6))
claim("denoising, oracle: PSNR in dB", denoising["per-pixel oracle (ceiling)"][0], at_least=32)

# %%
which = torch.tensor([0, 5, 10, 16, 20, 25])
figure = pixel_plots.draw_rows(
    [part.clamp(0, 1)[which] for part in (noisy, start, restored, test.images)],
    ["noisy", "non-local means\n+ threshold", "DQN", "original"],
    "Six test slices: what the noise hid, and what came back",
)
plots.show(
    figure,
    "Four rows of six slices: noisy ones, those of non-local means, which are clean but lack fine "
    "folds, those of the DQN, with a little more structure, and the originals.",
)

# %% [markdown]
# Look closely at one slice. Below each picture is its error: white where it is right, blue where it is too
# dark and red where it is too bright.

# %%
one = 20
views = {"non-local means + threshold": start[one, 0], "DQN": restored[one, 0], "CNN": regressed[one, 0]}
truth = test.images[one, 0]
figure, all_axes = plt.subplots(2, 4, figsize=(7.4, 4.3))
for column, (name, picture) in enumerate([*views.items(), ("original", truth)]):
    all_axes[0, column].imshow(picture.clamp(0, 1), cmap="gray", vmin=0, vmax=1)
    all_axes[0, column].set_title(name, fontsize=9, loc="center")
    if name != "original":
        wrong = 255 * (picture.clamp(0, 1) - truth)
        drawn = all_axes[1, column].imshow(wrong, cmap="RdBu_r", vmin=-50, vmax=50)
for axes in all_axes.flat:
    axes.set_axis_off()
figure.colorbar(drawn, ax=all_axes[1, 3], label="error in grey levels", fraction=0.5, aspect=8)
figure.suptitle("Errors sit where edges and thin folds are", fontsize=11)
plots.show(
    figure,
    "Three restored versions of one slice and the original. Below the three are maps of their "
    "errors: lines along folds and edges, strongest for non-local means, weaker and much alike for "
    "the DQN and the CNN.",
)

# %% [markdown]
# What do the pixels do? First a look at one slice, then the shares over all of them.

# %% tags=["gallery"]
figure = pixel_plots.draw_episode(edits, one, actions, "Small corrections, most of them at the first step")
plots.show(
    figure,
    "Above, one slice at the start and after each of five steps. Below, maps of actions: brighter "
    "and darker pixels along the folds at the first step, hardly anything in the background, and "
    "fewer edits at each later step.",
)

# %%
figure = pixel_plots.draw_shares(edits.effective, actions, "Large steps at first, then rest")
plots.show(
    figure,
    "Five bars, one for each step, cut into the shares of the seven actions. No-op has the largest "
    "share and grows from step to step; the steps of 10 grey levels nearly vanish after the first.",
)

# %%
shares = pixel_plots.action_shares(edits.effective, actions)
tens = [actions.names.index(name) for name in ("−10", "+10")]
claim("share of steps of 10: third step over first", (shares[2, tens].sum() / shares[0, tens].sum()).item(),
      at_most=0.5)  # fmt: skip

# %% [markdown]
# ### The regression inside the Q-values
#
# Why are DQN and CNN so close? Let $e = y - x$ be how much too dark a pixel is. A step of $\delta$ is paid
# $r = c\,[e^2 - (e - \delta)^2]$, so in the mean over all that looks like this state
#
# $$Q(s, \delta) = \mathbb E[r \mid s] = c\,\big(2\,\delta\,m - \delta^2\big), \qquad m = \mathbb E[e \mid s].$$
#
# Everything depends on **one** number, $m$: the mean error. That is what a regression network predicts. The best
# step is the one nearest to $m$. And we can read $m$ from the Q-values of two opposite steps:
#
# $$m = \frac{Q(s, +\delta) - Q(s, -\delta)}{4\,c\,\delta}.$$
#
# By hand with $c = 1$: for $m = 8$ and $\delta = 10$, $Q(+10) = 160 - 100 = 60$ and $Q(-10) = -260$, as above; and
# $(60 + 260)/40 = 8$. Does our network know this, which nobody told it? We read $m$ twice, from ± 3 and from ± 10, and
# compare with the error that there really was.

# %%
q_values = agent.q_values(observe(widen(start), widen(noisy), None, torch.zeros(len(start))))
read = {}
for size in (3, 10):
    up, down = (q_values[:, actions.names.index(f"{sign}{size}")] for sign in "+−")
    read[size] = 255 * (up - down) / (4 * 300 * size / 255)  # in grey levels
error = 255 * (test.images - start)[:, 0]
agree = torch.corrcoef(torch.stack([read[3].flatten(), read[10].flatten()]))[0, 1].item()
claim("correlation of m from ± 3 with m from ± 10", agree, at_least=0.9)

# %%
m, order = read[10].flatten().sort()
groups = m.chunk(40), error.flatten()[order].chunk(40)
said, was = (torch.stack([group.mean() for group in part]) for part in groups)
figure, axes = plt.subplots(figsize=(5.6, 3.2))
ends = [said.min().item(), said.max().item()]
axes.plot(ends, ends, ":", color=plots.COLORS["baseline"])
axes.text(ends[1], ends[1], "equal ", ha="right", va="bottom", fontsize=9, color=plots.COLORS["baseline"])
axes.plot(said, was, "o-", color=plots.COLORS["dqn"], markersize=4)
axes.set(xlabel="m read from the Q-values of ± 10, grey levels", ylabel="mean of the true error")
axes.set_title("The Q-values know how wrong the start is")
plots.show(
    figure,
    "The pixels of the test slices in forty groups of equal size, ordered by the m that the "
    "Q-values imply. Against it the mean of the true error in each group: the points rise "
    "along the diagonal.",
)

# %%
slope = ((said - said.mean()) * (was - was.mean())).sum() / (said - said.mean()).square().sum()
claim("slope of the true error over m", slope.item(), between=(0.5, 1.3))

# %% [markdown]
# So for steps alone the answer is: with squared errors, all actions paid and $\gamma = 0$, the DQN **is** a regression,
# rounded to the steps that there are. Use the CNN here; it is simpler. The DQN is worth its trouble where one of
# these three falls away: when the reward is no squared error but a count, a price or somebody's judgement (notebooks 11
# and 12); when actions cannot be differentiated; or when each change must have a name that can be checked.
#
# *Change* the actions to `WideActions((3, 10))` and train again: what were the two filters good for? Or to
# `WideActions((10,))`: what is lost with the small steps?
#
# ## 4. Twice the resolution
#
# *Half the scan time, twice the pixels?* Now the picture is not noisy but coarse: each square of
# $2 \times 2$ pixels is replaced by its mean, and the slice of $32 \times 32$ is to become $64 \times 64$ again.
# The recipe stays: a classical answer as the start, beside it what the answer was made from, small steps, the
# rewards of all actions.
#
# The classical methods: interpolation; interpolation and *unsharp* masking; *back-projection* of notebook 11, which
# repeats "shrink, compare, correct". Settings from training slices again.

# %%
small = shrink(test.images, 2)
some_small = shrink(some, 2)
ENLARGERS = {
    "bilinear": (lambda x: enlarge(x, 2, "bilinear"), [()]),
    "bicubic": (lambda x: enlarge(x, 2), [()]),
    "bicubic + unsharp": (
        lambda x, sigma, amount: unsharp(enlarge(x, 2), sigma, amount),
        list(itertools.product((0.7, 1.0, 1.5), (0.3, 0.5, 0.8, 1.2))),
    ),
    "back-projection": (
        lambda x, steps, rate, mode: back_projection(x, 2, steps, rate, mode),
        list(itertools.product((3, 10, 30, 100), (1.0, 2.0), ("bilinear", "bicubic"))),
    ),
}
enlarged, setting = {}, {}
for name, (method, options) in ENLARGERS.items():
    setting[name] = best_of(options, lambda s, f=method: f(some_small, *s), some)
    enlarged[name] = method(small, *setting[name])
print("back-projection (steps, rate, mode):", setting["back-projection"])


# %%
def coarse(slices) -> tuple[Tensor, Tensor, Tensor]:
    """Return bicubic pictures, the answers that the pixels begin with, and originals."""
    small = shrink(slices.images, 2)
    answers = back_projection(small, 2, *setting["back-projection"])
    return enlarge(small, 2), answers, slices.images


steps = ActionSet((3, 10), {"soften": soften, "sharpen": sharpen})
learn, look, task = squares(coarse(fit)), coarse(validation), coarse(test)
torch.manual_seed(seed)
network = HeadStartQNetwork(len(steps), grey=0.4, spread=0.25, noise=0.02)
clock = time.process_time()
agent, _ = train_head_start(*learn, steps, network, held_out=look, reward_scale=300, seed=seed)
print(f"{time.process_time() - clock:.0f} s")

# %%
sharper = edit_answers(agent.act, task[0], task[1], steps)
doubling = {name: scores(picture, test.images) for name, picture in enlarged.items()}
best_classical = max(value for value, _ in doubling.values())
single = apply_single_actions(task[1], best_single_actions(learn[1], learn[2], steps), steps)
doubling["best single action a step"] = scores(single, test.images)
ours = doubling["**DQN, every pixel an agent**"] = scores(sharper.result, test.images)
claim("× 2, DQN: PSNR in dB", ours[0], at_least=29)
claim("× 2, DQN above the best of all classical methods, dB", ours[0] - best_classical, at_least=0.5)

# %%
torch.manual_seed(seed)
cnn = HeadStartRegressor(0.4, 0.25, 0.02)
train_regressor(
    cnn, torch.cat([learn[1], learn[0]], 1), learn[2], updates=900, batch_size=8, learning_rate=4e-3, seed=seed
)  # fmt: skip
doubling["CNN, regression"] = scores(regress(cnn, torch.cat([task[1], task[0]], 1)), test.images)
perfect = oracle(task[1], test.images, steps).result
doubling["per-pixel oracle (ceiling)"] = scores(perfect, test.images)
claim("× 2, DQN less CNN after as many updates, dB", ours[0] - doubling["CNN, regression"][0],
      between=(-0.8, 0.4))  # fmt: skip

# %% tags=["nbval-ignore-output"]
rows = [[name, f"{a:.2f}", f"{b:.3f}"] for name, (a, b) in doubling.items()]
plots.table(rows, ["method", "PSNR, dB", "SSIM"], "From 32 × 32 to 64 × 64: 28 test slices.")

# %%
figure = pixel_plots.draw_rows(
    [enlarge(small, 2, "nearest")[which], task[1][which], sharper.result[which], test.images[which]],
    ["what is known", "back-projection", "DQN", "original"],
    "Six test slices: half the resolution, and twice as much again",
)
plots.show(
    figure,
    "Four rows of six slices: coarse ones, those of back-projection, those of the DQN, which are a "
    "little clearer and without ringing at the edges, and the originals.",
)

# %% [markdown]
# The gain over the classical methods is larger than with noise. Coarse pictures hide structure that other
# slices of the same head can teach; noise destroys it.
#
# **What this does not show.** The test slices are other *slices*, but of the same template. A sharp fold that the
# pixels draw is what folds in this head usually look like. In a patient the interesting thing is what is *not* as
# usual. A restoration network that has seen only healthy slices may well remove a small lesion or invent a fold, and
# PSNR would hardly change: it is an average over thousands of pixels. Whoever wants to use such a method must
# show, on patients, that the *diagnosis* does not become worse (Cohen, Luck and Honari 2018 show generators that add and
# remove tumours).
#
# *Change* the input: paint a bright dot of three pixels into one slice of `small` before it is enlarged, and let
# the agent edit it. Does it keep the dot, sharpen it, or weaken it?
