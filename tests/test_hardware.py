"""Cores and memory, as this process may use them and as the system tells."""

import os
import subprocess
import sys

import pytest

from dqngan_lib.course import hardware


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_are_those_that_the_process_may_use():
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{one}])\n"
    code += "from dqngan_lib.course.hardware import cores; print(cores())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


@pytest.mark.parametrize(("count", "expected"), [(16, 16), (None, 1)])
def test_cores_where_there_is_no_affinity(monkeypatch, count, expected):
    monkeypatch.delattr(hardware.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: count)
    assert hardware.cores() == expected


def test_memory_is_in_gigabytes_or_unknown(monkeypatch):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**25}
    monkeypatch.setattr(hardware.os, "sysconf_names", dict.fromkeys(sizes, 1), raising=False)
    monkeypatch.setattr(hardware.os, "sysconf", sizes.__getitem__, raising=False)
    assert hardware.memory_gb() == 128
    monkeypatch.delattr(hardware.os, "sysconf_names")
    assert hardware.memory_gb() is None


def test_they_are_known_without_torch():
    code = "import sys, dqngan_lib.course.hardware; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
