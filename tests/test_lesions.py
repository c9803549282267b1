"""Lesions are where and what they should be; rates of false alarms and sensitivities are right."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import roc_curve

from dqngan_lib.applications.medical import lesions
from dqngan_lib.applications.medical.slices import split_slices


def _numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_profiles_by_hand():
    one = lesions.profile(1)
    assert one.sum() == 1 and one[1, 1] == 1
    three = lesions.profile(3)
    corner = 2 - 2**0.5
    assert torch.allclose(three[1:4, 1:4], torch.tensor([[corner, 1, corner], [1, 1, 1],
                                                         [corner, 1, corner]]))  # fmt: skip
    assert three[0].eq(0).all()
    # A disc with a soft edge has about the area of a disc.
    assert lesions.profile(9).sum() == pytest.approx(np.pi * 4.5**2, rel=0.03)
    with pytest.raises(ValueError, match="diameter"):
        lesions.profile(0.5)


def test_lesions_are_painted_where_they_should_be():
    pictures = torch.full((3, 1, 20, 20), 0.8)
    places = torch.tensor([[0, 9, 10], [2, 5, 12], [2, 5, 13]])
    contrast = torch.tensor([0.1, 0.2, 0.4])
    fall = 0.8 - lesions.paint_lesions(pictures, places, 1, contrast)
    expected = torch.zeros(3, 1, 20, 20)
    expected[0, 0, 9, 10], expected[2, 0, 5, 12], expected[2, 0, 5, 13] = 0.1, 0.2, 0.4
    assert torch.allclose(fall, expected, atol=1e-6)
    wide = 0.8 - lesions.paint_lesions(pictures, places, 3, 0.1)
    assert torch.allclose(wide[0, 0, 7:12, 8:13], 0.1 * lesions.profile(3), atol=1e-6)
    assert wide[2].sum() == pytest.approx(2 * wide[0].sum().item(), rel=1e-4)  # they add up
    assert (pictures == 0.8).all()
    with pytest.raises(ValueError, match="places"):
        lesions.paint_lesions(pictures, torch.tensor([[0, 1, 10]]), 3, 0.1)


def test_white_places_by_looking_at_each():
    tissue = torch.randint(3, (2, 30, 28), generator=torch.Generator().manual_seed(0))
    tissue[:, 4:20, 3:24] = 2
    found, edge = lesions.white_places(tissue), lesions.WINDOW // 2
    for number in range(2):
        for row in range(30):
            for column in range(28):
                inside = edge <= row < 30 - edge and edge <= column < 28 - edge
                around = tissue[number, row - 1 : row + 2, column - 1 : column + 2]
                assert found[number, row, column] == (inside and bool((around == 2).all()))


def test_places_are_allowed_and_apart():
    fit, _, _ = split_slices()
    allowed = lesions.white_places(fit.tissue)
    places = lesions.choose_places(allowed, 3, apart=6, seed=1)
    assert allowed[tuple(places.T)].all()
    assert places.equal(lesions.choose_places(allowed, 3, apart=6, seed=1))
    assert not places.equal(lesions.choose_places(allowed, 3, apart=6, seed=2))
    counts = places[:, 0].bincount()
    assert counts.max() == 3
    for number in counts.nonzero().flatten():
        own = places[places[:, 0] == number][:, 1:]
        far = (own[:, None] - own[None]).abs().amax(2)
        assert (far[~torch.eye(len(own), dtype=torch.bool)] >= 6).all()
    with pytest.raises(ValueError, match="allowed"):
        lesions.choose_places(torch.zeros(1, 30, 30, dtype=torch.bool), 1)


def test_lesions_to_learn_from():
    allowed = torch.zeros(2, 40, 40, dtype=torch.bool)
    allowed[:, 10:30, 10:30] = True
    healthy = torch.full((2, 1, 40, 40), 0.7)
    settings = {"count": 2, "diameters": (1, 3), "contrasts": (0.2, 0.3), "seed": 3}
    painted, places, others = lesions.paint_at_random(healthy, allowed, others=500, **settings)
    fall = (healthy - painted)[:, 0]
    depth = fall[tuple(places.T)]
    assert len(places) == 4 and ((depth >= 0.2) & (depth <= 0.3)).all()
    around = [fall[n, r - 2 : r + 3, c - 2 : c + 3] for n, r, c in places.tolist()]
    shares = [lesions.profile(1).sum().item(), lesions.profile(3).sum().item()]
    found = [(own.sum() / own[2, 2]).item() for own in around]
    assert all(min(abs(one - share) for share in shares) < 1e-3 for one in found)
    assert torch.stack(around).sum() == pytest.approx(fall.sum().item(), rel=1e-4)
    assert allowed[tuple(others.T)].all() and len(others) == 500
    for number, row, column in others.tolist():
        own = places[places[:, 0] == number][:, 1:]
        assert ((own - torch.tensor([row, column])).abs().amax(1) >= 4).all()


def test_a_map_is_the_detector_at_every_window():
    torch.manual_seed(0)
    detector, pictures = lesions.LesionDetector(width=4), _numbers(2, 1, 24, 30)
    places = torch.tensor([[0, 7, 7], [1, 16, 22], [0, 12, 9], [1, 7, 20]])
    maps = lesions.scan(detector, pictures, part=1)
    assert maps.shape == (2, 24, 30)
    windows = lesions.cut_windows(pictures, places)
    assert windows[1, 0].equal(pictures[1, 0, 9:24, 15:30])
    assert torch.allclose(maps[tuple(places.T)], detector(windows).flatten(), atol=1e-5)
    assert maps.isinf().sum() == 2 * (24 * 30 - 10 * 16)


def test_peaks_are_those_of_scipy():
    scores = _numbers(3, 12, 15)
    allowed = _numbers(3, 12, 15, seed=1) > -1
    found = lesions.peaks(scores, allowed, reach=2)
    for number in range(3):
        among = np.where(allowed[number], scores[number], -np.inf)
        greatest = ndimage.maximum_filter(among, size=5, mode="constant", cval=-np.inf)
        expected = np.where((among == greatest) & allowed[number].numpy(), among, -np.inf)
        assert np.array_equal(found[number].numpy(), expected)


def _alone(scores):
    """Return maps with one candidate each, and its place."""
    maps = torch.full((len(scores), 5, 5), -torch.inf)
    maps[:, 2, 2] = scores
    return maps, torch.tensor([[number, 2, 2] for number in range(len(scores))])


def test_with_one_candidate_a_picture_it_is_sklearns_roc_curve():
    healthy, ill = _numbers(80), 1 + _numbers(60, seed=1)
    answers = np.repeat([0, 1], [80, 60])
    false, true, _ = roc_curve(answers, torch.cat([healthy, ill]), drop_intermediate=False)
    maps, places = _alone(ill)
    rates = (0.0126, 0.05, 0.1, 0.33, 0.5)
    found = lesions.sensitivity(maps, places, _alone(healthy)[0], rates)
    for rate, share in zip(rates, found, strict=True):
        assert share == pytest.approx(true[false <= rate].max())


def test_several_candidates_by_hand():
    without = torch.full((2, 9, 9), -torch.inf)
    without[0, 1, 1], without[0, 7, 7], without[1, 4, 4] = 3.0, 1.0, 2.0
    # Half a false alarm a picture is one in two pictures: 3 may pass, 2 may not.
    assert lesions.false_alarm_threshold(without, 0.5) == 2.0
    assert lesions.false_alarm_threshold(without, 1.0) == 1.0
    assert lesions.false_alarm_threshold(without, 1.5) == -torch.inf
    ill = torch.full((2, 9, 9), -torch.inf)
    ill[0, 3, 3], ill[1, 8, 0] = 2.5, 1.5
    places = torch.tensor([[0, 5, 4], [0, 6, 3], [1, 6, 2]])  # the second is 3 rows away
    assert lesions.lesion_scores(ill, places).tolist() == [2.5, -torch.inf, 1.5]
    assert lesions.sensitivity(ill, places, without, (0.5, 1.0)) == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="rate"):
        lesions.false_alarm_threshold(without, 0)


def test_a_detector_learns_and_leaves_the_random_numbers_alone():
    healthy = 0.7 + 0.1 * _numbers(200, 1, 15, 15)
    places = torch.tensor([[number, 7, 7] for number in range(200)])
    ill, state = lesions.paint_lesions(healthy, places, 3, 0.5), torch.get_rng_state()
    detector = lesions.train_detector(ill[:150], healthy[:150], updates=40)
    assert torch.get_rng_state().equal(state)
    right = torch.cat([detector(ill[150:]) > 0, detector(healthy[150:]) < 0])
    assert right.float().mean() > 0.95
