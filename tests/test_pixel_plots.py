"""Maps of actions: a colour for each action, and the shares that a bar shows."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from dqngan_lib.applications.pixels import plots as pixel_plots
from dqngan_lib.applications.pixels.editor import edit
from dqngan_lib.applications.pixels.filters import FILLING, SUPER_RESOLUTION, ActionSet


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize("actions", [SUPER_RESOLUTION, FILLING])
def test_every_action_has_a_colour_of_its_own(actions):
    colors = pixel_plots.action_colors(actions)
    assert len(set(colors)) == len(colors) == len(actions)


def test_too_many_actions_for_the_palette():
    with pytest.raises(ValueError, match="at most 3 step sizes"):
        pixel_plots.action_colors(ActionSet((1, 2, 3, 4)))


def test_larger_steps_are_darker():
    luminance = [
        sum(int(color[i : i + 2], 16) for i in (1, 3, 5))
        for color in pixel_plots.action_colors(ActionSet((8, 24, 64)))
    ]
    assert luminance[1] < luminance[2] < luminance[3]  # −64, −24, −8
    assert luminance[6] < luminance[5] < luminance[4]  # +64, +24, +8


def test_shares_by_hand():
    action = torch.tensor([[[[0, 0], [0, 2]]], [[[1, 1], [2, 2]]]])
    shares = pixel_plots.action_shares(action, ActionSet((8,)))
    torch.testing.assert_close(shares, torch.tensor([[0.75, 0, 0.25], [0, 0.5, 0.5]]))


def test_figures_have_their_parts():
    starts = torch.rand(3, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    made = edit(
        lambda seen: (10 * seen[:, 0]).long().clamp(0, 9), starts, SUPER_RESOLUTION, steps=2
    )
    figure = pixel_plots.draw_episode(made, 1, SUPER_RESOLUTION, "A title.")
    shown = figure.axes[3].images[0].get_array()  # under the start: the first map
    expected = [to_rgb(pixel_plots.action_colors(SUPER_RESOLUTION)[i]) for i in range(10)]
    assert np.allclose(shown, np.array(expected)[made.effective[0, 1].numpy()])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["start", "after step 1", "after step 2"]
    figure = pixel_plots.draw_map(made.actions[0, 0], SUPER_RESOLUTION, "A title.")
    assert len(figure.axes[0].texts) == (made.actions[0, 0] > 0).sum()
    figure = pixel_plots.draw_shares(made.actions, SUPER_RESOLUTION, "A title.")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["step 1", "step 2"]
    figure = pixel_plots.draw_rows([starts, torch.rand(3, 3, 9, 8)], ["grey", "colour"], "A title.")
    assert len(figure.axes) == 6
