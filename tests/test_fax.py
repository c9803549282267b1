"""The fax of notebook 11: bytes counted by hand from T.6's tables, rewards, turns, and rivals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from dqngan_lib.applications.pixels import fax as fax_module
from dqngan_lib.applications.pixels.fax import (
    BYTE_PRICE,
    FLIP_TRAINING,
    REWARD_UNIT,
    STEPS,
    Fax,
    FaxEditor,
    FlipQNetwork,
    fax_score,
    flip_pixels,
    in_turn,
    may_flip,
    on_border,
    train_flips,
    wrong_pixels,
)
from dqngan_lib.applications.pixels.fax_rivals import (
    FlipPolicy,
    search_flips,
    smooth_and_cut,
    train_reinforce,
    tune_cut,
)


def bar():
    picture = torch.zeros(1, 1, 28, 28)
    picture[..., 4:24, 10:16] = 1
    return picture


@pytest.fixture
def some():
    """What a CNN might say of six pictures, and the originals."""
    rng = torch.Generator().manual_seed(0)
    rough = torch.rand(6, 1, 28, 28, generator=rng)
    smooth = torch.as_tensor(ndimage.gaussian_filter(rough.numpy(), (0, 0, 2, 2)))
    answers = ((smooth - 0.5) * 8 + 0.5).clamp(0, 1)
    originals = (smooth + 0.01 * torch.randn(6, 1, 28, 28, generator=rng) > 0.5).float()
    return answers, originals


def test_bytes_are_those_of_the_code_by_hand():
    # Paper: 1 bit (V0) a row, and 24 that end the page. 28 + 24 = 52 bits.
    paper = 28 + 24
    # The bar: 4 rows of paper. Its first row: horizontal mode (3 bits), 10 white (5), 6 black (4),
    # V0. 19 rows with V0 three times. The row below it: pass mode (4), V0. 3 rows of paper.
    ink = 4 + (3 + 5 + 4 + 1) + 19 * 3 + (4 + 1) + 3 + 24
    fax = Fax()
    sizes = fax.size(torch.cat([torch.zeros(1, 1, 28, 28), bar()]))
    assert sizes.tolist() == [-(-paper // 8), -(-ink // 8)] == [7, 14]
    assert fax.asked == 2


def test_the_score_is_wrong_pixels_and_bytes():
    picture = bar()
    picture[..., 3, 10] = 1
    score = fax_score(picture, bar(), Fax())
    assert wrong_pixels(picture, bar()).tolist() == [1]
    assert score["wrong"] == 1
    assert score["score"] == 1 + BYTE_PRICE * score["bytes"]


def test_a_border_is_where_dilation_and_erosion_differ(some):
    ink = (some[0] > 0.5)[:, 0].numpy()
    square = np.ones((1, 3, 3), bool)
    grown = ndimage.binary_dilation(ink, square)
    shrunk = ndimage.binary_erosion(ink, square, border_value=1)
    assert np.array_equal(on_border(some[0])[:, 0].numpy(), grown != shrunk)


def test_in_nine_steps_each_pixel_has_one_turn_and_never_beside_another():
    turns = in_turn(torch.arange(9), 28, 27)
    assert turns.shape == (9, 1, 28, 27)
    assert (turns.sum(0) == 1).all()
    near = ndimage.convolve(
        turns[:, 0].numpy().astype(int), np.ones((1, 3, 3), int), mode="constant"
    )
    assert near[turns[:, 0].numpy()].max() == 1
    assert torch.equal(in_turn(torch.tensor([4]), 28, 27), in_turn(torch.tensor([13]), 28, 27))


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_a_reward_is_what_the_flip_alone_does_to_the_score(some, monkeypatch, kept):
    monkeypatch.setattr(fax_module, "KEPT", kept)
    answers, originals = some
    envs = FaxEditor(3, answers, answers, originals, Fax())
    observation, _ = envs.reset(seed=0)
    before, wanted = observation[:, :1], originals[envs.index]
    allowed = may_flip(observation)[:, 0]
    after, reward, terminated, _, _ = envs.step(torch.ones(3, 28, 28, dtype=torch.long))
    assert (reward[~allowed] == 0).all()
    assert not terminated.any()
    for n, row, column in allowed.nonzero()[::5].tolist():
        trial = before[n : n + 1].clone()
        trial[0, 0, row, column] = 1 - trial[0, 0, row, column]
        old, new = (
            fax_score(x, wanted[n : n + 1], Fax())["score"] for x in (before[n : n + 1], trial)
        )
        assert reward[n, row, column].item() == pytest.approx((old - new) / REWARD_UNIT, abs=1e-5)
    changed = (after[:, 0] != before[:, 0]) & True
    assert torch.equal(changed, reward > 0 if kept else torch.zeros_like(changed))


def test_no_op_pays_nothing_and_asks_nothing(some):
    answers, originals = some
    program = Fax()
    envs = FaxEditor(2, answers, answers, originals, program)
    envs.reset(seed=0)
    asked = program.asked
    _, reward, *_ = envs.step(torch.zeros(2, 28, 28, dtype=torch.long))
    assert (reward == 0).all()
    assert program.asked == asked


def test_an_episode_is_two_turns_for_each_pixel(some):
    envs = FaxEditor(2, some[0], some[0], some[1], Fax())
    envs.reset(seed=0)
    ends = [
        envs.step(torch.zeros(2, 28, 28, dtype=torch.long))[2].all().item() for _ in range(STEPS)
    ]
    assert ends == [False] * (STEPS - 1) + [True]
    assert STEPS == 2 * 9


def test_before_it_has_learnt_the_network_trusts_the_answer(some):
    answers, _ = some
    ink = (answers > 0.4).float()
    observation = torch.cat([ink, answers, torch.zeros_like(ink)], 1)
    values = FlipQNetwork()(observation)
    assert values.shape == (6, 2, 28, 28)
    assert (values[:, 0] == 0).all()
    allowed = may_flip(observation)[:, 0]
    expected = torch.where(ink == 1, 1 - 2 * answers, 2 * answers - 1)[:, 0] / REWARD_UNIT
    assert torch.allclose(values[:, 1][allowed], expected[allowed], atol=1e-6)
    assert (values[:, 1][~allowed] == -1).all()


def test_training_is_repeatable_and_a_policy_flips_its_turn_only(some):
    answers, originals = some
    training = replace(FLIP_TRAINING, steps=48, learn_after=8, batch_size=4, evaluate_every=48)
    made = []
    for _ in range(2):
        program = Fax()
        agent, history = train_flips(
            answers, answers, originals, program, training=training, held_out=2, seed=3
        )
        asked = program.asked
        made.append(flip_pixels(agent.act, answers, answers))
        assert program.asked == asked > 48
        assert len(history.score) == 1
    assert torch.equal(made[0].pictures, made[1].pictures)
    for step in range(STEPS):
        moved = made[0].pictures[step + 1] != made[0].pictures[step]
        assert not (moved & ~in_turn(torch.tensor([step]), 28, 28)).any()


def test_smoothing_is_skimages_and_its_settings_are_the_best(some):
    answers, originals = some
    made = smooth_and_cut(answers, 0.2, 0.45)
    by_hand = denoise_tv_chambolle(answers[3, 0].numpy(), weight=0.2) > 0.45
    assert np.array_equal(made[3, 0].numpy() == 1, by_hand)
    assert torch.equal(smooth_and_cut(answers, 0, 0.5), (answers > 0.5).float())
    best = fax_score(smooth_and_cut(answers, *tune_cut(answers, originals)), originals, Fax())
    assert best["score"] <= fax_score(made, originals, Fax())["score"]


def test_a_search_keeps_what_pays_and_counts_its_questions(some):
    answers, _ = some
    start, program = (answers > 0.4).float(), Fax()

    def expected(pictures):
        wrong = torch.where(pictures == 1, 1 - answers, answers).flatten(1).sum(1)
        return wrong + BYTE_PRICE * Fax().size(pictures)

    found = search_flips(answers, start, program, 5)
    assert program.asked == 6 * len(answers)
    assert (expected(found) < expected(start)).all()
    assert (found != start).flatten(1).sum(1).max() <= 5
    assert torch.equal(search_flips(answers, start, Fax(), 0), start)


def test_reinforce_stops_at_its_questions_or_updates(some):
    answers, originals = some
    settings = {"queries": 400, "seed": 1}
    program = Fax()
    policy = train_reinforce(answers, answers, originals, program, **settings)
    assert 400 <= program.asked < 1_000
    program = Fax()
    train_reinforce(answers, answers, originals, program, updates=1, **settings)
    assert program.asked < 400
    edits = flip_pixels(policy.act, answers, answers)
    assert edits.actions.max() <= 1


def test_reinforce_learns_to_mend_where_bytes_cost_nothing(some, monkeypatch):
    monkeypatch.setattr(fax_module, "BYTE_PRICE", 0.0)
    answers, originals = some
    wrong = (answers > 0.35).float()
    policy = train_reinforce(
        answers, wrong, originals, Fax(), queries=10**6, updates=60, learning_rate=1e-2
    )
    mended = flip_pixels(policy.act, answers, wrong).result
    assert wrong_pixels(mended, originals).mean() < 0.7 * wrong_pixels(wrong, originals).mean()


def test_a_policy_flips_where_the_worth_is_above_0(some):
    answers, _ = some
    ink = (answers > 0.4).float()
    observation = torch.cat([ink, answers, torch.zeros_like(ink)], 1)
    network = FlipQNetwork()
    flips = FlipPolicy(network).act(observation)
    assert torch.equal(flips, network(observation).argmax(1))


def test_bad_input_is_named(some):
    answers, originals = some
    with pytest.raises(ValueError, match="starts must be of shape"):
        FaxEditor(2, answers, answers[:3], originals, Fax())
    with pytest.raises(ValueError, match="held_out must be from 1 to 5"):
        train_flips(answers, answers, originals, Fax(), held_out=6)
    with pytest.raises(ValueError, match="weight must be >= 0"):
        smooth_and_cut(answers, -1, 0.5)
    with pytest.raises(ValueError, match="tries"):
        search_flips(answers, answers, Fax(), -1)
    with pytest.raises(ValueError, match="pictures must have shape"):
        Fax().size(torch.zeros(28, 28))
