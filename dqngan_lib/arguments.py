"""Checks of arguments that the scores share: each error names the argument and what is allowed."""

from numbers import Integral

import torch
from torch import Tensor


def kind_of(value: object) -> str:
    """Return what to call an argument's type in an error: the dtype of a tensor, else its class."""
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise an error unless a value is a whole number within bounds."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        bounds = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {bounds}; got {value!r}")


def numbers(name: str, values: Tensor) -> Tensor:
    """Return a float tensor or array as float64 on the CPU, without its gradient."""
    if not isinstance(values, Tensor):
        try:
            values = torch.as_tensor(values)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name} must be a float tensor; got {kind_of(values)}") from None
    if not values.is_floating_point():
        raise TypeError(f"{name} must be a float tensor; got {values.dtype}")
    values = values.detach().cpu().double()
    if not values.isfinite().all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity")
    return values


def points(name: str, values: Tensor, least: int = 1, flatten: bool = False) -> Tensor:
    """Return points `(n, d)` in float64, or images as such points when `flatten` is true."""
    values = numbers(name, values)
    if values.ndim < 2 or (values.ndim > 2 and not flatten) or 0 in values.shape[1:]:
        shape = "(n, …)" if flatten else "(n, d)"
        raise ValueError(f"{name} must have shape {shape}; got {tuple(values.shape)}")
    if len(values) < least:
        raise ValueError(f"{name} must have at least {least} rows; got {len(values)}")
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
