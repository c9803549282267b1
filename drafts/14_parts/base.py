import sys; sys.path.insert(0,'.')
import torch
torch.set_num_threads(1)
from dqngan_lib.brushes import *
from dqngan_lib.painter import *
from dqngan_lib.data import photos
P=photos()
for n in P:
    t=P[n][:,8:120,8:120].contiguous()
    p=paint(brush_gains,t); print(n,['%.2f'%p.psnr()[i] for i in (0,60,200,500)],flush=True)
