"""Exercises of appendix A: the pieces that every network is trained with."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial

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
    normal,
    perceptron,
    whole,
)


def as_rows(images: Tensor) -> Tensor:
    """Return each picture as one row."""
    return images.flatten(1)


def check_as_rows(answer: Callable[[Tensor], Tensor]) -> None:
    """Compare with pixels numbered in their order, in a batch and in a batch of one."""
    for shape in ((2, 3, 2, 4), (1, 1, 3, 2)):
        batch, planes, height, width = shape
        length = planes * height * width
        images = torch.arange(float(batch * length)).reshape(shape)
        given = answer(images.clone())
        found = tuple(given.shape) if isinstance(given, Tensor) else None
        if batch > 1 and found == (batch * length,):
            raise Wrong("all pictures have become one row: keep the batch, dimension 0")
        if found == (batch, planes, height * width):
            raise Wrong("the planes are still apart: start to flatten at dimension 1")
        if batch > 1 and found == (length, batch):
            raise Wrong("each picture is a column; asked for are rows")
        if batch == 1 and found == (length,):
            raise Wrong("the batch has lost its dimension: a batch of one must stay a batch")
        given = expect_tensor(given, (batch, length), "the result")
        if not close(given, torch.stack([image.reshape(-1) for image in images])):
            raise Wrong("the shape is right, but the pixels are not in their order")


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the outputs of a linear layer: each row of x times each row of the weights."""
    return x @ weight.T + bias


def check_linear(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Compare with three loops, with as many outputs as inputs and with fewer or more."""
    rng = torch.Generator().manual_seed(0)
    for n, inputs, outputs in ((2, 3, 3), (4, 3, 2), (1, 2, 5)):
        x = torch.randn(n, inputs, generator=rng)
        weight = torch.randn(outputs, inputs, generator=rng)
        bias = torch.randn(outputs, generator=rng)
        expected = torch.zeros(n, outputs)
        for row in range(n):
            for out in range(outputs):
                products = [x[row, i] * weight[out, i] for i in range(inputs)]
                expected[row, out] = sum(products) + bias[out]
        learnt = weight.clone().requires_grad_()
        given = answer(x.clone(), learnt, bias.clone())
        if isinstance(given, Tensor) and n != outputs and given.shape == (outputs, n):
            raise Wrong("the examples are in the columns: with rows the formula is X Wᵀ + b")
        if inputs == outputs and close(given, x @ weight + bias):
            raise Wrong("W is not transposed: each row of W belongs to one output")
        given = expect_tensor(given, (n, outputs), "the result")
        if close(given, expected - bias):
            raise Wrong("the bias is missing")
        if close(given, expected - 2 * bias):
            raise Wrong("the bias is subtracted; it is added")
        if not close(given, expected):
            raise Wrong("the numbers are not those of X Wᵀ + b")
        if not given.requires_grad:
            raise Wrong("no gradient comes through: stay with tensors, without detach or data")


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the batch of −log of the probability of the right class."""
    log_p = torch.log_softmax(logits, 1)
    return -log_p.gather(1, labels.unsqueeze(1)).mean()


def check_cross_entropy(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with numbers by hand: odds of whole numbers; then with huge logits."""
    odds, labels = torch.tensor([[1.0, 2.0, 5.0], [3.0, 1.0, 4.0]]), torch.tensor([1, 0])
    chances = torch.tensor([2 / 8, 3 / 8])
    each = -chances.log()
    given = answer(odds.log().requires_grad_(), labels.clone())
    if isinstance(given, Tensor) and given.shape == (2,):
        raise Wrong("these are the losses of the rows; asked for is their mean, one number")
    value = expect_tensor(given, (), "the result")
    if close(value, -each.mean()):
        raise Wrong("the sign is missing: the loss is −log p, and p is below 1")
    if close(value, each.sum()):
        raise Wrong("that is the sum over the batch; asked for is the mean")
    if close(value, chances.mean()):
        raise Wrong("this is the mean probability; the loss is −log of each")
    if close(value, -(odds / 8).log().mean()):
        raise Wrong("you took the mean over all classes; take the entry of the right class")
    if not close(value, each.mean()):
        raise Wrong("for odds 1:2:5 with class 1 and 3:1:4 with class 0 the loss is 1.184")
    if not value.requires_grad:
        raise Wrong("no gradient comes through: stay with tensors, without detach or item")
    huge = answer(torch.tensor([[1000.0, 0.0], [0.0, -1000.0]]), torch.tensor([1, 1]))
    if not close(expect_tensor(huge, (), "the result"), torch.tensor(1000.0)):
        raise Wrong("large logits overflow: use torch.log_softmax, not exp and log")


def train_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> float:
    """Move the weights once, and return the loss before the step."""
    loss = functional.cross_entropy(network(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def check_train_step(answer: Callable[..., float]) -> None:
    """Compare two steps on a small network with steps worked out from `torch.autograd.grad`."""
    rng = torch.Generator().manual_seed(0)
    images, labels = torch.randn(6, 4, generator=rng), torch.tensor([0, 1, 2, 2, 1, 0])
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    twin, first = deepcopy(network), deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for step in range(2):
        before = functional.cross_entropy(twin(images), labels)
        slopes = torch.autograd.grad(before, list(twin.parameters()))
        with torch.no_grad():
            for weight, slope in zip(twin.parameters(), slopes, strict=True):
                weight -= 0.5 * slope
        given = answer(network, optimizer, images.clone(), labels.clone())
        if isinstance(given, Tensor):
            raise Wrong("return a Python number, `loss.item()`: a tensor keeps its whole record")
        loss = expect_number(given, "the loss")
        if _same(network, first):
            raise Wrong("no weight has moved: is `backward` before `step`, and is there a `step`?")
        if not _same(network, twin):
            if step == 1:
                raise Wrong("the second step goes wrong: clear the old gradients before `backward`")
            raise Wrong("the weights have moved, but not down the gradient of the mean loss")
        if not close(loss, before.item()):
            raise Wrong("the loss that you return is not that before the step")


def _same(network: nn.Module, other: nn.Module) -> bool:
    """Tell whether two networks have equal weights."""
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    return all(close(mine, yours) for mine, yours in pairs)


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_as_rows(rng: torch.Generator) -> Iterator[Case]:
    """Draw batches of pictures that are higher or wider, with one plane and more."""
    for stage, shape in (
        ("other shapes", (3, 2, 4, 5)),
        ("other shapes", (2, 1, 5, 3)),
        ("a batch of 1", (1, 3, 2, 2)),
        ("a single pixel", (4, 1, 1, 1)),
    ):
        yield Case(stage, (normal(rng, *shape).requires_grad_(),))


def cases_linear(rng: torch.Generator) -> Iterator[Case]:
    """Draw layers with more and fewer outputs than inputs; a loss must reach all of them."""
    for stage, rows, inputs, outputs in (
        ("other shapes", 4, 3, 2),
        ("other shapes", 3, 2, 5),
        ("as many outputs as inputs", 3, 3, 3),
        ("a batch of 1", 1, 4, 2),
        ("a single output", 5, 2, 1),
    ):
        x, weight = normal(rng, rows, inputs), normal(rng, outputs, inputs)
        bias = normal(rng, outputs)
        yield Case(stage, (x, weight.requires_grad_(), bias.requires_grad_()))


def cases_cross_entropy(rng: torch.Generator) -> Iterator[Case]:
    """Draw logits of both signs, small and large."""
    for stage, rows, classes, scale in (
        ("other shapes", 6, 3, 1.0),
        ("other shapes", 2, 5, 1.0),
        ("a batch of 1", 1, 4, 1.0),
        ("large logits", 4, 3, 500.0),
    ):
        logits = (scale * normal(rng, rows, classes)).requires_grad_()
        yield Case(stage, (logits, whole(rng, classes, rows)))


def cases_train_step(rng: torch.Generator) -> Iterator[Case]:
    """Draw networks, optimizers of two kinds, and gradients left over from before."""
    for stage, rows, kind in (
        ("SGD", 5, torch.optim.SGD),
        ("Adam", 4, torch.optim.Adam),
        ("a batch of 1", 1, torch.optim.Adam),
    ):
        network, images = perceptron(rng, 3, 4, 3), normal(rng, rows, 3)
        images_before = normal(rng, rows, 3)
        network(images_before).sum().backward()  # an old gradient, which must not count
        yield Case(stage, partial(_ready, network, kind, images, whole(rng, 3, rows)))


def _ready(
    network: nn.Module, kind: type[torch.optim.Optimizer], images: Tensor, labels: Tensor
) -> tuple:
    """Return a copy of a network with an optimizer of its own, and the batch."""
    mine = deepcopy(network)
    return mine, kind(mine.parameters(), lr=0.1), images.clone(), labels.clone()


EXERCISES = (
    Exercise(
        "A.1",
        check_as_rows,
        (
            "A tensor has the methods `reshape` and `flatten`.",
            "`flatten` takes the first dimension to flatten. The batch is dimension 0.",
            "Flatten all dimensions but the batch:\nimages.flatten(1)",
        ),
        as_rows,
        "`nn.Flatten` does the same inside a network",
        cases=cases_as_rows,
        why="the batch is dimension 0, so flattening begins at dimension 1",
    ),
    Exercise(
        "A.2",
        check_linear,
        (
            "`@` multiplies matrices. Write the shapes under X, Wᵀ and b.",
            "(n, inputs) @ (inputs, outputs) gives (n, outputs). `weight.T` is the transpose.",
            "The bias is broadcast over the batch:\nx @ weight.T + bias",
        ),
        linear,
        "the bias was broadcast over the batch",
        cases=cases_linear,
        why="row i of X meets every row of W, and the bias is added to each row of the result",
    ),
    Exercise(
        "A.3",
        check_cross_entropy,
        (
            "log_softmax gives a table (n, classes). From row i take the entry labels[i].",
            "`gather(1, labels.unsqueeze(1))` takes one entry of each row. Then mean and sign.",
            "All in one line:\n-torch.log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).mean()",
        ),
        cross_entropy,
        "`gather` will pick the Q-value of the action taken, too",
        cases=cases_cross_entropy,
        why="log_softmax never overflows, and gather takes from each row the entry of its class",
    ),
    Exercise(
        "A.4",
        check_train_step,
        (
            "Four lines, in the order of the list above, and a `return`.",
            "loss = functional.cross_entropy(network(images), labels); then the optimizer twice, "
            "with `loss.backward()` between.",
            "After the loss:\n"
            "optimizer.zero_grad(); loss.backward(); optimizer.step(); return loss.item()",
        ),
        train_step,
        "from here on the notebook trains with your function",
        cases=cases_train_step,
        why="backward adds to the gradients that are there, so the old ones are cleared first",
    ),
)
