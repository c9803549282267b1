"""The table of notebook 15: what is measured, and a row that fails says why."""

import importlib.util
import sys
import time
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        spec = importlib.util.spec_from_file_location("scaling_table", SCRIPTS / "15_scaling.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def test_a_row_that_fails_or_takes_too_long_says_so(script, capsys):
    def broken():
        raise RuntimeError("no such device\nand more")

    assert script.attempt(broken, 5) == {"error": "RuntimeError: no such device"}
    started = time.perf_counter()
    late = script.attempt(lambda: time.sleep(5), 0.2)
    assert late["error"].startswith("TimeoutError")
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("gpu", [False, True])
def test_the_rows_of_a_machine_differ(script, monkeypatch, gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    ways = script.plan(cores=2)
    assert len(set(ways)) == len(ways)
    assert {way.device for way in ways} == ({"cpu", "cuda"} if gpu else {"cpu"})
    assert {1, 2} <= {way.threads for way in ways}


def test_a_speed_is_measured_and_settings_are_put_back(script, monkeypatch):
    monkeypatch.setattr(script, "BLOCK_SECONDS", 0.01)
    before = torch.get_num_threads()
    found = script.measure(script.Way("DCGAN", "cpu", 1, "bfloat16", batch=8))
    assert found["images_per_second"] > 0
    assert torch.get_num_threads() == before
    assert not torch.is_autocast_enabled("cpu")


def test_autocast_is_opened_anew_in_each_round_unless_that_is_what_is_shown(script, monkeypatch):
    monkeypatch.setattr(script, "FID_UPDATES", 6)
    monkeypatch.setattr(script, "digit_fid", lambda made, real: made.mean().item())
    kinds = ("float32", "bfloat16", script.NEVER_CLOSED)
    exact, fresh, stale = (
        script.measure(script.Way("DCGAN", "cpu", 1, kind, digit_fid=True))["digit_fid"]
        for kind in kinds
    )
    assert abs(fresh - exact) < abs(stale - exact)
