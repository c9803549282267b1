"""Two processes train as one does; what fails, fails with a message and leaves nobody behind."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from dqngan_lib.applications.scaling import distributed
from dqngan_lib.applications.scaling.distributed import (
    PLANS,
    Plan,
    SharedBatchNorm,
    largest_difference,
    launch,
    train,
)


def alone(plan):
    """Train the whole batch in this process."""
    return train(replace(plan, parts=(sum(plan.parts),)), rounds=2)


@pytest.mark.slow
def test_two_processes_agree_with_one_where_they_should():
    found = launch(list(PLANS), rounds=2, seconds=240)
    gaps = {
        name: largest_difference(alone(PLANS[name]), result["weights"])
        for name, result in found.items()
    }
    for name in ("group norm", "shared batch norm", "unequal parts, weighted"):
        assert gaps[name] < 1e-9, name
    for name in ("batch norm", "unequal parts"):
        assert gaps[name] > 1e-4, name
    assert all(result["seconds"] > 0 for result in found.values())


def test_a_run_that_takes_too_long_is_ended():
    with pytest.raises(TimeoutError, match="not done after 1 s"):
        launch(["group norm"], seconds=1)


def test_a_process_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(distributed, "__name__", "dqngan_lib.no_such_module")
    with pytest.raises(RuntimeError, match="no_such_module"):
        launch(["group norm"], seconds=120)


def test_parts_must_be_as_many_as_processes():
    with pytest.raises(ValueError, match="one for each of 1; got"):
        train(Plan())


def test_alone_the_part_is_the_batch_and_the_shared_norm_is_the_ordinary_one():
    planes = torch.randn(4, 3, 5, 5)
    assert torch.equal(SharedBatchNorm(3)(planes), nn.BatchNorm2d(3)(planes))
    shared, batch = (alone(Plan(norm, dtype=torch.float32)) for norm in ("shared", "batch"))
    assert largest_difference(shared, batch) == 0
