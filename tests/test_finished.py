"""A painter with a judge of finished pictures: its opinion, target, noise and R1, by other ways."""

import math

import pytest
import torch

from dqngan_lib.applications.strokes.canvas import StrokeCanvas, pictures
from dqngan_lib.applications.strokes.drawing import ACTIONS, NO_OP, canvases, stroke_table
from dqngan_lib.applications.strokes.finished import (
    FinishedPainter,
    FinishedSettings,
)
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.applications.strokes.opinions import (
    left_out,
    mean_ink,
    opinions,
    paper_left,
    render,
)
from dqngan_lib.applications.strokes.training import train_on_pictures
from dqngan_lib.dqngan.play import generate
from dqngan_lib.gan.networks import ImageDiscriminator

# Crossing strokes, the same stroke twice (full ink under full ink), and a no-op.
DRAWINGS = torch.tensor([[300, 310, 300, NO_OP], [700, 1_500, 2_900, 701]])


class Linear(torch.nn.Module):
    """A judge ⟨w, x⟩ + b_y, whose first-order opinion is exact, whatever the size of a stroke."""

    def __init__(self, seed=0, classes=2):
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(784, generator=random))
        self.bias = torch.nn.Parameter(torch.randn(classes, generator=random))

    def forward(self, images, labels):
        """Return the logits."""
        return images.flatten(1) @ self.weight + self.bias[labels]


class Numbers(torch.nn.Module):
    """One learnt Q-value for each action, whatever the state."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.numbers = torch.nn.Parameter(torch.randn(ACTIONS, generator=random))

    def forward(self, observation):
        """Return the numbers, once for each state."""
        return self.numbers.expand(len(observation), -1)


def painter(judge=None, q_network=None, strokes=4, classes=2, **settings):
    settings = {"batch_size": 4, "steps_learnt": 2, "rounds": 10} | settings
    return FinishedPainter(
        q_network or Numbers(), judge or Linear(), FinishedSettings(**settings), 0, strokes, classes
    )


def redrawn(drawing, step, action):
    """Return the picture with another stroke at one step, laid down stroke by stroke."""
    changed = drawing.clone()
    changed[step] = action
    return canvases(changed[None])[0, -1]


def test_pictures_are_those_of_the_strokes_laid_down_one_by_one():
    assert torch.allclose(render(DRAWINGS).flatten(1), canvases(DRAWINGS)[:, -1], atol=1e-6)


def test_paper_left_is_what_the_drawing_without_the_stroke_leaves():
    steps = torch.tensor([2, 0])
    for drawing, rows in zip(DRAWINGS, paper_left(DRAWINGS, steps), strict=True):
        for step, paper in zip(steps.tolist(), rows, strict=True):
            assert torch.allclose(paper, 1 - redrawn(drawing, step, NO_OP), atol=1e-6)


def test_the_opinion_of_a_linear_judge_is_what_redrawing_gives():
    judge, steps = Linear(), torch.tensor([3, 0, 2])
    paper = paper_left(DRAWINGS, steps)
    found = opinions(judge.weight.detach().expand_as(paper), paper)
    assert found.shape == (2, 3, ACTIONS)
    tried = torch.tensor([0, 299, 300, 310, 701, 1_500, 2_222, NO_OP])
    for drawing, rows in zip(DRAWINGS, found, strict=True):
        for step, row in zip(steps.tolist(), rows, strict=True):
            before = redrawn(drawing, step, NO_OP) @ judge.weight
            for action in tried.tolist():
                change = redrawn(drawing, step, action) @ judge.weight - before
                assert row[action].item() == pytest.approx(change.item(), abs=1e-4)


def test_the_mean_ink_is_the_mean_over_all_strokes_with_their_chances():
    log_q = torch.randn(3, ACTIONS, generator=torch.Generator().manual_seed(5)).log_softmax(1)
    expected = (log_q.exp()[:, :, None] * stroke_table()).sum(1)
    assert torch.allclose(mean_ink(log_q), expected, atol=1e-5)


class Square(torch.nn.Module):
    """A judge ⟨w, x⟩², whose slope is not the same everywhere."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(784, generator=random))

    def forward(self, images, labels):
        """Return the logits."""
        return (images.flatten(1) @ self.weight).square()


def test_the_slope_is_taken_where_the_step_has_the_samplers_mean_ink():
    """The derivative of D by the ink of stroke a, laid over the mean, by finite differences."""
    agent, steps = painter(Square(), noise=0.0), torch.tensor([2, 0])
    random = torch.Generator().manual_seed(6)
    log_q = (3 * torch.randn(4, ACTIONS, generator=random)).log_softmax(1)
    found = agent.opinion(DRAWINGS, torch.tensor([0, 1]), steps, log_q).view(2, 2, -1)
    weight = agent.judge.weight.detach().double()
    for n, drawing in enumerate(DRAWINGS):
        for k, step in enumerate(steps.tolist()):
            rest = 1 - redrawn(drawing, step, NO_OP).double()
            mean = log_q[2 * n + k].double().exp() @ stroke_table().double()
            for action in (5, 300, 2_222, NO_OP):
                ink = stroke_table()[action].double()
                up, down = (
                    ((1 - rest + rest * (mean + e * ink)) @ weight).square() for e in (1e-4, -1e-4)
                )
                slope = ((up - down) / 2e-4).item()
                assert found[n, k, action].item() == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_nothing_is_left_out_where_the_judge_is_linear_and_no_stroke_follows():
    judge = Linear().weight.detach()
    others = torch.tensor([[5, 2_000, 700], [301, 1_000, 20]])
    paper = paper_left(DRAWINGS, torch.tensor([3]))
    guess = opinions(judge.expand_as(paper), paper)[:, 0].gather(1, others)
    found = left_out(DRAWINGS, 3, others, guess, lambda x: x.flatten(1) @ judge, lambda x: x)
    assert found == pytest.approx((1.0, 1.0), abs=1e-4)


def test_what_is_left_of_a_change_when_later_strokes_answer():
    """The judge squares the ink. All is made good, or the opinion has the wrong sign."""
    others, blank = torch.tensor([[5, NO_OP, 300, 20]]), torch.full((1, 2), NO_OP)

    def judge(images):
        return images.flatten(1).sum(1).square()

    guess = stroke_table()[others].sum(2)  # the slope of the ink at blank paper
    correlation, share = left_out(blank, 0, others, guess, judge, torch.zeros_like)
    assert 0.9 < correlation < 0.9999 and share == pytest.approx(0.0, abs=1e-5)
    assert left_out(blank, 0, others, -guess, judge, lambda x: x)[0] == pytest.approx(-correlation)


def test_the_sampler_answers_after_the_step_and_keeps_what_was_before():
    agent, asked = painter(q_network=StrokeNetwork(4, 2, 16)), torch.tensor([0, 1])
    with torch.no_grad():
        agent.sampler.dense_head.bias[42] = 50.0
    played = agent.play_on(DRAWINGS, asked, 1)
    assert torch.equal(played[:, :2], DRAWINGS[:, :2]) and (played[:, 2:] == 42).all()


def test_a_linear_judge_has_exact_opinions_and_no_answer_follows_the_last_stroke():
    asked = torch.tensor([0, 1, 0, 1])
    found = painter(noise=0.3).left_out(asked, step=3, others=5, goes=2)
    assert found == pytest.approx((1.0, 1.0), abs=1e-3)


def test_the_target_is_q_times_e_to_the_change_of_every_redrawn_picture(monkeypatch):
    """All 3,137 alternatives of each learnt stroke are drawn and judged, with no slope."""
    agent = painter(
        steps_learnt=1, eta_start=0.2, eta_end=0.6, sharpening=0.1, clip=0.5, batch_size=2
    )
    agent.done = 5  # half-way: η = 0.4, s = 0.05
    drawn, seen = [], []
    draw, q_step = agent.draw, agent.q_step

    def note_draw(asked, steps):
        drawn.append((draw(asked, steps), steps))
        return drawn[-1][0]

    monkeypatch.setattr(agent, "draw", note_draw)
    monkeypatch.setattr(agent, "q_step", lambda states, t: [seen.append(t), q_step(states, t)][1])
    q = agent.sampler.numbers.softmax(0)
    agent.round(torch.rand(3, 1, 28, 28), torch.tensor([0, 1, 1]))
    ((actions, _, _), steps), judge = drawn[0], agent.judge.weight.detach()
    for drawing, target in zip(actions, seen[0].exp(), strict=True):
        others = drawing.clone()
        others[steps[0]] = NO_OP
        canvas = canvases(others[None])[0, -1]
        logits = (canvas + stroke_table() * (1 - canvas)) @ judge
        worth = 0.4 * (logits - q @ logits)
        weight = q**1.05 * worth.clamp(-0.5, 0.5).exp()
        assert torch.allclose(target, weight / weight.sum(), rtol=1e-3, atol=1e-8)
        assert worth.abs().max() > 0.5  # the clip has something to do


def test_the_q_network_learns_what_was_kept_of_the_drawing():
    agent = painter(batch_size=4)
    steps = torch.tensor([3, 1])
    actions, states, log_q = agent.draw(torch.tensor([0, 1, 0, 1]), steps)
    shown = pictures(states).flatten(1).reshape(4, 2, 784)
    assert torch.allclose(shown, canvases(actions)[:, steps], atol=0.002)
    assert states.reshape(4, 2, 786)[:, :, 784].tolist() == [[3, 1]] * 4
    assert states.reshape(4, 2, 786)[:, :, 785].tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]
    expected = agent.sampler.numbers.log_softmax(0).expand_as(log_q)
    assert torch.allclose(log_q, expected, atol=1e-5)


class Kink(torch.nn.Module):
    """A judge Σ max(0, x − ½), whose slope jumps from 0 to 1 at ½."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images, labels):
        """Return the logits."""
        return (images - 0.5).relu().flatten(1).sum(1)


def test_noise_makes_the_slope_that_of_a_smoothed_judge():
    """With normal noise of deviation σ the mean slope at x is Φ((x − ½)/σ), not 0 or 1."""
    image, asked = torch.full((1, 1, 28, 28), 0.6), torch.tensor([0])
    agent = painter(Kink(), noise=0.4, looks=50)
    mean = agent.slope(image, asked).mean().item()
    assert mean == pytest.approx(0.5 * (1 + math.erf(0.25 / math.sqrt(2))), abs=0.02)
    sharp = painter(Kink(), noise=0.0, looks=2).slope(image, asked)
    assert torch.equal(sharp, torch.ones(1, 784))


def test_more_looks_make_the_slope_less_a_matter_of_luck():
    image, asked = torch.full((1, 1, 28, 28), 0.5), torch.tensor([0])
    spread = [
        painter(Kink(), noise=0.4, looks=looks).slope(image, asked).std() for looks in (1, 16)
    ]
    assert spread[1].item() == pytest.approx(spread[0].item() / 4, rel=0.2)


def test_r1_pulls_at_the_judges_slope_every_second_round_twice_as_hard():
    """On blank pictures a linear judge learns nothing else: its gradient is r1_every · r1 · w."""
    blank, labels = torch.zeros(4, 1, 28, 28), torch.tensor([0, 1, 0, 1])
    agent = painter(noise=0.0, r1=3.0, r1_every=2)
    for done, factor in ((0, 6.0), (1, 0.0), (2, 6.0)):
        agent.done, before = done, agent.judge.weight.detach().clone()
        agent.judge_step(blank, labels, blank, labels)
        assert torch.allclose(agent.judge.weight.grad, factor * before, atol=1e-5)


def test_the_judge_sees_real_pictures_and_drawings_with_noise():
    judge, seen = Linear(), []
    judge.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    agent = painter(judge, noise=0.3, r1=0.0)
    real, drawn = torch.zeros(4, 1, 28, 28), torch.ones(4, 1, 28, 28)
    agent.judge_step(real, torch.tensor([0, 0, 1, 1]), drawn, torch.tensor([1, 0, 1, 0]))
    images, labels = seen[0]
    assert labels.tolist() == [0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 0]
    for part, mean in zip(images.split(4), (0.0, 1.0, 0.0), strict=True):
        assert part.mean().item() == pytest.approx(mean, abs=0.03)
        assert part.std().item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_real_picture_under_a_wrong_class_counts_as_a_fake(share):
    """On blank pictures D = b_y: the gradient of each b is counted by hand, label by label."""
    agent, blank = painter(noise=0.0, r1=0.0, mismatch=share), torch.zeros(4, 1, 28, 28)
    labels, asked = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 1, 0, 0])
    trust = agent.judge.bias.detach().sigmoid()
    agent.judge_step(blank, labels, blank, asked)
    real, fake, misnamed = (torch.tensor(x) / 4 for x in ([3.0, 1.0], [2.0, 2.0], [1.0, 3.0]))
    expected = -real * (1 - trust) + (1 - share) * fake * trust + share * misnamed * trust
    assert torch.allclose(agent.judge.bias.grad, expected, atol=1e-6)


def test_it_learns_the_picture_of_each_class_without_a_stroke():
    drawings = torch.tensor([[1_000], [2_060]])
    torch.manual_seed(0)
    agent = painter(
        ImageDiscriminator(8, classes=2, spectral=False), StrokeNetwork(1, 2, 32), 1,
        rounds=150, batch_size=20, steps_learnt=1, q_rate=5e-3, sampler_memory=0.9,
    )  # fmt: skip
    history = train_on_pictures(agent, render(drawings), torch.tensor([0, 1]), every=50)
    asked = torch.arange(100) % 2
    made = pictures(generate(agent.slow_network, StrokeCanvas(100, 1, 2), 0.5, asked, 1))
    wanted = render(drawings)[asked]
    error = (made - wanted).square().sum((1, 2, 3)) / wanted.square().sum((1, 2, 3))
    assert error.mean() < 0.3  # blank paper has 1, random strokes about 2
    assert history.round == [50, 100, 150] and not history.interrupted
    assert history.entropy[-1] < history.entropy[0] < math.log(ACTIONS)


def test_the_same_seed_gives_the_same_painter():
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        agent = FinishedPainter(
            StrokeNetwork(4, 2, 16), ImageDiscriminator(4, classes=2, spectral=False),
            FinishedSettings(rounds=2, batch_size=4), seed, 4, 2,
        )  # fmt: skip
        train_on_pictures(agent, render(DRAWINGS), torch.tensor([0, 1]), every=1)
        weights.append(agent.q_network.dense_head.bias.detach().clone())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", 0), ("batch_size", 0), ("steps_learnt", 0), ("looks", 0), ("r1_every", 0),
        ("eta_start", 0.0), ("eta_end", -1.0), ("clip", 0.0), ("noise", -0.1), ("r1", -1.0),
        ("q_rate", 0.0), ("judge_rate", 0.0), ("sampler_memory", 1.0), ("slow_memory", -0.1),
        ("learning_rate_end", 1.5), ("sharpening", -0.1), ("mismatch", 1.0),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        FinishedSettings(**{name: value})


def test_pictures_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="steps_learnt"):
        painter(strokes=1)
    with pytest.raises(ValueError, match="images"):
        train_on_pictures(painter(), torch.zeros(3, 784), torch.zeros(3))
    with pytest.raises(ValueError, match="labels"):
        train_on_pictures(painter(), torch.zeros(3, 1, 28, 28), torch.zeros(2))
    with pytest.raises(ValueError, match="every"):
        train_on_pictures(painter(), torch.zeros(3, 1, 28, 28), torch.zeros(3), every=0)
