"""What the training loops share: stopping a run, and learning rates."""

from types import SimpleNamespace

import pytest
import torch

from dqngan_lib.course.training import adam_along_cosine, may_be_interrupted, set_learning_rate


class Bar:
    """A progress bar that remembers whether it was closed."""

    closed = False

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.mark.parametrize(
    ("error", "interrupted"), [(None, False), (KeyboardInterrupt, True)], ids=["runs", "stopped"]
)
def test_a_stop_is_written_down_and_ends_the_block_quietly(error, interrupted):
    history, bar = SimpleNamespace(interrupted=False), Bar()
    with may_be_interrupted(history, bar):
        if error:
            raise error
    assert history.interrupted is interrupted
    assert bar.closed


def test_any_other_error_is_passed_on_and_the_bar_is_closed():
    history, bar = SimpleNamespace(interrupted=False), Bar()
    with pytest.raises(ValueError, match="bad"), may_be_interrupted(history, bar):
        raise ValueError("bad")
    assert not history.interrupted
    assert bar.closed


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
