"""The three limits of a machine, and what follows from them."""

import time

import pytest
import torch

from dqngan_lib.applications.scaling.timing import Limits, amdahl, machine_limits, middle, time_of


def test_limits_by_hand():
    machine = Limits(flops=100.0, bytes_per_second=10.0, seconds_per_call=0.5)
    assert machine.ridge == 10
    assert machine.seconds(operations=300, moved=1, calls=1) == 3
    assert machine.seconds(operations=1, moved=70, calls=1) == 7
    assert machine.seconds(operations=1, moved=1, calls=4) == 2


def test_middle_by_hand():
    assert middle([3.0, 1.0, 2.0]) == (2.0, 1.0)


def test_time_of_sleep_without_the_first_run():
    calls = []

    def work():
        calls.append(None)
        time.sleep(0.3 if len(calls) == 1 else 0.02)

    seconds, _ = time_of(work, repeats=3)
    assert len(calls) == 4
    assert 0.02 <= seconds < 0.25


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_limits_of_this_machine_are_possible(dtype):
    torch.set_num_threads(1)
    found = machine_limits("cpu", dtype)
    assert 1e8 < found.flops < 1e15
    assert 1e8 < found.bytes_per_second < 1e13
    assert 1e-7 < found.seconds_per_call < 1e-2


def test_amdahl_by_hand():
    assert amdahl(0.0, 8) == 1
    assert amdahl(1.0, 8) == 8
    assert amdahl(0.8, 2) == pytest.approx(10 / 6)
    with pytest.raises(ValueError, match="parallel"):
        amdahl(1.1, 2)
    with pytest.raises(ValueError, match="workers"):
        amdahl(0.5, 0)
