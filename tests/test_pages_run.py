"""The summaries and the page of symptoms: their code runs, and a probe tells ill from healthy."""

import re
from collections.abc import Iterator

import pytest
import torch

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.gan.ring import score_ring
from tools.notebooks import ROOT, course_notebooks, number_of

SUMMARIES = [ROOT / "docs" / f"part_{part}.md" for part in (1, 2, 3, 4)]
SYMPTOMS = ROOT / "docs" / "symptoms.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page) -> list[str]:
    """Return the pieces of Python on a page, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", SUMMARIES, ids=lambda page: page.stem)
def test_the_loop_of_a_summary_runs_and_moves_the_networks(page):
    before, loop = blocks(page)
    assert len([line for line in loop.splitlines() if line.strip()]) <= 13
    names: dict = {}
    torch.manual_seed(0)
    exec(before, names)
    weights = [w.clone() for w in _weights(names)]
    exec(loop, names)
    moved = [not torch.equal(old, new) for old, new in zip(weights, _weights(names), strict=True)]
    assert moved and any(moved)


def _weights(names: dict) -> Iterator[torch.Tensor]:
    agent = names.get("agent")
    networks = [names[name] for name in ("q", "G", "D") if name in names]
    networks += [agent.q_network] if agent else []
    yield from (w.detach() for network in networks for w in network.parameters())
    yield from names.get("Q", ())


def test_the_loop_of_part_iii_lands_at_the_printer_and_only_with_log_q():
    before, loop = blocks(SUMMARIES[2])
    ends = {}
    for name, text in (("with", loop), ("without", loop.replace("logit + log_q", "logit"))):
        names: dict = {}
        exec(before, names)
        exec(text, names)
        ends[name] = names["total_variation"](names["log_q"].exp(), names["p"])
    assert ends["with"] < 1e-6 < 0.2 < ends["without"]


@pytest.mark.parametrize("page", SUMMARIES, ids=lambda page: page.stem)
def test_a_summary_is_one_page_and_links_its_numbers(page):
    words = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(words.split()) <= 420
    assert "](measured.md#" in words


def test_every_notebook_has_its_summary():
    linked = "".join(page.read_text(encoding="utf-8") for page in SUMMARIES)
    for path in course_notebooks()[1:]:
        if number_of(path) != "A":
            assert f"](../notebooks/{path.name})" in linked


@pytest.fixture(scope="module")
def probed():
    """Every block of the page run in order; what each printed, and the names that they left."""
    printed: list[str] = []
    names: dict = {"print": lambda *words: printed.append(" ".join(map(str, words)))}
    for block in blocks(SYMPTOMS):
        exec(block, names)
    return printed, names


def test_every_probe_runs_and_says_something(probed):
    printed, _ = probed
    assert len(printed) >= len(blocks(SYMPTOMS)) - 1
    assert all(words.strip() for words in printed)


def test_probes_tell_what_the_page_says_of_them(probed):
    printed, names = probed
    said = "\n".join(printed)
    first, last = (float(x) for x in re.search(r"^(\S+) (\S+)$", said, re.MULTILINE).groups())
    assert last < 0.7 * first, "an agent that is well learns a batch by heart"
    assert "torch.Size([256]) torch.Size([256]) torch.Size([256])" in said
    assert names["losses"][-1] < 0.5 < 1.2 < names["losses"][0], "a judge that is well learns"
    by_form = dict(re.findall(r"^(logit.*) (\S+)$", said, re.MULTILINE))
    assert float(by_form["logit"]) > 0.2 > 1e-6 > float(by_form["logit + log q"])


def test_probes_tell_the_ill_from_the_healthy(probed):
    _, names = probed
    batch = names["batch"]
    frozen = DQN(QNetwork(4, 2), DQNSettings(discount=0.99, learning_rate=1e-12))
    errors = [frozen.update(batch).abs().mean().item() for _ in range(20)]
    assert min(errors[-10:]) > 0.9 * errors[0], "one that cannot learn is seen"
    one_mode = torch.tensor([2.0, 0.0]).repeat(2_500, 1)
    assert score_ring(one_mode).modes == 1
    assert names["class_entropy"](names["fake"][:1].repeat(50, 1, 1, 1)) == 0
    assert (
        names["memorisation"](names["real"], names["data"].train_images, names["real"]).copies < 0.1
    )


def test_every_symptom_has_a_probe_and_leads_to_a_notebook():
    text = SYMPTOMS.read_text(encoding="utf-8")
    for section in text.split("\n### ")[1:]:
        section = section.split("\n## ")[0]
        assert "```python" in section, section.splitlines()[0]
        assert "](../notebooks/" in section, section.splitlines()[0]
