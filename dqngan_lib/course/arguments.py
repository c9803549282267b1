"""Checks of arguments and settings: each error names the argument and what is allowed."""

from contextlib import suppress
from dataclasses import fields
from numbers import Integral, Real

import torch
from torch import Tensor


def require(holds: bool, name: str, value: object, allowed: str) -> None:
    """Raise an error that names the argument, what was given and what is allowed.

    Args:
        holds: Whether all is well.
        name: The argument.
        value: What was given.
        allowed: What is allowed, in words.

    Raises:
        ValueError: `holds` is false.
    """
    if not holds:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")


def make_plain_numbers(settings: object) -> None:
    """Turn NumPy's numbers into Python's, which any checkpoint can hold; refuse other things.

    Args:
        settings: A dataclass; its fields of type int and float are looked at.

    Raises:
        TypeError: A field that must be a number is none.
    """
    for item in fields(settings):
        if item.type not in (int, float):
            continue
        value, kind = getattr(settings, item.name), Integral if item.type is int else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            allowed = "a whole number" if item.type is int else "a number"
            raise TypeError(f"{item.name} must be {allowed}; got {value!r}")
        setattr(settings, item.name, item.type(value))


def kind_of(value: object) -> str:
    """Return what to call an argument's type in an error: the dtype of a tensor, else its class."""
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise an error unless a value is a whole number within bounds."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    fits = is_whole and value >= least and (most is None or value <= most)
    bounds = f">= {least}" if most is None else f"from {least} to {most}"
    require(fits, name, value, f"a whole number {bounds}")


def positive_sizes(**sizes: int) -> None:
    """Raise an error that names the first size that is not a whole number of at least 1."""
    for name, size in sizes.items():
        whole(name, size, 1)


def whole_numbers(name: str, values: Tensor, count: int, most: int) -> Tensor:
    """Return `count` whole numbers from 0 to `most` as int64, or say what is wrong with them."""
    values = torch.as_tensor(values)
    fits = values.shape == (count,) and not values.is_floating_point()
    if not fits or not ((values >= 0) & (values <= most)).all():
        got = f"{values}, {values.dtype}" if values.is_floating_point() else values
        raise ValueError(f"{name} must hold {count} whole numbers from 0 to {most}; got {got}")
    return values.long()


def float_tensor(name: str, values: Tensor) -> None:
    """Raise an error unless a value is a tensor of float numbers."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise TypeError(f"{name} must be a float tensor; got {kind_of(values)}")


def finite(name: str, values: Tensor) -> None:
    """Raise an error if a tensor holds NaN or infinity."""
    if not values.isfinite().all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity")


def numbers(name: str, values: Tensor) -> Tensor:
    """Return a float tensor or array as float64 on the CPU, without its gradient."""
    if not isinstance(values, Tensor):
        with suppress(TypeError, ValueError, RuntimeError):  # what is no array is refused below
            values = torch.as_tensor(values)
    float_tensor(name, values)
    finite(name, values)
    return values.detach().cpu().double()


def points(name: str, values: Tensor, least: int = 1, flatten: bool = False) -> Tensor:
    """Return points `(n, d)` in float64, or images as such points when `flatten` is true."""
    values = numbers(name, values)
    shape, wanted = tuple(values.shape), "(n, …)" if flatten else "(n, d)"
    fits = (len(shape) == 2 or (len(shape) > 2 and flatten)) and 0 not in shape[1:]
    require(fits, name, shape, f"of shape {wanted}")
    require(len(values) >= least, name, len(values), f"at least {least} rows")
    return values.flatten(1)


def unit_range(name: str, values: Tensor) -> Tensor:
    """Return values after checking that they lie in [0, 1], but for a little rounding."""
    low, high = values.min().item(), values.max().item()
    if low < -1e-4 or high > 1 + 1e-4:
        hint = "; map a tanh output by (x + 1) / 2" if low >= -1.001 and high <= 1.001 else ""
        raise ValueError(f"{name} must lie in [0, 1]; got {low:.3g} to {high:.3g}{hint}")
    return values


def probabilities(name: str, values: Tensor) -> Tensor:
    """Return probabilities in float64 after checking that they are such."""
    values = numbers(name, values)
    total = values.sum().item()
    if values.numel() == 0 or values.min() < 0 or abs(total - 1) > 1e-4:
        raise ValueError(
            f"{name} must be probabilities >= 0 that sum to 1; they sum to {total:.6g}"
            + (f" and the least is {values.min():.3g}" if values.numel() else "")
        )
    return values
