"""The same first weights in every test: import `fixed_weights` where networks are made."""

import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_weights():
    """Draw the same first weights in every test, and put the generator back."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
