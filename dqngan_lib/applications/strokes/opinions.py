"""What a judge of finished pictures thinks of every single stroke, and how right that is."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from dqngan_lib.applications.strokes.drawing import SIDE, stroke_table


@cache
def _few_numbers() -> Tensor:
    """Return the table of strokes as a sparse matrix: a stroke inks 28 of 784 pixels."""
    return stroke_table().to_sparse().coalesce()


def paper_left(actions: Tensor, steps: Tensor) -> Tensor:
    """Return restₜ = ∏_{k≠t} (1 − m_k): the paper that all other strokes leave.

    Args:
        actions: Finished drawings, int64 `(n, strokes)`.
        steps: The steps t asked about, int64 `(k,)`.

    Returns:
        float `(n, k, 784)` in [0, 1].
    """
    paper = 1 - stroke_table()[actions]  # (n, strokes, 784)
    # A quotient of products would divide by 0 under full ink: leave each factor out instead.
    others = [[k for k in range(actions.shape[1]) if k != t] for t in steps.tolist()]
    return torch.stack([paper[:, rest].prod(1) for rest in others], 1)


def mean_ink(log_q: Tensor) -> Tensor:
    """Return m̄ = Σ_a q(a) m_a, the mean ink of the next stroke, float `(n, 784)`.

    Args:
        log_q: log q of all actions, float `(n, 3137)`.
    """
    return torch.sparse.mm(_few_numbers().T, log_q.exp().T.contiguous()).T


def opinions(slope: Tensor, paper: Tensor) -> Tensor:
    """Return how much the judge would like each stroke at some steps, to first order.

    Args:
        slope: ∇ₓD, float `(n, k, 784)`.
        paper: restₜ of `paper_left`, of the same shape.

    Returns:
        ⟨∇ₓD · restₜ, m_a⟩ for every action a, float `(n, k, 3137)`; 0 for the no-op.
    """
    # pull @ table.T, with the table on the left, where it may be sparse
    pull = (slope * paper).flatten(0, 1).T.contiguous()  # (784, n · k)
    return torch.sparse.mm(_few_numbers(), pull).T.reshape(*paper.shape[:2], -1)


def render(actions: Tensor) -> Tensor:
    """Return the finished pictures of strokes `(n, strokes)`, float `(n, 1, 28, 28)`."""
    return 1 - (1 - stroke_table()[actions]).prod(1).reshape(-1, 1, SIDE, SIDE)


def left_out(
    actions: Tensor,
    step: int,
    others: Tensor,
    guess: Tensor,
    judge: Callable[[Tensor], Tensor],
    play_on: Callable[[Tensor], Tensor],
    goes: int = 1,
) -> tuple[float, float]:
    """Compare opinions with what they leave out: the size of a stroke, and the later answers.

    Args:
        actions: Finished drawings, int64 `(n, strokes)`.
        step: The step t of which other strokes are tried.
        others: Strokes to try there, int64 `(n, k)`.
        guess: The opinions on them, of the same shape.
        judge: From pictures of k drawings each, `(n · k, 1, 28, 28)`, to D.
        play_on: From drawings `(n · k, strokes)` to the same with strokes after t drawn anew.
        goes: How often to play on; D is averaged over them.

    Returns:
        Both with each drawing's mean over its k strokes taken off: the correlation of opinions
        with D of the pictures rendered anew, later strokes kept; and how much D of the pictures
        played on rises for each 1 that D of the former rises (least squares), so 1 if the later
        strokes change nothing on average, and 0 if they make good any stroke.
    """
    changed = actions.repeat_interleave(others.shape[1], 0)
    changed[:, step] = others.flatten()
    kept = judge(render(changed)).view_as(guess)
    answered = torch.stack([judge(render(play_on(changed))) for _ in range(goes)]).mean(0)
    answered = answered.view_as(guess)
    guess, kept, answered = (x - x.mean(1, keepdim=True) for x in (guess, kept, answered))
    spread = (guess.square().sum() * kept.square().sum()).sqrt()
    share = (kept * answered).sum() / kept.square().sum()
    return ((guess * kept).sum() / spread).item(), share.item()
