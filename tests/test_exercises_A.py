"""The checks of appendix A's exercises, and the answers that are called again."""

import pytest
import torch
from exercise_cases import exercise_tests
from torch import nn
from torch.nn import functional

from dqngan_lib import exercises
from dqngan_lib.exercises.notebook_A import EXERCISES, as_rows


def no_clear(network, optimizer, images, labels):
    loss = functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def cleared(network, optimizer, images, labels):
    optimizer.zero_grad()
    return no_clear(network, optimizer, images, labels)


def step_first(network, optimizer, images, labels):
    loss = functional.cross_entropy(network(images), labels)
    optimizer.zero_grad()
    optimizer.step()
    loss.backward()
    return loss.item()


def of_sums(network, optimizer, images, labels):
    loss = functional.cross_entropy(network(images), labels, reduction="sum")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item() / len(labels)


def loss_after(network, optimizer, images, labels):
    cleared(network, optimizer, images, labels)
    return functional.cross_entropy(network(images), labels).item()


def tensor_back(network, optimizer, images, labels):
    optimizer.zero_grad()
    loss = functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def by_module(network, optimizer, images, labels):
    network.zero_grad()
    loss = nn.CrossEntropyLoss()(network(images), labels)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def picked(logits, labels):
    return -torch.log_softmax(logits, 1)[torch.arange(len(labels)), labels].mean()


def overflowing(logits, labels):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return -p.log().gather(1, labels.unsqueeze(1)).mean()


WRONG = {
    "A.1": {
        "one row: keep": lambda images: images.flatten(),
        "planes are still apart": lambda images: images.flatten(2),
        "each picture is a column": lambda images: images.flatten(1).T,
        "must stay a batch": lambda images: images.flatten(1).squeeze(0),
        "not in their order": lambda images: images.permute(0, 2, 3, 1).flatten(1),
        "returned None": lambda images: print(end=""),
    },
    "A.2": {
        "in the columns": lambda x, weight, bias: (x @ weight.T + bias).T,
        "bias is missing": lambda x, weight, bias: x @ weight.T,
        "not transposed": lambda x, weight, bias: x @ weight + bias,
        "subtracted": lambda x, weight, bias: x @ weight.T - bias,
        "not those of": lambda x, weight, bias: (x @ weight.T + bias).relu(),
        "no gradient": lambda x, weight, bias: (x @ weight.T + bias).detach(),
    },
    "A.3": {
        "losses of the rows": lambda logits, labels: functional.cross_entropy(
            logits, labels, reduction="none"
        ),
        "sign is missing": lambda logits, labels: -picked(logits, labels),
        "sum over the batch": lambda logits, labels: len(labels) * picked(logits, labels),
        "mean probability": lambda logits, labels: (
            logits.softmax(1).gather(1, labels[:, None]).mean()
        ),
        "over all classes": lambda logits, labels: -torch.log_softmax(logits, 1).mean(),
        "is 1.184": lambda logits, labels: logits.mean(),
        "no gradient": lambda logits, labels: picked(logits, labels).detach(),
        "overflow": overflowing,
    },
    "A.4": {
        "no weight has moved": step_first,
        "clear the old": no_clear,
        "not down the gradient": of_sums,
        "not that before": loss_after,
        "Python number": tensor_back,
        "returned None": lambda network, optimizer, images, labels: print(end=""),
    },
}
RIGHT = {
    "A.1": (lambda images: images.reshape(len(images), -1), lambda images: nn.Flatten()(images)),
    "A.2": (
        lambda x, weight, bias: torch.stack([weight @ row + bias for row in x]),
        lambda x, weight, bias: functional.linear(x, weight, bias),
    ),
    "A.3": (picked, lambda logits, labels: functional.cross_entropy(logits, labels)),
    "A.4": (cleared, by_module),
}

TestExercisesA = exercise_tests(EXERCISES, WRONG, RIGHT)


def test_your_own_answer_is_called_again_once_it_is_right(capsys):
    def mine(images):
        return images.flatten(start_dim=1)

    assert exercises.yours("A.1") is as_rows
    assert "with the course's as_rows" in capsys.readouterr().out
    exercises.check("A.1", mine)
    assert exercises.yours("A.1") is mine
    assert "with your own as_rows" in capsys.readouterr().out
    exercises.check("A.1", lambda images: images)
    assert exercises.yours("A.1") is as_rows, "an answer that has become wrong is not used"


def test_yours_of_an_unknown_exercise_is_an_error():
    with pytest.raises(ValueError, match=r"exercise must be one of .*A\.4"):
        exercises.yours("A.9")
