import torch
from torch import nn
from torch.nn import functional
from dqngan_lib.causal_networks import CausalTransformer
class Told(CausalTransformer):
    def __init__(self, codebook, steps, starts, dropout=0.0, scale=0.3, **k):
        super().__init__(codebook, steps, starts, dropout=dropout, **k)
        self.told = nn.Parameter(scale * torch.randn(starts, steps, self.place.shape[1]))
    def forward(self, tokens, memory=None):
        known, length = 0 if memory is None else memory.length, tokens.shape[1]
        x = functional.embedding(tokens[:, max(known, 1):], self.patch)
        if known == 0:
            x = torch.cat([functional.embedding(tokens[:, :1], self.start), x], 1)
        x = self.dropout(x + self.place[known:length] + self.told[tokens[:, 0], known:length])
        for layer, block in enumerate(self.blocks):
            x = block(x, memory, layer)
        return self.head(self.norm(x)).mT
