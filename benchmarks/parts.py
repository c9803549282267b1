"""Parts of the course beside the bare tensor operations they need: microseconds, and ratios.

Run `python benchmarks/parts.py`; it takes three minutes. `--report` prints the table again. Both
sides take turns, 5 times, on one thread; a number is the CPU time of one call. The bare operations
do the arithmetic alone: no checks of arguments, no ends of episodes, no copies for the caller.

Where the time goes, by `torch.profiler`. Replay: nearly all of it in the selection of rows; what
is left over the bare operations finds out where each next observation lies, because no picture is
stored twice. Prioritised replay: in the tree's steps from leaf to root and back, one small NumPy
call a level; a running total over all rows takes longer only from a few hundred thousand rows on.
Pixel editor: in the filters; ours are faster than one `unfold`, because nineteen comparisons of
whole pictures take less than sorting nine numbers at every pixel. Stroke canvas: half in laying
and rounding, half in checks and in starting new episodes. Gains: in the two matrix products.
Painter: in the network; what is left over makes the changed places smaller, cuts out what they see
and puts the values back. Round of the stroke agent: in the networks; it is faster than the bare
operations because most of the table of strokes is zero, and a draw is a search in a running total.
"""

import time
from collections.abc import Callable, Mapping

import torch
from tables import Row, conditions, measure, spread
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.art.brushes import stroke_at
from dqngan_lib.applications.art.painter import ValueMap
from dqngan_lib.applications.art.trained import load_photo_painter
from dqngan_lib.applications.pixels.editor import PixelEditor
from dqngan_lib.applications.pixels.filters import FILLING, SUPER_RESOLUTION, ActionSet
from dqngan_lib.applications.strokes.canvas import StrokeCanvas
from dqngan_lib.applications.strokes.drawing import ACTIONS, canvases, stroke_gains, stroke_table
from dqngan_lib.applications.strokes.finished import FinishedPainter
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.applications.strokes.opinions import render
from dqngan_lib.course.data import digits
from dqngan_lib.dqn.prioritized_replay import PrioritizedReplayBuffer
from dqngan_lib.dqn.replay import ReplayBuffer
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.rollout import Rollout
from dqngan_lib.gan.networks import ImageDiscriminator
from dqngan_lib.gan.penalties import r1_penalty

Call = Callable[[], object]
Pair = tuple[Call, Call]
"""Ours, and the bare operations."""

FIELDS = ("observation", "action", "reward", "terminated", "truncated", "next_observation")

SECONDS = 1.0
"""How long each side runs in a turn."""


def filled(buffer: ReplayBuffer) -> ReplayBuffer:
    """Fill a memory with 16,000 steps of `Catch`, moves at random."""
    rollout, random = Rollout(Catch(8)), torch.Generator().manual_seed(0)
    rollout.start(0)
    while len(buffer) < buffer.capacity:
        step = rollout.step(torch.randint(3, (8,), generator=random))
        buffer.add(
            observation=step.observation,
            action=step.action,
            reward=step.reward,
            terminated=step.terminated,
            truncated=step.truncated,
            next_observation=step.next_observation,
        )
    return buffer


def replay(batch: int = 64) -> Pair:
    """A batch of transitions; bare: draw rows, and select them from one tensor a field."""
    buffer = filled(ReplayBuffer(16_000))
    every = buffer.gather(torch.arange(16_000))
    columns, random = [every[name] for name in FIELDS], torch.Generator().manual_seed(0)

    def bare() -> list[Tensor]:
        index = torch.randint(16_000, (batch,), generator=random)
        return [column.index_select(0, index) for column in columns]

    return lambda: buffer.sample(batch), bare


def large_replay() -> Pair:
    """The same with a batch of 1,024, where arithmetic counts for more."""
    return replay(1_024)


def prioritised() -> Pair:
    """A batch drawn by priority, and the priorities set again; bare: by a running total."""
    buffer, batch = filled(PrioritizedReplayBuffer(16_000)), 64
    _, select = replay(batch)
    priority, random = torch.rand(16_000, dtype=torch.float64), torch.Generator().manual_seed(0)
    errors = torch.rand(batch)

    def ours() -> None:
        buffer.update_priorities(buffer.sample(batch)["index"], errors)

    def bare() -> None:
        total = priority.cumsum(0)
        point = torch.rand(batch, dtype=torch.float64, generator=random) * total[-1]
        index = torch.searchsorted(total, point)
        weight = (16_000 * priority[index] / total[-1]) ** -0.4
        select(), weight / weight.max()
        priority[index] = errors.double() ** 0.6

    return ours, bare


def editor(actions: ActionSet, bare_filters: Callable[[Tensor], list[Tensor]]) -> Pair:
    """A step of eight pictures; bare: the filters, the choice, the rewards, what is seen."""
    originals = digits().train_images[:64]
    starts = functional.avg_pool2d(originals, 3, 1, 1)
    envs, count = PixelEditor(8, starts, originals, actions), len(actions)
    envs.reset(options={"index": torch.arange(8)})
    action = torch.randint(count, (8, 28, 28), generator=torch.Generator().manual_seed(0))
    picture, start, original = starts[:8].clone(), starts[:8], originals[:8]
    clock, levels = torch.zeros(8, 1, 28, 28), actions.levels.view(1, -1, 1, 1) / 255

    def bare() -> tuple[Tensor, Tensor]:
        every = torch.cat([(picture + levels).clamp(0, 1), *bare_filters(picture)], 1)
        after = every.gather(1, action.unsqueeze(1))
        reward = 30 * ((picture - original) ** 2 - (after - original) ** 2).squeeze(1)
        return torch.cat([after, start, clock], 1), reward

    return lambda: envs.step(action), bare


def windows(picture: Tensor) -> Tensor:
    """Return the nine neighbours of every pixel, `(n, 9, height, width)`."""
    padded = functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    return functional.unfold(padded, 3).unflatten(2, picture.shape[2:])


def filling() -> Pair:
    """The editor for holes: box, median, dilation; bare: from one `unfold`."""

    def bare_filters(picture: Tensor) -> list[Tensor]:
        near = windows(picture)
        return [near.mean(1, True), near.median(1, True).values, near.max(1, True).values]

    return editor(FILLING, bare_filters)


def super_resolution() -> Pair:
    """The editor for blurred pictures: box, median, unsharp; bare: `unfold` and two `conv2d`."""
    line = torch.exp(-(torch.arange(-4.0, 5) ** 2) / 2)
    line = (line / line.sum()).view(1, 1, 1, -1)

    def bare_filters(picture: Tensor) -> list[Tensor]:
        near = windows(picture)
        padded = functional.pad(picture, (4, 4, 4, 4), mode="replicate")
        blurred = functional.conv2d(functional.conv2d(padded, line), line.mT)
        sharp = (2 * picture - blurred).clamp(0, 1)
        return [near.mean(1, True), near.median(1, True).values, sharp]

    return editor(SUPER_RESOLUTION, bare_filters)


def strokes() -> Pair:
    """64 strokes laid and shown; bare: select the ink, c + s (1 − c), and round to bytes."""
    envs, table = StrokeCanvas(64), stroke_table()
    envs.reset(seed=0)
    action = torch.randint(ACTIONS, (64,), generator=torch.Generator().manual_seed(0))
    canvas = torch.rand(64, 784)

    def bare() -> Tensor:
        after = canvas + table.index_select(0, action) * (1 - canvas)
        return (after * 255).round().to(torch.uint8)

    return lambda: envs.step(action), bare


def gains() -> Pair:
    """What each of 3,137 strokes would gain on 64 pictures; bare: the two matrix products."""
    target = digits().train_images[:64].flatten(1)
    actions = torch.randint(ACTIONS, (64, 3), generator=torch.Generator().manual_seed(0))
    canvas, table = canvases(actions)[:, -1], stroke_table()
    squares = table.square()
    return lambda: stroke_gains(canvas, target), lambda: (target @ table.T, canvas @ squares.T)


def painter() -> Pair:
    """What a stroke on 256 × 256 pixels changed, valued again; bare: the network there."""
    network, rng = load_photo_painter(), torch.Generator().manual_seed(0)
    canvas, target = torch.rand(2, 3, 256, 256, generator=rng)
    level = ValueMap(network, canvas, target, 1)
    stroke = stroke_at(64 * 128 + 64, 256, 256, 1)
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, given: seen.extend(given))
    level.look_again(canvas, stroke)
    before, wanted = seen[-2].clone(), seen[-1].clone()
    network._forward_pre_hooks.clear()

    @torch.no_grad()
    def ours() -> None:
        level.look_again(canvas, stroke)

    @torch.no_grad()
    def bare() -> Tensor:
        return network(before, wanted)

    return ours, bare


def stroke_round() -> Pair:
    """A round of the painter of finished digits; bare: what its networks and tables compute."""
    torch.manual_seed(0)
    judge = ImageDiscriminator(classes=10, spectral=False)
    agent = FinishedPainter(StrokeNetwork(), judge)
    many, learnt = agent.settings.batch_size, agent.settings.steps_learnt
    real, labels = digits().train_images[:many], digits().train_labels[:many]
    asked = torch.arange(many) % 10
    actions, states, log_q = agent.draw(asked, torch.arange(learnt))
    drawn, table, each = render(actions), stroke_table(), asked.repeat_interleave(learnt)
    sheets, target = drawn.repeat_interleave(learnt, 0), torch.rand(many * learnt, ACTIONS)
    steps = 0

    def bare() -> None:
        nonlocal steps
        with torch.no_grad():  # draw
            for _ in range(10):
                agent.sampler(states[:many]).softmax(1).multinomial(1)
        logits = judge(torch.cat([real, drawn, real]), torch.cat([labels, asked, labels]))
        loss = functional.softplus(logits).mean()
        if steps % agent.settings.r1_every == 0:
            loss = loss + r1_penalty(lambda pictures: judge(pictures, labels), real)
        agent.judge_optimizer.zero_grad()
        loss.backward()
        agent.judge_optimizer.step()
        mean = log_q.exp() @ table  # the mean ink
        seen = sheets.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(judge(seen, each).sum(), seen)
        opinion = (slope.flatten(1) * mean) @ table.T
        policy = agent.q_network(states).log_softmax(1)
        agent.q_optimizer.zero_grad()
        functional.kl_div(policy, opinion + target, reduction="batchmean").backward()
        agent.q_optimizer.step()
        steps += 1

    return lambda: agent.round(real, labels), bare


PARTS: dict[str, Callable[[], Pair]] = {
    "replay, 64 rows": replay,
    "replay, 1,024 rows": large_replay,
    "prioritised replay, 64 rows": prioritised,
    "pixel editor, holes": filling,
    "pixel editor, super-resolution": super_resolution,
    "stroke canvas, 64 strokes": strokes,
    "gains of all strokes": gains,
    "painter, places near a stroke": painter,
    "round of the stroke agent": stroke_round,
}


def microseconds(call: Call) -> float:
    """Return the CPU time of one call."""
    calls, started = 0, time.process_time()
    while (spent := time.process_time() - started) < SECONDS:
        for _ in range(10):
            call()
        calls += 10
    return 1e6 * spent / calls


def run(name: str, turn: int) -> Mapping[str, object]:
    """Measure both sides of a part; every other turn the bare operations begin."""
    sides = dict(zip(("ours", "bare"), PARTS[name](), strict=True))
    for call in sides.values():
        call()
    order = ("ours", "bare") if turn % 2 == 0 else ("bare", "ours")
    measured = {side: microseconds(sides[side]) for side in order}
    return {"ours": measured["ours"], "bare": measured["bare"], **conditions()}


def report(rows: list[Row]) -> str:
    """Return the table."""
    lines = ["", "microseconds, median (least to greatest) of the turns"]
    for name in PARTS:
        mine = [(float(r["ours"]), float(r["bare"])) for r in rows if r["part"] == name]
        lines.append(
            f"  {name:31} ours {spread((ours for ours, _ in mine), ',.0f')}"
            f"  bare {spread((bare for _, bare in mine), ',.0f')}"
            f"  ratio {spread((ours / bare for ours, bare in mine), '.2f')}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    measure("parts", ("part",), lambda turn: [(name,) for name in PARTS], run, report, range(5))
