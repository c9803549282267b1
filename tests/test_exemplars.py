"""Patches that fill holes in photographs: the fills by hand, the order, the rewards, practice."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from dqngan_lib.applications.pixels.exemplar_world import (
    PracticeWorld,
    paint_out,
    practise,
    rewards,
)
from dqngan_lib.applications.pixels.exemplars import (
    BAND,
    FILLS,
    OBSERVED,
    REACH,
    RIM,
    SIDE,
    Filling,
    always,
    elastic_plate,
    fill_hole,
    kriging,
    rubber_sheet,
)
from dqngan_lib.applications.pixels.inpainting import smooth_fill
from dqngan_lib.applications.pixels.photographs import (
    HELD_OUT,
    PRACTICE,
    photo_holes,
    photo_psnr,
    photograph,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def square(top, left, side, size=64):
    hole = torch.zeros(size, size, dtype=torch.bool)
    hole[top : top + side, left : left + side] = True
    return hole


def stripes(size=64, period=6):
    """Return a picture that repeats itself: columns of three colours."""
    wave = (torch.arange(size) % period < period // 2).float()
    plane = wave.expand(size, size)
    return torch.stack([plane, 1 - plane, 0.5 * plane])


@pytest.fixture
def noisy():
    return (0.5 + 0.15 * normal(3, 64, 64)).clamp(0, 1)


# --- smooth fills ---


def test_the_sheet_is_that_of_the_digits(noisy):
    hole = square(20, 24, 12)
    expected = smooth_fill(noisy.unsqueeze(1), hole.expand(3, 1, -1, -1), order=1)[:, 0]
    torch.testing.assert_close(rubber_sheet(noisy, hole), expected, atol=1e-5, rtol=0)


def test_the_plate_is_scikit_images(noisy):
    hole = square(20, 24, 9)
    expected = inpaint_biharmonic(noisy.double().numpy(), hole.numpy(), channel_axis=0)
    got = elastic_plate(noisy, hole).double().numpy()
    np.testing.assert_allclose(got, expected.clip(0, 1), atol=1e-5)


@pytest.mark.parametrize("fill", [rubber_sheet, elastic_plate, kriging])
def test_smooth_fills_do_not_look_into_the_hole(noisy, fill):
    hole = square(20, 24, 9)
    other = noisy.masked_fill(hole, 1.0)
    torch.testing.assert_close(fill(noisy, hole), fill(other, hole))
    assert torch.equal(fill(noisy, hole)[:, ~hole], noisy[:, ~hole])


def test_kriging_goes_on_with_a_wave():
    down, right = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    wave = (0.5 + 0.4 * torch.sin(0.6 * down + 0.3 * right)).expand(3, -1, -1)
    hole = square(40, 36, 20, size=96)
    assert photo_psnr(kriging(wave, hole)[None], wave[None], hole[None]) > 30
    assert photo_psnr(rubber_sheet(wave, hole)[None], wave[None], hole[None]) < 15


def test_kriging_by_brute_force():
    """Covariances by loops, and weights by Lagrange's way, for one missing pixel."""
    picture, hole = (
        torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(2)),
        square(6, 5, 1, 12),
    )
    known = [(y, x) for y in range(12) for x in range(12) if not hole[y, x]]
    middle = picture[:, ~hole].mean(1)

    def covariance(down: int, right: int) -> float:
        pairs = [(y, x) for y, x in known if (y + down, x + right) in known]
        products = [
            (picture[:, y, x] - middle) * (picture[:, y + down, x + right] - middle)
            for y, x in pairs
        ]
        return (torch.stack(products).sum(0) / len(known)).mean().item()

    near = [(y, x) for y, x in known if abs(y - 6) <= BAND and abs(x - 5) <= BAND]
    noise = 0.003 * covariance(0, 0) + 1e-6
    C = np.array([[covariance(b - y, d - x) for b, d in near] for y, x in near])
    inverse = np.linalg.inv(C + noise * np.eye(len(near)))
    c, ones = np.array([covariance(6 - y, 5 - x) for y, x in near]), np.ones(len(near))
    mu = (ones @ inverse @ c - 1) / (ones @ inverse @ ones)
    weights = inverse @ (c - mu * ones)
    assert weights.sum() == pytest.approx(1)
    values = np.array([picture[:, y, x].numpy() for y, x in near])
    np.testing.assert_allclose(kriging(picture, hole)[:, 6, 5], weights @ values, atol=1e-4)


def test_kriging_of_a_flat_picture_is_flat():
    flat, hole = torch.full((3, 64, 64), 0.3), square(20, 24, 9)
    torch.testing.assert_close(kriging(flat, hole), flat)


# --- patches ---


def test_a_pattern_that_repeats_is_restored_exactly():
    picture, hole = stripes(), square(25, 22, 14)
    frames = fill_hole(always("best patch"), picture, hole)
    torch.testing.assert_close(frames[-1], picture, atol=1e-3, rtol=0)
    assert (frames[0][:, hole] == 0).all()
    assert not torch.allclose(rubber_sheet(picture, hole), picture, atol=0.2)


def test_what_is_in_the_hole_or_unknown_has_no_influence(noisy):
    hole, unknown = square(24, 24, 10), square(44, 44, 10)
    other = noisy.masked_fill(hole | unknown, 0.9)
    for fill in FILLS:
        made = [fill_hole(always(fill), x, hole, unknown)[-1] for x in (noisy, other)]
        torch.testing.assert_close(made[0][:, hole], made[1][:, hole])
    assert torch.equal(made[0][:, ~hole], noisy[:, ~hole])


def test_the_nearest_patch_by_brute_force(noisy):
    filling = Filling(noisy, square(24, 24, 10))
    rows, columns = filling.place
    here, known = filling.picture[:, rows, columns], ~filling.missing[rows, columns]
    best = None
    for top in range(64 - 8):
        for left in range(64 - 8):
            if filling.hole[top : top + 9, left : left + 9].any():
                continue
            source = noisy[:, top : top + 9, left : left + 9]
            distance = (source - here)[:, known].square().sum().item()
            if best is None or distance < best[0]:
                best = distance, source
    torch.testing.assert_close(filling.fills[0], best[1])


def test_fills_are_means_of_one_another(noisy):
    filling = Filling(noisy, square(24, 24, 10))
    by_name = dict(zip(FILLS, filling.fills, strict=True))
    here, known = filling.picture[:, *filling.place], ~filling.missing[filling.place]
    patches = filling.sources.unflatten(1, (3, SIDE, SIDE))
    errors = (patches - here)[:, :, known].square().sum((1, 2))
    many = patches[errors.topk(20, largest=False).indices].mean(0)
    torch.testing.assert_close(by_name["half patches"], (many + by_name["sheet"]) / 2)
    for name, made in zip(("sheet", "plate", "kriging"), filling.smooth, strict=True):
        torch.testing.assert_close(by_name[name], made[:, *filling.place])
    assert any(torch.equal(by_name["by the rim"], by_name[name]) for name in FILLS[2:5])


def test_the_rim_tells_the_fills_apart():
    """On a bent surface the plate fills the rim best, in a pattern kriging does."""
    down, right = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    bent = ((down - 48) ** 2 - (right - 48) ** 2) / 6_000 + 0.5 + ((down - 48) / 60) ** 3
    wave = 0.5 + 0.4 * torch.sin(0.6 * down + 0.3 * right)
    for picture, best in ((bent, "plate"), (wave, "kriging")):
        filling = Filling(picture.expand(3, -1, -1), square(40, 36, 20, size=96))
        by_name = dict(zip(FILLS, filling.fills, strict=True))
        assert torch.equal(by_name["by the rim"], by_name[best])


def test_it_begins_where_most_is_known_and_ends_when_all_is(noisy):
    hole = square(24, 24, 10)
    filling = Filling(noisy, hole)
    middle = [(part.start + part.stop) // 2 for part in filling.place]
    assert middle in [[24, 24], [24, 33], [33, 24], [33, 33]]  # a corner
    left = [int(hole.sum())]
    while not filling.done:
        filling.paste(FILLS.index("sheet"))
        left.append(int(filling.missing.sum()))
    assert all(a > b for a, b in pairwise(left))
    torch.testing.assert_close(filling.picture, rubber_sheet(noisy, hole))


def test_with_edges_it_begins_where_an_edge_runs_into_the_hole():
    picture = torch.full((3, 64, 64), 0.2)
    picture[:, 31:] = 0.8  # one edge, from left to right
    filling = Filling(picture, square(20, 24, 20), order="edges")
    row = (filling.place[0].start + filling.place[0].stop) // 2
    assert 28 <= row <= 33
    plain = Filling(picture, square(20, 24, 20))
    assert (plain.place[0].start + plain.place[0].stop) // 2 in (20, 39)


def test_observations_are_finite_even_where_all_is_flat():
    filling = Filling(torch.full((3, 64, 64), 0.5), square(24, 24, 10))
    while not filling.done:
        assert filling.observation.shape == (OBSERVED,)
        assert filling.observation.isfinite().all()
        filling.paste(0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hole": torch.zeros(64, 64, dtype=torch.bool)}, "hole must be at least one pixel"),
        ({"hole": square(0, 20, 6)}, "4 pixels from each edge"),
        ({"hole": square(10, 10, 6, size=32)}, "hole must be"),
        ({"hole": square(5, 5, 54)}, "with 20 patches"),
        ({"picture": torch.zeros(1, 64, 64)}, "picture must be"),
        ({"order": "size"}, "order must be"),
    ],
)
def test_what_cannot_be_filled_is_named(changed, words):
    given = {"picture": torch.zeros(3, 64, 64), "hole": square(20, 20, 6)} | changed
    with pytest.raises(ValueError, match=words):
        Filling(**given)


def test_an_unknown_fill_is_named():
    with pytest.raises(ValueError, match="fill must be"):
        always("glue")


# --- practice ---


def test_rewards_by_hand(noisy):
    hole = square(24, 24, 10)
    filling = Filling(noisy, hole)
    got = rewards(filling, noisy)
    rows, columns = filling.place
    new = filling.missing[rows, columns]
    errors = [
        (fill - noisy[:, rows, columns])[:, new].square().sum().item() for fill in filling.fills
    ]
    whole = (filling.by_rim - noisy)[:, hole].square().sum().item()
    expected = [max(10 * (errors[RIM] - error) / whole, -2.0) for error in errors]
    torch.testing.assert_close(got, torch.tensor(expected), atol=1e-3, rtol=1e-3)
    assert got[RIM] == 0


def test_practice_stays_away_from_what_is_unknown():
    picture, unknown = stripes(128), square(40, 40, 30, size=128)
    world = PracticeWorld(3, picture, unknown)
    seen, _ = world.reset(seed=0)
    assert seen.shape == (3, OBSERVED)
    ended = 0
    for _ in range(40):
        for filling in world.fillings:
            wide = torch.nn.functional.max_pool2d(filling.hole[None, None].float(), 15, 1, 7)
            assert not (wide[0, 0].bool() & unknown).any()
        worth = world.worth()
        action = torch.tensor([0, RIM, 1])
        _, reward, terminated, truncated, _ = world.step(action)
        torch.testing.assert_close(reward, worth[torch.arange(3), action])
        assert not truncated.any()
        ended += int(terminated.sum())
    assert ended > 0


def test_practice_finds_that_patches_pay_in_stripes_and_the_sheet_on_a_slope():
    unknown = square(50, 50, 20, size=128)
    agent, world = practise(stripes(128), unknown, steps=96)
    assert world.best_fill == "best patch"
    filling = Filling(stripes(128), unknown)
    assert int(agent.act(filling.observation.unsqueeze(0))) != FILLS.index("sheet")
    slope = torch.linspace(0.1, 0.9, 128).expand(3, 128, 128)
    made = paint_out(slope + 0.02 * normal(3, 128, 128), unknown)
    assert photo_psnr(made[-1][None], slope[None], unknown[None]) > 28


def test_practice_is_the_same_again_with_the_same_seed():
    unknown = square(50, 50, 20, size=128)
    weights = [
        practise(stripes(128), unknown, steps=16, seed=seed)[0].q_network.state_dict()
        for seed in (3, 3, 4)
    ]
    name = "layers.0.weight"
    assert torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[0][name], weights[2][name])


# --- photographs ---


def test_photographs_are_squares_of_colours_and_the_halves_share_none():
    assert not set(PRACTICE) & set(HELD_OUT)
    assert sorted(PRACTICE + HELD_OUT)[1::2] == list(PRACTICE)
    for name in ("camera", "china", "motorcycle", "retina"):
        picture = photograph(name)
        assert picture.shape == (3, 256, 256)
        assert 0 <= picture.min() < 0.3 < 0.7 < picture.max() <= 1
    grey = photograph("camera")
    assert torch.equal(grey[0], grey[2])
    with pytest.raises(ValueError, match="name must be"):
        photograph("holiday")


def test_a_photograph_stands_upright():
    china = photograph("china")
    assert china[2, :40].mean() > china[2, -40:].mean() + 0.1  # the sky is above


def test_holes_keep_apart_and_have_their_sizes():
    holes = photo_holes(7, torch.Generator().manual_seed(0))
    assert holes.shape == (7, 256, 256)
    sides = {int(hole.sum()) for hole in holes}
    assert sides <= {24**2, 32**2, 40**2}
    wide = torch.nn.functional.max_pool2d(holes.float(), 15, 1, 7)
    for row in range(7):
        others = torch.cat([holes[:row], holes[row + 1 :]]).any(0)
        assert not (wide[row].bool() & others).any()
    assert holes[:, 16:-16, 16:-16].sum() == holes.sum()
    again = photo_holes(7, torch.Generator().manual_seed(0))
    assert torch.equal(holes, again)


def test_no_room_for_holes_is_said():
    with pytest.raises(RuntimeError, match="no room"):
        photo_holes(1, torch.Generator(), torch.ones(256, 256, dtype=torch.bool))


def test_psnr_of_holes_by_hand():
    truth, holes = torch.zeros(2, 3, 64, 64), torch.stack([square(20, 20, 4), square(30, 30, 8)])
    made = truth + torch.tensor([0.1, 0.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(photo_psnr(made, truth, holes), torch.tensor([20.0, 60.0]))


def test_reach_is_half_a_patch():
    assert Filling(torch.zeros(3, 64, 64), square(20, 20, 6)).fills.shape[-1] == 2 * REACH + 1
