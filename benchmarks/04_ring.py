"""Eight Gaussians on a ring, recipe by recipe: the table of notebook 04, section 6.

Run `python benchmarks/04_ring.py`, or `python3 course.py study 04`.
"""

from collections.abc import Mapping

from tables import write_table

from dqngan_lib.gan.ring import RECIPES, new_ring_gan, score_ring, train_ring


def run(recipe: str, seed: int) -> Mapping[str, float]:
    """Train one recipe on one seed; score the last generator and the averaged one."""
    gan = new_ring_gan(recipe, seed)
    history = train_ring(gan, recipe, seed)
    row = {}
    for name, averaged in (("", False), ("averaged_", True)):
        score = score_ring(gan.sample(2_500, seed=seed + 20_000, averaged=averaged))
        row |= {f"{name}{what}": value for what, value in vars(score).items()}
    return row | {"fewest_in_second_half": min(history.score[4:]), "seconds": history.seconds[-1]}


if __name__ == "__main__":
    write_table("04_ring", tuple(RECIPES), run, default_seeds=5)
