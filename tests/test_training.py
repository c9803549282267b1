"""The frame of the training loops: stopping says so, the best is kept, rates and schedules."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from dqngan_lib.course.training import (
    Run,
    StoppableLoop,
    adam_along_cosine,
    linear_schedule,
    set_learning_rate,
)


def test_a_loop_that_nobody_stops_prints_nothing(capsys):
    with StoppableLoop(3, "loop") as loop:
        assert list(loop) == [0, 1, 2]
    assert (loop.done, loop.stopped) == (3, False)
    assert capsys.readouterr().out == ""


def test_a_stop_ends_the_loop_and_says_how_far_it_came(capsys):
    with StoppableLoop(60_000, "loop", "step", kept="half a network") as loop:
        loop.count(11_998)
        for step in loop:
            if step == 12_000:  # in the midst of a step, which does not count
                raise KeyboardInterrupt
    assert loop.stopped
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Stopped after 12,000 of 60,000 steps. Kept: half a network."
    assert "claims in this notebook may not hold" in said[1] and len(said) == 2


def test_any_other_error_is_passed_on(capsys):
    with pytest.raises(ValueError, match="bad"), StoppableLoop(3, "loop") as loop:
        raise ValueError("bad")
    assert not loop.stopped
    assert capsys.readouterr().out == ""


# --- runs ---------------------------------------------------------------------------------------


@dataclass
class Settings:
    """Three pieces in six rounds."""

    evaluate_every: int = 2


@dataclass
class Rows:
    """A history."""

    round: list[int] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    number: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False


class Counter(nn.Module):
    """A learner whose only weight is the number of its rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self.rounds = nn.Parameter(torch.zeros(()), requires_grad=False)


class CountingRun(Run):
    """Counts rounds; stops, if asked, in the middle of one."""

    made_by, label, unit = "count", "counting", "round"

    def __init__(self, keep="last", rounds=6, stop_at=None, checkpoint=None):
        super().__init__(Counter(), Settings(), Rows(), rounds, 0, checkpoint)
        self.network, self.keep, self.stop_at = self.learner, keep, stop_at

    def round(self):
        """Count."""
        self.learner.rounds += 1
        self.note(number=self.learner.rounds.clone())
        if self.learner.rounds == self.stop_at:
            raise KeyboardInterrupt


NAN = math.nan


@pytest.mark.parametrize(
    ("keep", "scores", "kept"),
    [
        ("last", [5, 1, 3], 6),
        ("lowest", [5, 1, 3], 4),
        ("highest", [5, 1, 3], 2),
        ("lowest", [2, 2, 2], 2),  # of equal scores the first
        ("highest", [NAN, 1, 3], 6),
        ("lowest", [NAN, 3, 1], 6),
        ("lowest", [NAN, 1, 3], 4),
        ("highest", [1, NAN, 0], 2),
        ("lowest", [NAN, NAN, NAN], 6),  # nothing is best: the last remains
        ("highest", [NAN, NAN, NAN], 6),
        ("lowest", [math.inf, 7, 8], 4),
    ],
)
def test_the_best_score_is_kept_and_nan_is_never_best(keep, scores, kept):
    run, left = CountingRun(keep), iter(scores)
    history = run.train(lambda _: next(left))
    assert run.learner.rounds.item() == kept
    assert history.round == [2, 4, 6] and history.number == [1.5, 3.5, 5.5]
    assert repr(history.score) == repr([float(score) for score in scores])


@pytest.mark.parametrize("keep", ["lowest", "highest"])
def test_the_best_cannot_be_kept_without_scores(keep):
    run = CountingRun(keep)
    with pytest.raises(ValueError, match=rf"evaluate must be a function where keep='{keep}'"):
        run.train()
    assert run.learner.rounds.item() == 0
    with pytest.raises(TypeError, match=r"evaluate must be a function; got int"):
        CountingRun(keep).train(3)


@pytest.mark.parametrize(
    ("keep", "stop_at", "said", "rounds"),
    [
        ("last", 6, "5 of 8 rounds. Kept: what was learnt so far.", 6),
        ("highest", 6, "5 of 8 rounds. Kept: the best that was evaluated, after 2 rounds.", 2),
        ("highest", 1, "0 of 8 rounds. Kept: what was learnt so far.", 1),
    ],
)
def test_a_stopped_run_says_what_was_kept(keep, stop_at, said, rounds, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")  # said even then: only an interruption leads here
    run, scores = CountingRun(keep, 8, stop_at), iter([2, 1])
    assert run.train(lambda _: next(scores)).interrupted
    assert capsys.readouterr().out.startswith(f"Stopped after {said}\n")
    assert run.learner.rounds.item() == rounds


def test_what_was_kept_is_known_after_going_on(tmp_path, capsys):
    path, scores = tmp_path / "run.pt", iter([2, 1, 0])
    CountingRun("highest", 8, stop_at=3, checkpoint=path).train(lambda _: next(scores))
    run = CountingRun("highest", 8, stop_at=7, checkpoint=path)
    history = run.train(lambda _: next(scores))
    assert history.round == [2, 4, 6] and history.interrupted
    assert run.learner.rounds.item() == 2
    said = capsys.readouterr().out.splitlines()[2]
    assert said == "Stopped after 6 of 8 rounds. Kept: the best that was evaluated, after 2 rounds."


def test_whoever_looks_on_changes_no_random_number():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    CountingRun().train(lambda _: torch.rand(()).item(), watch=lambda _: torch.rand(3))
    assert torch.equal(torch.get_rng_state(), before)


# --- rates and schedules ------------------------------------------------------------------------


def test_schedule_is_a_line_and_then_stays():
    values = [linear_schedule(step, 1.0, 0.0, 4) for step in range(7)]
    assert values == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0]
    assert linear_schedule(0, 1.0, 0.2, 0) == 0.2


def test_the_learning_rate_of_every_group_is_set():
    weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 1.0}, {"params": [weights[1]], "lr": 2.0}]
    optimizer = torch.optim.SGD(groups)
    set_learning_rate(optimizer, 0.5)
    for weight in weights:
        weight.grad = torch.ones(2)
    optimizer.step()
    for weight in weights:
        assert torch.equal(weight, torch.full((2,), -0.5))


def test_the_learning_rate_falls_along_a_cosine_to_a_twentieth():
    optimizer, schedule = adam_along_cosine([torch.nn.Parameter(torch.zeros(2))], 0.2, updates=4)
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    middle = (0.2 + 0.01) / 2
    assert rates[::2] == pytest.approx([0.2, middle, 0.01])
    assert rates[0] - rates[1] < rates[1] - rates[2]  # slow at first
