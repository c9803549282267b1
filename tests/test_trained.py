"""The painters that come with the package can do what their notebooks claim."""

import hashlib

import pytest
import torch

from dqngan_lib.applications.art import trained as photo_room
from dqngan_lib.applications.art.brushes import PLACES, brush_table
from dqngan_lib.applications.strokes import trained as digit_room
from dqngan_lib.applications.strokes.decoding import draw_pictures
from dqngan_lib.course.data import digits
from dqngan_lib.dqngan import trained as patch_room
from dqngan_lib.dqngan.networks import log_probability
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, reconstruction
from dqngan_lib.dqngan.play import generate
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid

ROOMS = {
    "patch": (patch_room, patch_room.load_patch_painter),
    "digit": (digit_room, digit_room.load_digit_painter),
    "photo": (photo_room, photo_room.load_photo_painter),
}


@pytest.mark.parametrize("name", ROOMS)
def test_no_optimiser_can_change_it_and_loading_moves_no_random_number(name):
    room, load = ROOMS[name]
    load.cache_clear()
    before = torch.get_rng_state()
    network = load()
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert load() is network
    assert hashlib.sha256(room.WEIGHTS.read_bytes()).hexdigest() == room.WEIGHTS_SHA256


@pytest.mark.parametrize("name", ROOMS)
def test_a_damaged_file_is_refused(name, tmp_path, monkeypatch):
    room, load = ROOMS[name]
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(room.WEIGHTS.read_bytes()[:-1])
    monkeypatch.setattr(room, "WEIGHTS", damaged)
    load.cache_clear()
    with pytest.raises(ValueError, match="damaged"):
        load()
    load.cache_clear()


def test_all_weights_together_are_small():
    files = list(digit_room.WEIGHTS.parent.glob("*.pt"))
    assert sum(path.stat().st_size for path in files) < 5_000_000


def test_the_painter_of_digits_obeys():
    painter, asked = digit_room.load_digit_painter(), torch.arange(300) % 10
    made = draw_pictures(lambda seen: painter(seen) / 0.35, asked, seed=3)
    assert conditional_accuracy(made, asked) >= 0.75  # luck: 0.1


def test_the_painter_of_patches_draws_digits_and_knows_them():
    painter = patch_room.load_patch_painter()
    canvas, held_out = PatchCanvas(2_000, painter.codebook), digits(16).test_images
    made = canvas.pictures(generate(painter.q_network, canvas, seed=3))
    assert digit_fid(made, held_out) <= 25  # random patches: above 65
    # Its codebook is its own: digits put together from it keep what notebook 09 claims,
    assert digit_fid(reconstruction(held_out, painter.codebook), held_out) <= 7
    # and it calls held-out digits far more likely than a guess at each patch would.
    guess = 16 * torch.tensor(128.0).log()
    assert -log_probability(painter.q_network, canvas.episodes(held_out)).mean() <= 0.8 * guess


def test_the_windows_of_the_painter_of_photographs_are_its_brushes():
    fan = [shape * PLACES**2 + 7 * PLACES + 7 for shape in range(16)]
    masks = brush_table()[fan].reshape(-1, 28, 28)[:, 6:24, 6:24].flatten(1)
    pairs = torch.stack([masks, photo_room.load_photo_painter().windows().flatten(1)], 1)
    assert torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).mean() >= 0.9
