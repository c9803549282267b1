"""Exercises of notebook 05: the pieces of the scores, of the condition, of a walk; a generator."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    flags,
    name_mistake,
    normal,
    uniform,
    whole,
)


def frechet_diagonal(mean_1: Tensor, var_1: Tensor, mean_2: Tensor, var_2: Tensor) -> Tensor:
    """Return the squared Fréchet distance: one term for the mean and one for the spread, summed."""
    shift = (mean_1 - mean_2) ** 2
    spread = (var_1.sqrt() - var_2.sqrt()) ** 2
    return (shift + spread).sum()


def check_frechet_diagonal(answer: Callable[..., Tensor]) -> None:
    """Compare with numbers worked by hand, and with what a distance must do."""
    mean_1, var_1 = torch.tensor([1.0, 0.0]), torch.tensor([4.0, 9.0])
    mean_2, var_2 = torch.tensor([4.0, 1.0]), torch.tensor([25.0, 1.0])
    # Means: (1 − 4)² + (0 − 1)² = 10. Spreads: (2 − 5)² + (3 − 1)² = 13.
    given = expect_number(
        answer(mean_1.clone(), var_1.clone(), mean_2.clone(), var_2.clone()), "the distance"
    )
    mistakes = {
        10 + (4 - 25) ** 2 + (9 - 1) ** 2: "the spreads differ by variances; take their roots, "
        "the standard deviations, before the difference",
        math.sqrt(23): "this is the root of the answer: the course uses the *squared* distance",
        10: "only one half of it is there, the means: the spreads give 13 more",
        13: "only the spreads are there: the means give 10 more",
        10 + 3 + 2: "the difference of the standard deviations must be squared",
        3 + 1 + 13: "the difference of the means must be squared",
        23 / 2: "take the sum over the dimensions, not the mean",
        3 + 1 + 3 + 2: "the squares are missing: these are sums of absolute differences",
        10 + 29 + 10: "the overlap is missing: subtract 2 √(v₁ v₂) in each dimension",
        10 + 29 + 10 - 13: "the overlap counts twice: subtract 2 √(v₁ v₂) in each dimension",
    }
    if not close(given, 23.0):
        for value, message in mistakes.items():
            if close(given, value):
                raise Wrong(message)
        raise Wrong(
            "means (1, 0) and (4, 1), variances (4, 9) and (25, 1): the answer is 10 + 13 = 23, "
            f"yours is {given:.4g}"
        )
    zero = torch.zeros(3)
    flat = expect_number(answer(zero, zero, zero + 1, zero), "the distance of two points")
    if not close(flat, 3.0):
        raise Wrong(
            "three dimensions without any spread, means 0 and 1: the answer is 3, yours is "
            f"{flat:.4g}. Must you divide by a variance?"
        )


def entropy_of_classes(classes: Tensor) -> float:
    """Return −Σ p log p of the shares of the ten classes."""
    share = torch.bincount(classes, minlength=10).double() / len(classes)
    share = share[share > 0]
    return -(share * share.log()).sum().item()


def check_entropy_of_classes(answer: Callable[[Tensor], float]) -> None:
    """Compare with counts worked by hand: classes that are missing must not give NaN."""
    classes = torch.tensor([0, 0, 1, 7])
    expected = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    given = expect_number(answer(classes.clone()), "the entropy")
    if math.isnan(given):
        raise Wrong("the result is NaN: a class that never occurs has p = 0; 0 · log 0 counts 0")
    if math.isinf(given):
        raise Wrong("the result is infinite: leave out classes with p = 0 before the logarithm")
    if not close(given, expected, 1e-3):
        raise Wrong(_entropy_mistake(given, expected))
    equal = expect_number(answer(torch.arange(10).repeat(3)), "the entropy of ten equal classes")
    if not close(equal, math.log(10), 1e-3):
        raise Wrong(
            f"three of each digit give log 10 = {math.log(10):.4f}, yours is {equal:.4g}: divide "
            "by the number of images, not by a fixed number"
        )
    if not close(expect_number(answer(torch.full((5,), 3)), "the entropy of one class"), 0.0):
        raise Wrong("five images of one class have entropy 0")


def _entropy_mistake(given: float, expected: float) -> str:
    """Name what is wrong with the entropy of the classes 0, 0, 1, 7."""
    if close(given, -expected, 1e-3):
        return "the sign: log p is negative, so the sum needs a minus before it"
    if close(given, expected / math.log(2), 1e-3):
        return "this is in bits; the course uses the natural logarithm, so the unit is nats"
    if close(given, expected / math.log(10), 1e-3):
        return "this is divided by log 10 (or taken with log10); asked for is the entropy in nats"
    if close(given, math.log(2) + 2 * math.log(4), 1e-3):
        return "each −log p must be weighted by its p: classes that are rare count less"
    if close(given, math.log(3), 1e-3):
        return "this is the logarithm of the number of classes seen; use how often each occurs"
    counts = torch.tensor([2.0, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    of_softmax = torch.distributions.Categorical(logits=counts).entropy()
    if close(given, of_softmax, 1e-3):
        return (
            "a share is a count divided by the number of images; you took a softmax of the counts"
        )
    if close(abs(given), 2 * math.log(2), 1e-3):
        return "these are counts, not shares: divide by the number of images first"
    return f"the classes 0, 0, 1, 7 have entropy {expected:.4f}, yours is {given:.4g}"


def nearest_distance(images: Tensor, training: Tensor) -> Tensor:
    """Return for each image the Euclidean distance to the nearest training image."""
    return torch.cdist(images.flatten(1), training.flatten(1)).min(1).values


def check_nearest_distance(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with pictures that differ in chosen pixels."""
    training = torch.zeros(3, 1, 2, 2)
    training[0, 0, 0, 0] = 4.0
    training[2] += 1.0
    images = torch.zeros(2, 1, 2, 2)
    images[0, 0, 0, 0], images[0, 0, 1, 1] = 3.0, 1.0  # to training: √2, √10, √6
    images[1] += 0.75  # to training: about 3.5, 1.5, 0.5
    expected = torch.tensor([math.sqrt(2), 0.5])
    given = answer(images.clone(), training.clone())
    if isinstance(given, Tensor) and given.shape == (3,):
        raise Wrong("one number for each training image; asked for is one for each image")
    if isinstance(given, Tensor) and given.shape == (2, 3):
        raise Wrong("these are all six distances; take the least for each image")
    given = expect_tensor(given, (2,), "the result")
    table = torch.cdist(images.flatten(1), training.flatten(1))
    mistakes = [
        (expected**2, "these are squared distances: take the root"),
        (
            table.diagonal(),
            "image i was compared with training image i alone; compare it with all of them",
        ),
        (table.max(1).values, "these are the distances to the *farthest* training image"),
        (table.argmin(1), "these are the positions of the nearest images, not their distances"),
        (table.mean(1), "this is the mean over all training images; asked for is the least"),
        (expected / 2, "this is the root of the *mean* square; take the sum over the pixels"),
        (
            torch.cdist(images.flatten(1), training.flatten(1), p=1).min(1).values,
            "these are sums of absolute differences; use squares and a root",
        ),
    ]
    if close(given, expected):
        return
    for value, message in mistakes:
        if close(given, value):
            raise Wrong(message)
    number = 1 if close(given[0], expected[0]) else 0
    raise Wrong(
        f"image {number} lies {expected[number]:.4g} from training image {2 * number}, which is "
        f"the nearest; yours is {given[number].item():.4g}"
    )


def projection_logit(features: Tensor, labels: Tensor, psi: Tensor, embedding: Tensor) -> Tensor:
    """Return ψ·φ(x) + e(y)·φ(x) for each picture."""
    return features @ psi + (embedding[labels] * features).sum(1)


def check_projection_logit(answer: Callable[..., Tensor]) -> None:
    """Compare with numbers worked by hand: three pictures, two features, three classes."""
    features = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 5.0]])
    labels, psi = torch.tensor([2, 0, 2]), torch.tensor([0.5, 1.0])
    embedding = torch.tensor([[1.0, 4.0], [7.0, 7.0], [-2.0, 3.0]])
    # ψ·φ: 2.5, 0.5, 5. e(y)·φ: −2 + 6 = 4, 3 − 4 = −1, 15.
    expected = torch.tensor([6.5, -0.5, 20.0])
    given = answer(features.clone(), labels.clone(), psi.clone(), embedding.clone())
    if isinstance(given, Tensor) and given.shape == (3, 3):
        raise Wrong(
            "the result has shape (3, 3): each picture was compared with every row. Take the row "
            "of its own label"
        )
    given = expect_tensor(given, (3,), "the result")
    if close(given, expected):
        return
    mistakes = [
        ([2.5, 0.5, 5.0], "the label plays no part: ψ·φ(x) alone says nothing about the class"),
        ([4.0, -1.0, 15.0], "ψ·φ(x) is missing: the part that asks whether it is a digit at all"),
        (
            torch.tensor([2.5, 0.5, 5.0]) + torch.tensor([9.0, 14.0, 15.0]),
            "the embedding of the wrong row: use embedding[labels], not the number of the picture",
        ),
        (torch.tensor([2.5 + 18, 0.5 + 18, 5.0 + 18]), "sum over the features of each picture"),
        (
            torch.tensor([2.5, 0.5, 5.0]) + torch.tensor([1.0, 5.0, 1.0]),
            "e(y) was added without the features: it must be multiplied with φ(x), or it only says "
            "how common a class is",
        ),
        (
            torch.tensor([2.5, 0.5, 5.0]) * torch.tensor([4.0, -1.0, 15.0]),
            "the two parts are added, not multiplied",
        ),
        (
            torch.tensor([2.5, 0.5, 5.0]) + torch.tensor([4.0, -1.0, 15.0]) / 2,
            "e(y)·φ(x) is a sum over the features, not a mean",
        ),
        (
            torch.tensor([2.5, 0.5, 5.0]) - torch.tensor([4.0, -1.0, 15.0]),
            "the sign: the second part is added, so that a fitting class raises the logit",
        ),
        (expected.sigmoid(), "this is the probability; the losses want the logit"),
    ]
    for value, message in mistakes:
        if close(given, value):
            raise Wrong(message)
    raise Wrong(
        "picture 0 has features (1, 2) and label 2: ψ·φ = 2.5, e(2)·φ = −2 + 6 = 4, so its logit "
        f"is 6.5; yours is {given[0].item():.4g}"
    )


def spherical_point(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Return the point on the great circle from start to end, after `share` of the angle."""
    cosine = (start @ end) / (start.norm() * end.norm())
    angle = cosine.clamp(-1, 1).acos()
    if angle < 1e-4:  # the same direction: a straight line
        return (1 - share) * start + share * end
    weight_1 = ((1 - share) * angle).sin() / angle.sin()
    weight_2 = (share * angle).sin() / angle.sin()
    return weight_1 * start + weight_2 * end


def check_spherical_point(answer: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Compare with a quarter of a circle, and with vectors whose length is not 1."""
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    third = expect_tensor(answer(east.clone(), north.clone(), 1 / 3), (2,), "the point")
    expected = torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)])
    if not third.isfinite().all():
        raise Wrong("the point is not finite for two vectors at a right angle")
    if not close(third, expected):
        straight = torch.tensor([2 / 3, 1 / 3])
        if close(third, straight):
            raise Wrong(
                "this is the straight line: its points come nearer to 0 on the way. Stay on the "
                "circle"
            )
        if close(third, straight / straight.norm()):
            raise Wrong(
                "on the circle, but not at a third of the angle: a straight line pushed out to "
                "the circle moves unevenly. Use the sines"
            )
        degrees = torch.tensor([math.sin(60.0), math.sin(30.0)]) / math.sin(90.0)
        if close(third, degrees):
            raise Wrong("sines want the angle in radians, as acos gives it, not in degrees")
        if close(third, expected.flip(0)):
            raise Wrong("the walk runs backwards: share 0 is the start, share 1 the end")
        raise Wrong(
            "a third of the way from (1, 0) to (0, 1) is 30°: (0.866, 0.5). Yours is "
            f"({third[0].item():.3f}, {third[1].item():.3f})"
        )
    start, end = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([3.0, 3.0 * math.sqrt(3), 0.0]) / 2
    middle = expect_tensor(answer(start.clone(), end.clone(), 0.5), (3,), "the point")
    wanted = 3 * torch.tensor([math.cos(math.pi / 6), 0.5, 0.0])
    if close(middle, wanted / 3):
        raise Wrong("the point has length 1, but start and end have length 3: keep their length")
    if not close(middle, wanted):
        raise Wrong(
            "for vectors of length 3, 60° apart, the middle has length 3 and lies at 30°; yours "
            f"has length {middle.norm().item():.3g}. Did you divide by both before the arccosine?"
        )
    same = expect_tensor(answer(start.clone(), start.clone(), 0.5), (3,), "the point")
    if not same.isfinite().all():
        raise Wrong("from a vector to itself the angle is 0, and you divide by its sine")
    if not close(same, start):
        raise Wrong("the walk from a vector to itself must stay there")


def my_generator(noise_size: int, planes: int) -> nn.Module:
    """Return a linear layer and two transposed convolutions, each behind a norm and ReLU."""
    return nn.Sequential(
        nn.Linear(noise_size, planes * 7 * 7),
        nn.Unflatten(1, (planes, 7, 7)),
        nn.BatchNorm2d(planes),
        nn.ReLU(),
        nn.ConvTranspose2d(planes, planes // 2, kernel_size=4, stride=2, padding=1),
        nn.BatchNorm2d(planes // 2),
        nn.ReLU(),
        nn.ConvTranspose2d(planes // 2, 1, kernel_size=4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def check_my_generator(answer: Callable[[int, int], nn.Module]) -> None:
    """Put known weights into the layers, and paint the same pictures with functions alone."""
    for noise_size, planes in ((5, 6), (3, 4)):
        network = answer(noise_size, planes)
        if isinstance(network, type):
            raise Wrong("this is a class: return a network made of it, with brackets behind")
        if not isinstance(network, nn.Module):
            raise Wrong(
                "the network must be an nn.Module, for instance an nn.Sequential of layers; yours "
                f"is a {type(network).__name__}"
            )
        rng = torch.Generator().manual_seed(0)
        noise = 2 * torch.randn(4, noise_size, generator=rng)
        weights = _known_weights(network, noise_size, planes, rng)
        pictures = expect_tensor(network(noise.clone()), (4, 1, 28, 28), "the pictures of 4 noises")
        if not pictures.requires_grad:
            raise Wrong("no gradient comes through: stay with layers, without no_grad or detach")
        with torch.no_grad():
            given = network(noise.clone())
            if not close(given, _painted(noise, weights)):
                name_mistake(
                    given,
                    {what: _painted(noise, weights, **ways) for what, ways in MISPAINTED.items()},
                    "all layers are there, but with known weights your network paints another "
                    "picture: the order is linear, norm, ReLU, double, norm, ReLU, double, sigmoid",
                )


MISPAINTED = {
    "the sigmoid at the end is missing: pixels must lie in [0, 1]": {"end": lambda x: x},
    "a tanh ends in [−1, 1]: pixels must lie in [0, 1]": {"end": torch.tanh},
    "a ReLU at the end leaves pixels above 1, and no slope where it is 0": {"end": torch.relu},
    "the ReLUs are missing: without them the network is nearly linear": {"bend": lambda x: x},
    "these are LeakyReLUs; asked for are ReLUs": {"bend": lambda x: functional.leaky_relu(x, 0.2)},
    "ReLU comes before the norm: asked for is the norm first": {"bend_first": True},
}
"""Usual slips in the order and choice of what has no weights, for `_painted`."""


def _known_weights(
    network: nn.Module, noise_size: int, planes: int, rng: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Draw weight and bias of each layer, as the network would use them; write them into it.

    Raises:
        Wrong: A layer is missing, or one has another size.
    """
    wanted = (
        (nn.Linear, (planes * 49, noise_size), "the linear layer"),
        (nn.BatchNorm2d, (planes,), "the batch norm of the 7 × 7 planes"),
        (nn.ConvTranspose2d, (planes, planes // 2, 4, 4), "the first transposed convolution"),
        (nn.BatchNorm2d, (planes // 2,), "the batch norm of the 14 × 14 planes"),
        (nn.ConvTranspose2d, (planes // 2, 1, 4, 4), "the last transposed convolution"),
    )
    layers = [m for m in network.modules() if getattr(m, "weight", None) is not None]
    drawn = []
    for kind, shape, name in wanted:
        fitting = [m for m in layers if isinstance(m, kind) and tuple(m.weight.shape) == shape]
        if not fitting:
            sizes = [tuple(m.weight.shape) for m in layers if isinstance(m, kind)]
            yours = f"your layers of that kind have {sizes}" if sizes else "you have no such layer"
            raise Wrong(
                f"with noise_size {noise_size} and {planes} planes {name} has a weight of shape "
                f"{shape}; {yours}"
            )
        layer = fitting[0]
        weight = torch.randn(shape, generator=rng) * (0.3 if len(shape) > 1 else 1)
        bias = torch.zeros(shape[0] if len(shape) < 4 else shape[1])
        if layer.bias is not None:
            bias.normal_(generator=rng)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(bias)
        drawn.append((weight, bias))
    if len(layers) > len(wanted):
        raise Wrong(f"your network has {len(layers)} layers with weights; asked for are 5")
    return drawn


def _painted(
    noise: Tensor,
    weights: list[tuple[Tensor, Tensor]],
    bend: Callable[[Tensor], Tensor] = torch.relu,
    end: Callable[[Tensor], Tensor] = torch.sigmoid,
    bend_first: bool = False,
) -> Tensor:
    """Return the pictures that a generator with these weights paints, norms by the batch."""
    linear, norm_1, double_1, norm_2, double_2 = weights

    def ready(planes: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        planes = bend(planes) if bend_first else planes
        planes = functional.batch_norm(planes, None, None, *norm, training=True)
        return planes if bend_first else bend(planes)

    planes = functional.linear(noise, *linear).unflatten(1, (-1, 7, 7))
    planes = functional.conv_transpose2d(ready(planes, norm_1), *double_1, stride=2, padding=1)
    return end(functional.conv_transpose2d(ready(planes, norm_2), *double_2, stride=2, padding=1))


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_frechet_diagonal(rng: torch.Generator) -> Iterator[Case]:
    """Draw means of both signs and variances, 0 among them."""
    for stage, size in (("other Gaussians", 5), ("other Gaussians", 2), ("one dimension", 1)):
        means, variances = normal(rng, 2, size), 3 * uniform(rng, 2, size)
        yield Case(stage, (means[0], variances[0], means[1], variances[1]))
    means, variances = normal(rng, 2, 6), 3 * uniform(rng, 2, 6) * flags(rng, 2, 6)
    yield Case("variances of 0", (means[0], variances[0], means[1], variances[1]))


def cases_entropy_of_classes(rng: torch.Generator) -> Iterator[Case]:
    """Draw classes, few and many."""
    for stage, count in (
        ("other classes", 7),
        ("other classes", 40),
        ("one image", 1),
        ("two images", 2),
    ):
        yield Case(stage, (whole(rng, 10, count),))
    yield Case("the last class alone", (torch.full((4,), 9),))
    yield Case("the first class alone", (torch.zeros(4, dtype=torch.long),))


def cases_nearest_distance(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, as many as training images or not."""
    for stage, images, training, height, width in (
        ("other sizes", 5, 3, 2, 4),
        ("other sizes", 2, 6, 3, 1),
        ("as many images as training images", 4, 4, 3, 3),
        ("one image", 1, 5, 2, 3),
        ("one training image", 4, 1, 2, 3),
    ):
        seen = normal(rng, images, 1, height, width)
        yield Case(stage, (seen, normal(rng, training, 1, height, width)))
    training = uniform(rng, 3, 1, 2, 2)
    yield Case("copies", (training[[2, 0]], training))


def cases_projection_logit(rng: torch.Generator) -> Iterator[Case]:
    """Draw features, labels and weights; a loss must reach all three."""
    for stage, batch, size, classes in (
        ("other sizes", 6, 3, 4),
        ("other sizes", 2, 5, 2),
        ("sizes that are equal", 3, 3, 3),
        ("a batch of 1", 1, 4, 3),
        ("one feature", 4, 1, 3),
    ):
        features, psi, embedding = (
            normal(rng, *shape).requires_grad_()
            for shape in ((batch, size), (size,), (classes, size))
        )
        yield Case(stage, (features, whole(rng, classes, batch), psi, embedding))


def cases_spherical_point(rng: torch.Generator) -> Iterator[Case]:
    """Draw vectors of equal and of unequal length, acute and obtuse; equal ones, too."""
    for stage, size, share in (
        ("other vectors", 3, 0.3),
        ("other vectors", 10, 0.8),
        ("other vectors", 2, 0.5),
        ("share 0 and share 1", 4, 0.0),
        ("share 0 and share 1", 4, 1.0),
    ):
        start, end = normal(rng, 2, size)
        yield Case(stage, (start, end, share), 1e-3)
    start, end = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-1.5, 1.0, 0.3])
    near = torch.tensor([2.0, 0.0]), torch.tensor([1.8, 1.0])
    yield Case("half a radian", (*near, 0.4), 1e-3)
    yield Case("more than a right angle", (start, end, 0.4), 1e-3)
    # Rounding can give a vector a cosine with itself that is above 1: no angle has it.
    many = normal(rng, 400, 5)
    above = [v for v in many if (v @ v) / (v.norm() * v.norm()) > 1]
    for vector in [*above[:3], torch.tensor([0.0, 3.0])]:
        yield Case("equal vectors", (vector, vector.clone(), 0.3), 1e-3)
    yield Case("the same direction", (torch.tensor([0.0, 2.0]), torch.tensor([0.0, 6.0]), 0.3))


EXERCISES = (
    Exercise(
        "05.1",
        check_frechet_diagonal,
        (
            "In one dimension it was (μ₁ − μ₂)² + (σ₁ − σ₂)². With diagonal covariances the "
            "dimensions do not know of each other.",
            "You are given variances. The formula wants standard deviations: `var.sqrt()`.",
            "((mean_1 - mean_2) ** 2 + (var_1.sqrt() - var_2.sqrt()) ** 2).sum()",
        ),
        frechet_diagonal,
        "you have the score without its matrix root, and can see what each term punishes",
        cases=cases_frechet_diagonal,
        why="with diagonal covariances each dimension adds its own gaps, of the means and of "
        "the deviations",
    ),
    Exercise(
        "05.2",
        check_entropy_of_classes,
        (
            "First count how often each of the ten classes occurs: torch.bincount.",
            "Divide by the number of images. Some shares may be 0: what is 0 · log 0?",
            "Keep only the shares above 0, then take minus the sum of p log p:\n"
            "share = share[share > 0]; entropy = -(share * share.log()).sum().item()",
        ),
        entropy_of_classes,
        "a histogram has become one number, and missing classes do no harm to it",
        cases=cases_entropy_of_classes,
        why="a class that never occurs adds nothing, so it may be left out before the logarithm",
    ),
    Exercise(
        "05.3",
        check_nearest_distance,
        (
            "Make a row of each picture: `images.flatten(1)`.",
            "`torch.cdist(a, b)` gives all distances, one row for each row of a.",
            "Take the least of each row:\n"
            "torch.cdist(images.flatten(1), training.flatten(1)).min(1).values",
        ),
        nearest_distance,
        "with this you can look for copies in any set of pictures",
        cases=cases_nearest_distance,
        why="cdist compares every image with every training image, and the least of a row is "
        "the nearest",
    ),
    Exercise(
        "05.4",
        check_projection_logit,
        (
            "Two parts are added. The first, ψ·φ(x), does not know the label.",
            "`embedding[labels]` has one row a picture: e(y).",
            "(embedding[labels] * features).sum(1) is e(y)·φ(x) for each picture:\n"
            "features @ psi + (embedding[labels] * features).sum(1)",
        ),
        projection_logit,
        "the discriminator can now say: a fine 7, but I was promised a 3",
        cases=cases_projection_logit,
        why="embedding[labels] lays e(y) beside φ(x), and the sum over the features is their "
        "inner product",
    ),
    Exercise(
        "05.5",
        check_my_generator,
        (
            "Go through the table of section 1 from top to bottom; `nn.Sequential` holds the "
            "layers in their order.",
            "The sizes come from the arguments: the linear layer has `planes * 7 * 7` outputs, and "
            "`nn.Unflatten(1, (planes, 7, 7))` makes planes of them.",
            "`nn.BatchNorm2d(planes)` and `nn.ReLU()` stand before each transposed convolution, "
            "`nn.Sigmoid()` at the end.",
            "Each doubling has kernel 4, stride 2 and padding 1. The first is:\n"
            "nn.ConvTranspose2d(planes, planes // 2, kernel_size=4, stride=2, padding=1)",
        ),
        my_generator,
        "with the same weights it paints the same pictures as ours",
        why="7 doubles to 14 and 14 to 28, while the planes become fewer",
    ),
    Exercise(
        "05.6",
        check_spherical_point,
        (
            "Let θ be the angle between the two: cos θ = a·b / (|a| |b|).",
            "The point is sin((1 − t) θ)/sin θ · a + sin(t θ)/sin θ · b.",
            "If θ is nearly 0 the sine is too: return the straight line there. Elsewhere:\n"
            "(((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()",
        ),
        spherical_point,
        "every step of your walk has a length that the generator has seen in training",
        cases=cases_spherical_point,
        why="the two sines let the angle grow evenly; for a small angle they become a straight "
        "line's weights",
    ),
)
