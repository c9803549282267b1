# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here
#
# A child learns to draw by drawing. Somebody looks and says: *that looks like a 7*, or: *that does
# not*. Nobody moves the child's hand. Can a machine learn to draw that way?
#
# This course answers the question in code that you write and change yourself. It joins two ideas:
#
# - a **Deep Q-Network** (DQN) learns to act: it tries, it gets rewards, and it finds out which
#   action is worth most;
# - a **generative adversarial network** (GAN) learns to make pictures: one network makes them, a
#   second one judges whether they look real.
#
# In the end the first becomes a part of the second: a DQN draws, stroke by stroke, and its only
# teacher is the judge.
#
# **Objectives.** After this notebook you
#
# - know how the course works and what it will build;
# - know that your installation is sound, or what to do about it;
# - have seen the three data sets;
# - have done one exercise;
# - know where to look up a symbol or a word.
#
# **You need** Python and a little linear algebra. **Time:** 30 minutes to read, under half a minute
# to run.

# %%
import sys
from pathlib import Path

folder = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir())
sys.path.insert(0, str(folder))

# %% [markdown]
# This first cell stands in every notebook. It finds the package `dqngan_lib`, which keeps what one
# notebook has built for the notebooks after it. Everything in it is explained somewhere in the
# course, and all of it is there to be read.

# %%
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib import plots
from dqngan_lib.data import brain_slices, digits, photos
from dqngan_lib.exercises import check, hint, solution
from dqngan_lib.installation import check_installation, describe_machine
from dqngan_lib.runtime import claim, seed_everything

seed = seed_everything(0)

# %% [markdown]
# ## 1. Is everything there?
#
# The next cell compares the versions on this machine with those that the course needs, and looks
# for the data files. Each line should begin with ✓.

# %%
check_installation()

# %% [markdown]
# **If a line begins with ✗**, it says what is missing. Most often this helps:
#
# 1. Close JupyterLab. In the course's folder run `python3 course.py lab` (on Windows:
#    `py course.py lab`). It installs what is missing, and opens this notebook again.
# 2. If you installed with `pip` yourself, run `pip install -r requirements.txt` again, in the same
#    environment that JupyterLab runs in. `import sys; sys.executable` in a cell tells which Python
#    that is.
# 3. A damaged data file is named with its checksum. Copy the file again from the course's
#    repository.
#
# The next cell describes your machine. Put it into a question when you ask one.

# %% tags=["nbval-ignore-output"]
for name, value in describe_machine().items():
    print(f"{name:24s} {value}")

# %% [markdown]
# A GPU is welcome and not needed. All times in the README were measured on two cores without one.
#
# ## 2. What you will build
#
# Each picture is the result of one notebook. It was saved by the run that made it.

# %%
gallery = sorted((folder / "notebooks" / "gallery").glob("*.png"))
columns = 2
rows = -(-len(gallery) // columns)
figure, all_axes = plt.subplots(rows, columns, figsize=(7.4, 2.3 * rows), squeeze=False)
for axes in all_axes.flat:
    axes.set_axis_off()
for axes, path in zip(all_axes.flat, gallery, strict=False):
    axes.imshow(plt.imread(path), interpolation="bilinear")
    axes.set_title(path.stem[:2] + " · " + path.stem[3:].replace("_", " "))
plots.show(
    figure,
    "One picture for each notebook that exists so far, with its number and name above it. The "
    "notebooks describe their pictures.",
)

# %% [markdown]
# The course has four parts.
#
# | notebooks | you learn |
# | --- | --- |
# | 01–03 | to act: Q-learning, Deep Q-Networks, and what makes them better |
# | 04–06 | to generate: GANs, how to measure them, how to keep them steady |
# | 07–10 | to join the two: when a DQN can be a generator, and a generator that is one |
# | 11–15 | to use it: sharper pictures, holes filled, medical images, art, larger machines |
#
# The README's table says which notebooks are there today, with their times and results.
#
# ## 3. How the notebooks work
#
# **Run** a cell with Shift + Enter. **Change** it and run it again: nothing can break that
# *Kernel → Restart Kernel* does not mend. Each section has something to change, and says what to
# look for.
#
# **Claims.** A result is stated by `claim`. It compares a measured number with a bound, and stops
# the notebook when the bound does not hold. So a text that promises too much cannot hide here:

# %%
two, three = torch.tensor(2.0), torch.tensor(3.0)
claim("two times three", two * three, between=(5.9, 6.1))

# %% [markdown]
# And a claim that does not hold looks like this. The error is part of the lesson.

# %% tags=["raises-exception"]
claim("two times three", two * three, at_least=7)

# %% [markdown]
# **Seeds.** Random numbers come from a *seed*, so your run shows what ours did, up to rounding.
# Change the `0` in `seed_everything(0)` at the top to see another run. The claims have been
# checked on several seeds.
#
# **Long cells** show a bar. The ■ button above stops them, and what has been learnt so far is kept.
#
# **Exercises** look like this:
#
# ### Exercise 00.1 · The mean picture
#
# Difficulty ●○○○○ · importance ●○○○○ · 5 minutes. Help: `hint("00.1")`, `solution("00.1")`
#
# Compute the mean picture of a batch of pictures. Replace the `...` by your code.


# %% tags=["exercise"] exercise="00.1"
def mean_picture(images: Tensor) -> Tensor:
    """Return the mean over a batch of pictures.

    images: float, shape (batch, channels, height, width), in [0, 1].
    Returns: float, shape (channels, height, width).
    """
    ...


# %%
check("00.1", mean_picture)

# %% [markdown]
# ● counts from one to five. `check` says whether an answer is right and, if it is
# not, what is wrong with it. It never stops the notebook. Try a wrong answer first: write
# `return images.mean()` and run both cells.
#
# If you are stuck, ask for a hint. Each call gives the next one.

# %%
hint("00.1")

# %% [markdown]
# And `solution` shows one right answer. Yours may look different and be as good.

# %%
solution("00.1")

# %% [markdown]
# ## 4. The data
#
# Three small files come with the course. Nothing is downloaded while a notebook runs.
#
# ### Digits
#
# Ten thousand handwritten digits of MNIST (LeCun et al. 1998): 8,000 to learn from and 2,000 to
# test on. In this course a picture is a tensor of shape (channels, height, width) with numbers from
# 0 (black) to 1 (white).

# %%
data = digits()
print("images", tuple(data.train_images.shape), "labels", tuple(data.train_labels.shape))

rows = torch.stack([data.train_images[data.train_labels == digit][:12] for digit in range(10)])
plots.show_images(
    rows.flatten(0, 1),
    "Ten rows of twelve handwritten digits, white on black; each row shows one digit from 0 to 9.",
    columns=12,
    title="No two people write a digit the same way",
)

# %% [markdown]
# ### Brain slices
#
# MR slices of the ICBM152 template (Fonov et al. 2011), with a map of the tissue at each pixel. It
# is the *average of 152 adults*. No patient looks like this, so nothing in this course is medical
# evidence.

# %%
brain = brain_slices()
print("train", tuple(brain.train_images.shape), "test", tuple(brain.test_images.shape))

chosen = torch.tensor([20, 40, 60, 80])
figure, all_axes = plt.subplots(2, 4, figsize=(7.2, 3.8))
for column, index in enumerate(chosen.tolist()):
    all_axes[0, column].imshow(brain.train_images[index, 0], cmap="gray")
    all_axes[1, column].imshow(brain.train_tissue[index], cmap="cividis")
    all_axes[0, column].set_title(f"z = {brain.train_z_mm[index].item()} mm")
for axes in all_axes.flat:
    axes.set_axis_off()
plots.show(
    figure,
    "Upper row: four slices of a brain from low to high, in grey. Lower row: the tissue map of "
    "each; dark is background or fluid, middle is grey matter, bright is white matter.",
)

# %% [markdown]
# Neighbouring slices look alike. A test slice beside a training slice would make every method look
# good. So the test slices are two blocks, with a gap on each side that belongs to neither set.
#
# ### Photographs
#
# Eight colour photographs with free licences; `data/README.md` names their authors.

# %%
pictures = photos()
figure, all_axes = plt.subplots(2, 4, figsize=(7.2, 4.0))
for axes, (name, picture) in zip(all_axes.flat, pictures.items(), strict=True):
    axes.imshow(picture.permute(1, 2, 0))
    axes.set_title(name)
    axes.set_axis_off()
plots.show(
    figure,
    "Eight square colour photographs: a Chinese temple, a flower, an astronaut, a cat, a cup of "
    "coffee, a rocket, a field of galaxies, and the back of an eye.",
)

# %% [markdown]
# ## 5. Notation
#
# | symbol | meaning | in code |
# | --- | --- | --- |
# | $s$ | state, or what is seen of it | `observation` |
# | $a$ | action | `action` |
# | $r$ | reward | `reward` |
# | $s'$ | what is seen after the action | `next_observation` |
# | $\gamma$ | discount: what a reward one step later is worth now | `discount` |
# | $\varepsilon$ | probability of a random action | `epsilon` |
# | $\alpha$ | learning rate (from notebook 08 on also the temperature of soft values) | `learning_rate` |
# | $\pi(a \mid s)$ | policy: probability of action $a$ in state $s$ | `policy` |
# | $V(s)$ | value: expected return from state $s$ on | `value` |
# | $Q(s, a)$ | value of action $a$ in state $s$ | `q_values` |
# | $\theta, \theta^-$ | weights of the online and of the target network | `q_network`, `target_network` |
# | $y$ | target of a Q-value | `td_target` |
# | $z$ | noise from which a picture is made | `noise` |
# | $G(z)$ | generator | `generator` |
# | $D(x)$ | discriminator: probability that $x$ is real | `discriminator` |
# | $p, q$ | distribution of the real data, and of the generated | |
# | $\mathbb{E}$ | expected value | `mean()` |
# | $\nabla_\theta$ | gradient with respect to $\theta$ | `backward()` |
#
# ## 6. Glossary
#
# The words of the course, in the order in which they come, with the Chinese terms that textbooks
# use.
#
# | English | 中文 | in a few words |
# | --- | --- | --- |
# | agent | 智能体 | what acts |
# | environment | 环境 | what it acts in |
# | observation | 观测 | what the agent sees |
# | state | 状态 | all that matters for what comes next |
# | action | 动作 | what the agent does |
# | reward | 奖励 | a number after each action |
# | episode | 回合 | from a start to an end |
# | return | 回报 | the discounted sum of the rewards to come |
# | discount | 折扣因子 | γ |
# | policy | 策略 | how actions are chosen |
# | value | 价值 | the expected return |
# | Q-value | Q 值 | the expected return after a given action |
# | Markov decision process | 马尔可夫决策过程 | states, actions, probabilities, rewards |
# | Bellman equation | 贝尔曼方程 | a value from the values one step later |
# | value iteration | 价值迭代 | apply that equation until nothing changes |
# | Q-learning | Q 学习 | learn Q-values from experience |
# | greedy | 贪心 | always the best-looking action |
# | ε-greedy | ε-贪心 | greedy, but sometimes random |
# | exploration, exploitation | 探索，利用 | to try, to use what is known |
# | terminated | 终止 | the episode came to its own end |
# | truncated | 截断 | the episode was cut off from outside |
# | bootstrapping | 自举 | to estimate from an estimate |
# | on-policy, off-policy | 同策略，异策略 | learning about the policy that acts, or about another |
# | learning rate | 学习率 | size of a step |
# | neural network | 神经网络 | a function with weights that are learnt |
# | loss | 损失 | what training makes small |
# | gradient | 梯度 | direction of steepest rise |
# | minibatch | 小批量 | a few examples at once |
# | target network | 目标网络 | a slower copy that gives the targets |
# | replay buffer | 经验回放池 | memory of transitions |
# | transition | 转移样本 | observation, action, reward, next observation |
# | overestimation | 过高估计 | values that are too large on average |
# | double Q-learning | 双 Q 学习 | one network chooses, the other values |
# | dueling network | 对决网络 | value and advantage apart |
# | advantage | 优势 | how much better than usual an action is |
# | n-step return | n 步回报 | n rewards before the bootstrap |
# | prioritised replay | 优先经验回放 | surprising transitions more often |
# | generator | 生成器 | makes pictures |
# | discriminator | 判别器 | tells real from generated |
# | critic | 评论家 | a discriminator whose output is no probability |
# | logit | 对数几率 | the number before the sigmoid |
# | generated, real | 生成的，真实的 | made by the generator, or from the data |
# | minimax game | 极小极大博弈 | one player's gain is the other's loss |
# | non-saturating loss | 非饱和损失 | a generator's loss with gradients when it loses |
# | mode collapse | 模式坍塌 | only a few kinds of pictures are made |
# | latent space | 潜空间 | where the noise lives |
# | class-conditional | 类别条件 | made for a given label |
# | Fréchet distance (FID) | 弗雷歇距离 | a distance between two sets of pictures |
# | precision, recall | 精确率，召回率 | are they good, are all kinds there |
# | memorisation | 记忆训练数据 | copies of the training set |
# | entropy | 熵 | how spread out a distribution is |
# | Wasserstein distance | 沃瑟斯坦距离 | the cost of moving one heap of sand into another |
# | Lipschitz constraint | 利普希茨约束 | a bound on the slope |
# | gradient penalty | 梯度惩罚 | a price for steep slopes |
# | spectral normalisation | 谱归一化 | weights divided by their largest stretch |
# | soft value, soft Q-learning | 软价值，软 Q 学习 | values that also count randomness |
# | temperature | 温度 | how random a choice is |
# | Boltzmann policy | 玻尔兹曼策略 | probability in proportion to exp(Q / temperature) |
# | maximum likelihood | 最大似然 | make the data probable |
# | total variation | 全变差距离 | half the summed difference of two distributions |
# | token, codebook | 词元，码本 | a numbered piece, and the list of pieces |
# | prefix | 前缀 | the part that is there already |
# | potential-based shaping | 基于势函数的奖励塑形 | extra rewards that leave the best policy alone |
# | stroke | 笔画 | one line of the brush |
# | canvas | 画布 | what is drawn on |
# | super-resolution | 超分辨率 | more pixels from few |
# | inpainting | 图像修复 | filling holes |
# | denoising | 去噪 | removing noise |
# | PSNR, SSIM | 峰值信噪比，结构相似性 | how near two pictures are |
# | baseline, floor, ceiling | 基线，下限，上限 | what to beat; the worst; the best possible |
# | seed | 随机种子 | where random numbers start |
# | held-out data | 留出数据 | never trained on |
#
# ## Recap
#
# - The course builds a DQN, then a GAN, then a GAN whose generator is a DQN.
# - `claim` states results, `check` judges answers, `hint` and `solution` help.
# - Real data is small, checked, and here already.
#
# ## What is now possible
#
# You can run, change and check everything that follows. Go on with
# `01_q_learning.ipynb`: a walker, a pit, and a slippery floor.
#
# ## References
#
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). Gradient-based learning applied to document
#   recognition. *Proceedings of the IEEE* 86(11). The digits.
# - V. Fonov et al. (2011). Unbiased average age-appropriate atlases for pediatric studies.
#   *NeuroImage* 54. The brain.
# - V. Mnih et al. (2015). Human-level control through deep reinforcement learning. *Nature* 518.
#   The DQN.
# - I. Goodfellow et al. (2014). Generative adversarial nets. arXiv 1406.2661. The GAN.
