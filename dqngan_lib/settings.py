"""What every dataclass of settings needs: ranges checked, and plain numbers that can be saved."""

from dataclasses import fields
from numbers import Integral, Real


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
