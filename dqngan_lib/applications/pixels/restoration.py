"""Pictures made small, and what enlarges them again without a DQN: floors, rivals, a ceiling."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.applications.pixels.editor import Edits
from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress
from dqngan_lib.course.training import set_learning_rate
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid
from dqngan_lib.metrics.pictures import psnr, ssim


def shrink(pictures: Tensor, factor: int) -> Tensor:
    """Replace each square of `factor` × `factor` pixels by its mean.

    Args:
        pictures: float `(n, channels, height, width)`; `factor` divides height and width.
        factor: How many times smaller.

    Raises:
        ValueError: `factor` is not a whole number, or does not divide the sides.
    """
    whole("factor", factor, 1)
    sides = tuple(pictures.shape[-2:])
    require(all(side % factor == 0 for side in sides), "factor", factor, f"a divisor of {sides}")
    return functional.avg_pool2d(pictures, factor)


def enlarge(small: Tensor, factor: int, mode: str = "bicubic") -> Tensor:
    """Enlarge pictures by interpolation (torch's), and stay within [0, 1].

    Args:
        small: float `(n, channels, height, width)`.
        factor: How many times larger.
        mode: "nearest", "bilinear" or "bicubic".
    """
    return _interpolated(small, factor, mode).clamp(0, 1)


def back_projection(
    small: Tensor, factor: int, steps: int = 5, rate: float = 1.0, mode: str = "bicubic"
) -> Tensor:
    """Enlarge, then correct until shrinking gives the small picture again (Irani and Peleg 1991).

    Each step shrinks the present picture, compares with the small one, and adds the enlarged
    difference: x ← clip(x + rate · up(small − down(x))).

    Args:
        small: float `(n, channels, height, width)` in [0, 1].
        factor: How many times larger.
        steps: How often the difference is added.
        rate: How much of it.
        mode: How it is enlarged; see `enlarge`.
    """
    large = enlarge(small, factor)
    for _ in range(steps):
        missing = small - shrink(large, factor)
        large = (large + rate * _interpolated(missing, factor, mode)).clamp(0, 1)
    return large


def tune(candidates: Sequence[Callable[[Tensor], Tensor]], small: Tensor, large: Tensor) -> int:
    """Return the place of the candidate that enlarges best: greatest mean PSNR.

    Args:
        candidates: Each enlarges pictures.
        small: Small pictures, of the training set.
        large: What they should look like.
    """
    scores = [psnr(candidate(small), large).mean().item() for candidate in candidates]
    return max(range(len(scores)), key=scores.__getitem__)


def best_single_actions(
    starts: Tensor,
    originals: Tensor,
    actions: ActionSet,
    steps: int = 5,
    *,
    masks: Tensor | None = None,
) -> list[int]:
    """Return the best action at each step when all pixels of all pictures must take the same.

    Each step's action is the one with the least squared error after it.

    Args:
        starts: Pictures to be restored, of the training set, `(n, 1, height, width)`.
        originals: What they should look like.
        actions: What may be chosen.
        steps: How many.
        masks: Where pixels may change, bool of the pictures' shape; everywhere when None.
    """
    chosen: list[int] = []
    for _ in range(steps):
        error = (actions.results(starts) - originals).square()
        error = error if masks is None else error * masks
        chosen.append(error.mean((0, 2, 3)).argmin().item())
        starts = apply_single_actions(starts, chosen[-1:], actions, masks=masks)
    return chosen


def apply_single_actions(
    starts: Tensor, chosen: Sequence[int], actions: ActionSet, *, masks: Tensor | None = None
) -> Tensor:
    """Return pictures after one action a step, the same for all pixels (of the masks)."""
    for action in chosen:
        result = actions.results(starts)[:, action : action + 1]
        starts = result if masks is None else torch.where(masks, result, starts)
    return starts


def oracle(starts: Tensor, originals: Tensor, actions: ActionSet, steps: int = 5) -> Edits:
    """Let every pixel look at the original, and take the action with the least error after it.

    No agent that has these actions can be expected to come near: it does not see the
    original. The oracle looks one step ahead, so its last picture is a ceiling for all practical
    purposes, not a proof.

    Args:
        starts: Pictures to be restored, `(n, 1, height, width)`.
        originals: What they should look like.
        actions: What a pixel may choose.
        steps: How often.
    """
    trail, chosen = [starts], []
    for _ in range(steps):
        results = actions.results(trail[-1])
        action = (results - originals).square().argmin(1)
        chosen.append(action)
        trail.append(results.gather(1, action.unsqueeze(1)))
    return Edits(torch.stack(trail), torch.stack(chosen))


def train_regressor(
    network: nn.Module,
    starts: Tensor,
    originals: Tensor,
    *,
    updates: int,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> None:
    """Train a regressor on the squared error.

    Adam, with a learning rate that falls along a cosine to 0.

    Args:
        network: From pictures to pictures; changed in place.
        starts: Pictures to be restored, `(n, 1, height, width)`.
        originals: What they should look like.
        updates: Gradient steps.
        batch_size: Pictures in each.
        learning_rate: At the start.
        seed: Seed of the batches.

    Raises:
        ValueError: The number of updates is below 1.
    """
    whole("updates", updates, 1)
    rng = torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
    for done in progress(range(updates), label="regressor"):
        angle = torch.tensor(done / updates * torch.pi)
        set_learning_rate(adam, learning_rate * (1 + torch.cos(angle).item()) / 2)
        rows = torch.randint(len(starts), (batch_size,), generator=rng)
        loss = functional.mse_loss(network(starts[rows]), originals[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()


@torch.no_grad()
def regress(network: nn.Module, starts: Tensor, part: int = 50) -> Tensor:
    """Return what a regressor makes of pictures, within [0, 1]."""
    return torch.cat([network(rows) for rows in starts.split(part)]).clamp(0, 1)


def digit_report(pictures: Tensor, originals: Tensor, labels: Tensor) -> dict[str, float]:
    """Score restored digits in four ways.

    Args:
        pictures: What was restored, float `(n, 1, 28, 28)` in [0, 1].
        originals: What it should look like.
        labels: The classes of the originals, int64 `(n,)`.

    Returns:
        The means over pictures of `psnr` in decibels, where a picture equal to its original
        counts as 60, and of `ssim`; `digit_fid` against the originals; `accuracy`, the share that
        the digit scorer reads as the right class.
    """
    return {
        "psnr": psnr(pictures, originals).clamp(max=60).mean().item(),
        "ssim": ssim(pictures, originals).mean().item(),
        "digit_fid": digit_fid(pictures, originals),
        "accuracy": conditional_accuracy(pictures, labels),
    }


def _interpolated(pictures: Tensor, factor: int, mode: str) -> Tensor:
    """Enlarge pictures or differences of pictures, without clamping."""
    modes = ("nearest", "bilinear", "bicubic")
    require(mode in modes, "mode", mode, "nearest, bilinear or bicubic")
    corners = {} if mode == "nearest" else {"align_corners": False}
    return functional.interpolate(pictures, scale_factor=factor, mode=mode, **corners)
