"""Things to play with inside a notebook. Each builds itself always and shows itself to people only.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

import html

import ipywidgets
import matplotlib.pyplot as plt
import torch

from dqngan_lib.course.arguments import whole
from dqngan_lib.course.widgets import announced, buttons, number, present
from dqngan_lib.environments.grid_plots import draw_values, frame_cell
from dqngan_lib.environments.grid_world import GridWorld
from dqngan_lib.environments.tabular import bellman_backup
from dqngan_lib.plots import img_tag


class BackupStepper:
    """Value iteration one backup at a time: what is read, the sum in full, what is written.

    A backup is one cell: all four actions are worked out from the values of the sweep before,
    and the greatest is written into the new table.

    Args:
        world: The world.
        discount: γ in [0, 1].
        sweeps: How many sweeps can be stepped through.

    Raises:
        ValueError: `sweeps` is below 1, or γ is out of its range.
    """

    def __init__(self, world: GridWorld, discount: float, sweeps: int = 12) -> None:
        whole("sweeps", sweeps, 1)
        self.world, self.discount = world, discount
        self.cells = world.acting.nonzero().flatten().tolist()
        self.model = world.model()
        self.tables = [torch.zeros_like(self.model[1])]
        for _ in range(sweeps):
            self.tables.append(bellman_backup(self.tables[-1], *self.model, discount))
        self.backups = number("backups", 0, 0, sweeps * len(self.cells))
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        presses = {
            "next backup": lambda: self.move(1),
            "next sweep": lambda: self.move(len(self.cells)),
            "start again": lambda: self.move(-self.backups.max),
        }
        self.backups.observe(self._redraw, names="value")
        self.widget = ipywidgets.VBox(
            [ipywidgets.HBox([self.backups, *buttons(presses)]), self.text, self.picture]
        )
        self._redraw()

    def move(self, count: int) -> None:
        """Go so many backups forward, or back if negative, as far as there are any."""
        self.backups.value = min(max(self.backups.value + count, 0), self.backups.max)

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _redraw(self, change: dict | None = None) -> None:
        done = self.backups.value
        sweep, position = divmod(max(done - 1, 0), len(self.cells))
        old, new = self.tables[sweep].max(1).values, self.tables[sweep + 1].max(1).values
        written = torch.full_like(new, torch.nan)
        ready = self.cells[: position + 1] if done else []
        written[ready] = new[ready]
        figure, axes = plt.subplots(1, 2, figsize=(8, 2.9))
        draw_values(
            axes[0], self.world, old, title=f"Read: the values after sweep {sweep}", digits=3
        )
        title = f"Write: sweep {sweep + 1}, {len(ready)} of {len(self.cells)} cells done"
        draw_values(axes[1], self.world, written, title=title, digits=3)
        if done:
            cell = self.cells[position]
            frame_cell(axes[1], self.world, cell)
            text = self.sums(sweep, cell)
            said = f"Backup {done} of {self.backups.max}: sweep {sweep + 1} writes cell {cell}."
        else:
            said = "No backup yet."
            text = "Every value starts at 0. Press “next backup”."
        alt = "Left, the values that are read. Right, the values written so far in this sweep."
        self.text.value = announced(said)
        self.picture.value = f"{img_tag(figure, alt)}<pre>{html.escape(text)}</pre>"

    def sums(self, sweep: int, cell: int) -> str:
        """Return the four sums of one backup in words and numbers, the greatest marked."""
        probability, reward = self.model
        values = self.tables[sweep].max(1).values
        results = self.tables[sweep + 1][cell]
        lines = [f"cell {cell}: Q(s, a) = r(s, a) + {self.discount:g} × Σ P(s′) V(s′)"]
        for action, name in enumerate(self.world.ACTIONS):
            reached = probability[cell, action].nonzero().flatten().tolist()
            terms = " + ".join(
                f"{probability[cell, action, s]:.1f}·{values[s]:.3f}" for s in reached
            )
            best = "  ← greatest, so V" if action == results.argmax() else ""
            lines.append(
                f"  {name:5s}  {reward[cell, action]:6.3f} + {self.discount:g} × ({terms})"
                f" = {results[action]:.3f}{best}"
            )
        return "\n".join(lines).replace("-", "−")
