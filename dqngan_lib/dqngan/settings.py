"""How a DQN-GAN learns from a batch: every choice that notebooks 08 and 09 compare."""

from dataclasses import dataclass

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.dqngan.rewards import REWARD_FORMS, RewardForm


@dataclass
class DQNGANSettings:
    """How the generator and the discriminator learn from a batch."""

    reward: RewardForm = "prefix"
    """What the discriminator pays; see `dqngan_lib.dqngan.rewards`."""
    every_step: bool = False
    """Whether each step is paid at once for what it changed (Ng et al. 1999), or only the end."""
    temperature: float = 1.0
    """α: the sampler takes actions with probability softmax(Q/α)."""
    greedy: bool = False
    """Whether the sampler takes the greatest Q-value instead, and the backup does as well."""
    epsilon: float = 0.0
    """Share of actions that the sampler draws from all alike, from 0 to 1."""
    discount: float = 1.0
    """γ, from 0 to 1. Below 1 the pictures are no longer those of the reward."""
    expected_fakes: bool = False
    """Whether a fake is all of the sampler's actions in a state, weighted by q, or one of them."""
    clip: float = 5.0
    """How far a logit of the `prefix` form may be from its mean; see `policy_target`."""
    q_rate: float = 1e-3
    """Step size of the Q-network's Adam at the start."""
    discriminator_rate: float = 2e-3
    """Step size of the discriminator's Adam at the start."""
    gradient_clip: float = 1.0
    """Greatest norm of the Q-network's gradient."""
    sampler_memory: float = 0.95
    """Memory of the sampler, a running mean of the Q-network, in [0, 1)."""
    slow_memory: float = 0.95
    """Memory of the slow network, a slower running mean, in [0, 1); less at first."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        require(self.reward in REWARD_FORMS, "reward", self.reward, f"one of {REWARD_FORMS}")
        for name in ("epsilon", "discount"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        for name in ("sampler_memory", "slow_memory"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "from 0, below 1")
        for name in ("temperature", "clip", "q_rate", "discriminator_rate", "gradient_clip"):
            require(getattr(self, name) > 0, name, getattr(self, name), "> 0")
        if self.every_step and self.reward not in ("logit", "logit + log q"):
            raise ValueError(
                "every_step is for the rewards 'logit' and 'logit + log q': only they say what "
                f"one step changed; got reward={self.reward!r}"
            )
        if self.expected_fakes and (self.reward == "wasserstein" or self.greedy):
            raise ValueError(
                "expected_fakes needs log q and a discriminator with a logit; got "
                f"reward={self.reward!r}, greedy={self.greedy!r}"
            )
        without_q = ("D", "-log(1-D)", "logit", "wasserstein")
        if self.greedy and (self.reward not in without_q or self.every_step):
            raise ValueError(
                "a greedy sampler has no log q, which this reward needs; got "
                f"reward={self.reward!r}, every_step={self.every_step!r}"
            )
