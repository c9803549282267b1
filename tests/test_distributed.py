"""Two processes train as one does; what fails, fails with a message and leaves nobody behind."""

import subprocess
import sys

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
    place,
    train,
)
from tools.notebooks import ROOT

EXACT = [name for name, plan in PLANS.items() if plan.dtype == torch.float64]


def test_of_a_long_report_the_first_words_and_the_last_are_kept():
    assert distributed._shortened("cause " + 900 * "." + " end", most=500).startswith("cause ")
    report = distributed._shortened("cause " + 2_000 * "." + " end", most=500)
    assert (report[:6], report[-4:], len(report)) == ("cause ", " end", 1_003)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_agree_with_one_where_they_should(processes):
    found = launch(EXACT, processes=processes, rounds=2, seconds=240)
    gaps = {
        name: largest_difference(train(PLANS[name], rounds=2).weights, result.weights)
        for name, result in found.items()
    }
    for name in ("group norm", "shared batch norm", "unequal parts, weighted"):
        assert gaps[name] < 1e-9, name
    for name in ("batch norm", "unequal parts"):
        assert gaps[name] > 1e-4, name
    assert all(result.seconds > 0 for result in found.values())


@pytest.mark.slow
def test_the_command_in_a_terminal_warns_of_nothing(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    module = ["-m", "dqngan_lib.applications.scaling.distributed", f"--out={tmp_path / 'w.pt'}"]
    said = subprocess.run(
        [*torchrun, "--nproc-per-node=2", *module, "--rounds=2", "batch norm", "shared batch norm"],
        cwd=ROOT,
        env=distributed._environment() | {"PYTHONWARNINGS": "error::FutureWarning"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (said.returncode, "Warning" in said.stderr) == (0, False), said.stderr
    assert "batch norm: " in said.stdout and (tmp_path / "w.pt").is_file()


def test_a_run_that_takes_too_long_is_ended():
    with pytest.raises(TimeoutError, match="not done after 1 s"):
        launch(["group norm"], seconds=1)


def test_a_process_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(distributed, "__name__", "dqngan_lib.no_such_module")
    with pytest.raises(RuntimeError, match="no_such_module"):
        launch(["group norm"], seconds=120)


@pytest.mark.parametrize(
    ("plan", "processes", "parts"),
    [
        (Plan(), 1, (64,)),
        (Plan(), 2, (32, 32)),
        (Plan(first=3), 2, (48, 16)),
        (Plan(batch=10), 4, (2, 3, 3, 2)),
        (Plan(batch=12, first=3), 4, (6, 2, 2, 2)),
    ],
)
def test_parts_by_hand(plan, processes, parts):
    assert plan.parts(processes) == parts
    assert sum(parts) == plan.batch


def test_more_processes_than_pictures_are_refused_before_any_starts():
    with pytest.raises(ValueError, match="processes must be few enough for a picture each"):
        launch(["group norm"], processes=65)
    with pytest.raises(ValueError, match="processes"):
        Plan().parts(0)


def test_a_process_says_what_it_lacks(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="start it with torchrun"):
        place("gloo", ["group norm"])
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    assert place("gloo", ["group norm"]) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    with pytest.raises(ValueError, match="4 processes, GPUs: 3"):
        place("nccl", ["group norm"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert place("nccl", ["group norm"]) == torch.device("cuda", 2)
    monkeypatch.setenv("WORLD_SIZE", "65")
    with pytest.raises(ValueError, match="picture each"):
        place("gloo", ["group norm"])


@pytest.mark.parametrize(("system", "given", "found"), [
    ("win32", None, "0"), ("win32", "1", "1"), ("linux", None, None),
])  # fmt: skip
def test_libuv_is_left_out_where_torch_has_none(monkeypatch, system, given, found):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delenv("USE_LIBUV", raising=False)
    if given:
        monkeypatch.setenv("USE_LIBUV", given)
    assert distributed._environment().get("USE_LIBUV") == found


def test_alone_the_part_is_the_batch_and_the_shared_norm_is_the_ordinary_one():
    planes = torch.randn(4, 3, 5, 5)
    assert torch.equal(SharedBatchNorm(3)(planes), nn.BatchNorm2d(3)(planes))
    shared, batch = (
        train(Plan(norm, dtype=torch.float32), rounds=2).weights for norm in ("shared", "batch")
    )
    assert largest_difference(shared, batch) == 0
