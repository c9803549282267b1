# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 · Art: the painter
#
# Give a painter a photograph, a few brushes, and five hundred strokes. Which stroke comes first? And
# can an agent that has practised on *other* photographs paint this one, without trying a single
# stroke before it lays it?
#
# **Objectives.** After this notebook you can
#
# - lay a stroke of paint, and work out its best colour instead of learning it;
# - find the best next stroke among tens of thousands, as a ceiling for the agent;
# - train a DQN on patches of 28 × 28 pixels and let it paint sheets of any size;
# - paint coarse to fine, and show the order of strokes as a film;
# - change brush and palette, and let a discriminator set a style;
# - paint your own photograph, and say what happens when the painter has seen the wrong pictures.
#
# **You need** notebooks 04 and 10. **Time:** about 50 minutes to read, about 4 minutes to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %%
import csv

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

# %%
from dqngan_lib import plots
from dqngan_lib.animations import stroke_film
from dqngan_lib.art_plots import draw_gains, draw_paintings, draw_palettes, draw_psnr
from dqngan_lib.art_widgets import PhotoPainter
from dqngan_lib.brush_looks import LOOKS, render, render_steps
from dqngan_lib.brushes import (
    ACTIONS,
    SHAPES,
    best_colour,
    brush_gains,
    brush_table,
    lay_colour,
)
from dqngan_lib.data import digits, photos
from dqngan_lib.exercises import check, hint, solution  # noqa: F401

# %%
from dqngan_lib.painter import SCHEDULE, paint, random_values
from dqngan_lib.painter_training import PAINTER_AGENT, PAINTER_TRAINING, train_painter
from dqngan_lib.palettes import picture_palette
from dqngan_lib.photo_canvas import PhotoCanvas, photo_patches, plain_patches
from dqngan_lib.photo_networks import squash, unsquash
from dqngan_lib.photo_pictures import fit_photo, read_photo
from dqngan_lib.runtime import claim, seed_everything
from dqngan_lib.style import (
    CriticSettings,
    StyleCritic,
    critic_score,
    paint_with_critic,
    sheet_patches,
    train_critic,
)

torch.set_num_threads(1)  # networks this small are fastest on one core
seed = seed_everything(0)

# %% [markdown]
# Eight photographs come with the course. Four are for practice, four for the test. We use the
# middle 112 × 112 pixels of each.

# %%
crops = {name: photo[:, 8:120, 8:120].contiguous() for name, photo in photos().items()}
practice = ("flower", "coffee", "hubble", "retina")
test = ("china", "astronaut", "chelsea", "rocket")
plots.show_images(
    torch.stack([crops[name] for name in (*practice, *test)]),
    "Two rows of four photographs. Above, for practice: a flower, a cup of coffee, galaxies, the "
    "back of an eye. Below, for the test: a pagoda, an astronaut, a cat, a rocket at dusk.",
    columns=4,
    title="Above: photographs to learn from. Below: photographs to be tested on",
    scale=1.6,
)

# %% [markdown]
# ## 1. A stroke has a mask and a colour
#
# In notebook 10 a stroke left black ink. Paint covers what is under it. A **mask** $m$ says how much
# of each pixel the stroke covers, from 0 to 1; its edge is soft, one pixel wide. With canvas $c$ and
# colour $k$:
#
# $$c' = c + m\,(k - c).$$
#
# By hand, for three pixels with $m = 1, \tfrac12, 0$, canvas $0.2$ and colour $0.8$: the first becomes
# $0.8$, the second $0.2 + \tfrac12 \cdot 0.6 = 0.5$, the third stays.

# %%
m = torch.tensor([[1.0, 0.5, 0.0]])
c, k = torch.full((3, 3), 0.2), torch.full((3,), 0.8)
print("by hand:", (c + m * (k[:, None] - c))[0])
print("package:", lay_colour(c, m, k)[0])

# %% [markdown]
# Which strokes are there? On a patch of 28 × 28 pixels: 14 × 14 places, 8 directions, 2 brushes. A
# stroke looks the same after half a turn, so the eight directions are 22.5° apart.

# %%
print(ACTIONS, "strokes =", SHAPES, "shapes at", ACTIONS // SHAPES, "places")
fan = [shape * 196 + 7 * 14 + 7 for shape in range(SHAPES)]
plots.show_images(
    1 - brush_table()[fan].reshape(-1, 1, 28, 28),
    "Two rows of eight pictures with one stroke each, turned a little further from picture to "
    "picture. The large brush above, the small one below.",
    columns=8,
    title="The sixteen strokes of one place",
)

# %% [markdown]
# And the colour? It could be part of the action: with 8 shades in each channel there would be 512 times
# as many actions. But the best colour needs no learning. Let $t$ be the target and
# $r = t - (1 - m)\,c$ what the paint must add. After the stroke the squared error of a channel is
# $\sum (r - m k)^2$. Its derivative in $k$ is zero at
#
# $$k^* = \frac{\sum m\, r}{\sum m^2}, \qquad \text{cut off at } 0 \text{ and } 1.$$
#
# Where the stroke covers fully, this is the mean of the target under it. By hand, two pixels, both
# covered, targets $0.4$ and $0.6$: $k^* = (0.4 + 0.6) / 2 = 0.5$. Half cover of a pixel with canvas 0 and
# target $0.3$: $r = 0.3$, $k^* = (\tfrac12 \cdot 0.3) / \tfrac14 = 0.6$. Thin paint must be stronger.

# %%
blank = torch.zeros(3, 2)
both = best_colour(blank, torch.tensor([[0.4, 0.6]]).expand(3, 2), torch.ones(1, 2))
thin = best_colour(blank[:, :1], torch.full((3, 1), 0.3), torch.full((1, 1), 0.5))
print(f"both covered: {both[0]:.1f}, half covered: {thin[0]:.1f}")

# %% [markdown]
# The agent decides *where, in which direction, and with which brush*. Arithmetic decides the colour. It is
# good practice to keep out of the action what can be computed.
#
# ### Exercise 14.1 · The best colour
#
# Difficulty ●●○○○ · importance ●●●●○ · 10 minutes. Help: `hint("14.1")`, `solution("14.1")`


# %% tags=["exercise"] exercise="14.1"
def stroke_colour(canvas: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the colour in [0, 1] that leaves the least squared error under a stroke.

    canvas, target: float, shape (3, pixels), in [0, 1].
    mask: float, shape (pixels,), in [0, 1], not zero everywhere.
    Returns: float, shape (3,): red, green, blue.
    """
    ...


# %%
check("14.1", stroke_colour)

# %% [markdown]
# ## 2. The best stroke, exactly
#
# How well *can* five hundred such strokes paint a photograph? We try every stroke, each in its best
# colour, and lay the one that lowers the squared error most. With $e = t - c$, a stroke gains
#
# $$g = \sum e^2 - \sum (r - m k)^2
#     = k\,\big(2 \textstyle\sum m r - k \sum m^2\big) - 2 \sum m\, e\, c - \sum m^2 c^2,$$
#
# summed over the three channels. The sums around all places at once are correlations with 16 small masks:
# convolutions. First see that the formula agrees with laying a stroke and measuring.

# %%
c, t = torch.rand(2, 1, 3, 28, 28, generator=torch.Generator().manual_seed(0))
g = brush_gains(c, t).flatten()
m, number = brush_table()[1_000], 1_000
k = best_colour(c[0].flatten(1), t[0].flatten(1), m)
after = lay_colour(c[0].flatten(1), m, k)
tried = (t - c).square().sum() - (t[0].flatten(1) - after).square().sum()
print("formula and trial agree:", torch.allclose(g[number], tried, atol=1e-3))

# %% [markdown]
# A gain can be below 0: a stroke in one colour wipes out detail. So a good painter begins with a large
# brush and ends with a small one, and never the other way round. We paint on three levels.
# On the first the painter sees everything four times smaller, a patch of 28 × 28, and its strokes are
# four times as large on the sheet. On the second it sees 56 × 56, on the last 112 × 112.

# %%
print("times smaller, strokes:", SCHEDULE, "| together:", sum(count for _, count in SCHEDULE))
levels = [avg_pool2d(crops["china"][None], factor)[0] for factor, _ in SCHEDULE]
figure = draw_gains(levels, ["4 times smaller", "2 times smaller", "as it is"])
plots.show(
    figure,
    "Above, the same photograph of a pagoda at three sizes. Below each, a map of what the best stroke at "
    "each place would gain on white paper: much on the dark trees and walls, little on the sky.",
)

# %% [markdown]
# **Exact greedy search** is the ceiling here: no search over single strokes, on these levels, can do
# better with the next stroke. **Random strokes**, each in its best colour, are the floor. The score is the
# PSNR in decibels (notebook 11): 3 dB more means half the squared error.

# %%
exact = {name: paint(brush_gains, crops[name]) for name in test}
luck = {name: paint(random_values(seed), crops[name]) for name in test}


def mean_psnr(paintings: dict) -> float:
    """Return the mean PSNR of finished paintings in dB."""
    return float(np.mean([painting.psnr()[-1] for painting in paintings.values()]))


claim("exact greedy search, mean PSNR of four photographs, dB", mean_psnr(exact), at_least=26)
claim("random strokes, mean PSNR, dB", mean_psnr(luck), at_most=20)

# %%
shown = render_steps(exact["chelsea"].strokes, 112, 112, 2, "plain", stops=[5, 20, 40, 170, 500])
plots.show_images(
    torch.stack(shown),
    "Five stages of a painted cat, found by exact search: five strokes, then twenty, forty, a "
    "hundred and seventy, five hundred. First patches of brown, then eyes, then fur.",
    columns=5,
    title="Exact search after 5, 20, 40, 170 and 500 strokes",
    scale=0.72,
)

# %% [markdown]
# *Change* the schedule to `((1, 500),)`: fine strokes only. Or to `((4, 500),)`. Look for the PSNR at
# the end, and for paper that shows through.
#
# ### Exercise 14.2 · What strokes gain
#
# Difficulty ●●●○○ · importance ●●●●○ · 15 minutes. Help: `hint("14.2")`, `solution("14.2")`


# %% tags=["exercise"] exercise="14.2"
def colour_gains(canvas: Tensor, target: Tensor, masks: Tensor) -> Tensor:
    """Return by how much each stroke, in its best colour, lowers the squared error.

    canvas, target: float, shape (3, pixels), in [0, 1]. masks: float, shape (k, pixels).
    Returns: float, shape (k,); the error is summed over pixels and channels.
    """
    ...


# %%
check("14.2", colour_gains)

# %% [markdown]
# ## 3. Practice on patches
#
# The agent practises on patches of 28 × 28 pixels: pieces of the practice photographs, from a detail
# to the whole picture, turned and mirrored, with their colour channels exchanged. One patch in five is like
# a clear sky: one colour, or two that run into each other. Section 6 shows what happens without those.

# %%
wild = photo_patches([photos()[name] for name in practice], 3_200, seed)
plain = plain_patches(800, seed)
patches = torch.cat([wild, plain])
plots.show_images(
    torch.cat([wild[:18], plain[:6]]),
    "Two rows of twelve small colour patches. Most are pieces of photographs in unusual colours; the "
    "last six are smooth: one colour or two that blend.",
    columns=12,
    title="Patches to practise on; the last six are plain",
    scale=1.8,
)

# %% [markdown]
# The world is that of notebook 10 in colour. The observation is canvas and target. A stroke is paid by
# what it changes, $r = g / 0.1$. Nothing is added up twice, and a stroke that spoils costs. Here a
# painting has no end of its own: after 30 strokes the episode is **truncated**, not terminated. The
# agent sees no clock, and the value of a state does not drop because we stop watching.

# %%
envs = PhotoCanvas(2, patches[:2], unit=0.1, in_order=True)
observation, _ = envs.reset(seed=seed)
print("an observation:", tuple(observation.shape[1:]), observation.dtype, "= canvas, target")
gains = brush_gains(torch.ones(2, 3, 28, 28), patches[:2]).flatten(1)
_, reward, terminated, _, _ = envs.step(gains.argmax(1))
best = gains.max(1).values
print("reward = gain / 0.1:", torch.allclose(reward, best / 0.1, rtol=1e-3), "| ended:", terminated)

# %% [markdown]
# **Large and small rewards.** The first stroke on white paper may gain a thousand times as much as the
# last. A network that must be right about both will be wrong about the small ones, and the small
# ones are most of a painting. So the network learns $h(Q)$ in the place of $Q$ (Pohlen et al. 2018):
#
# $$h(x) = \operatorname{sign}(x)\big(\sqrt{|x| + 1} - 1\big), \qquad
#   h^{-1}(y) = \operatorname{sign}(y)\big((|y| + 1)^2 - 1\big),$$
#
# $$\text{target} = h\Big(r + \gamma\, h^{-1}\big(\max_a h(Q)(s', a)\big)\Big).$$
#
# By hand: $h(8) = \sqrt 9 - 1 = 2$ and back, $h^{-1}(2) = 9 - 1 = 8$. $h$ rises, so the best stroke
# stays the best.

# %%
print("h(8), h(-3):", squash(torch.tensor([8.0, -3.0])))
print("back:       ", unsquash(squash(torch.tensor([8.0, -3.0]))))

# %% [markdown]
# ### Exercise 14.3 · The squashed target
#
# Difficulty ●●●○○ · importance ●●●●○ · 15 minutes. Help: `hint("14.3")`, `solution("14.3")`


# %% tags=["exercise"] exercise="14.3"
def squashed_target(
    reward: Tensor, terminated: Tensor, next_values: Tensor, discount: float
) -> Tensor:
    """Return the targets h(r + γ h⁻¹(max)), where terminal rows bootstrap nothing.

    reward: float, shape (n,). terminated: bool, shape (n,).
    next_values: h(Q) of the next observations, float, shape (n, actions). discount: γ.
    Returns: float, shape (n,).
    """
    ...


# %%
check("14.3", squashed_target)

# %% [markdown]
# ## 4. Learn to paint
#
# The network is convolutional from end to end, as in notebook 10, and ends in 16 planes of
# Q-values. It is shown two things: the error $t - c$, and the target less its mean around each pixel. The
# first says what is missing, the second how much the target varies there. Whether a place is bright or
# dark does not matter, so it is not shown. And because the network knows no place, what it learns on
# 28 × 28 pixels works on a sheet of any size.
#
# Half of the random strokes lie where much is missing. Half of the episodes begin on a coarse painting in
# place of white paper, because that is what the painter finds on the second and third level.

# %%
print(PAINTER_AGENT)
print(PAINTER_TRAINING)

# %%
curve = plots.LiveCurve("PSNR of 24 practice patches after 30 strokes, dB")
painter, history = train_painter(patches, seed=seed, watch=curve)
print(f"training took {history.seconds[-1]:.1f} s")

# %% [markdown]
# Now the four photographs that it has never seen. At each step it looks once, at the whole sheet, and lays
# the stroke of the greatest Q-value. It never tries.

# %%
values = painter.q_network.values
painted = {name: paint(values, crops[name]) for name in test}
gap = mean_psnr(exact) - mean_psnr(painted)
claim("DQN behind exact greedy search after 500 strokes, mean of four, dB", gap, at_most=2)
claim("DQN above random strokes, mean of four, dB", mean_psnr(painted) - mean_psnr(luck), at_least=3)

# %% tags=["gallery"]
rows = torch.stack([render(painted[n].strokes, 112, 112, 2, "plain") for n in test])
plots.show_images(
    rows,
    "Four paintings side by side, five hundred strokes each: a pagoda under a pale sky, an astronaut in "
    "orange, the face of a cat with green eyes, and a rocket at dusk. All are easy to recognise.",
    columns=4,
    title="Four photographs that it had never seen, painted by a DQN in 500 strokes each",
    scale=0.9,
)
