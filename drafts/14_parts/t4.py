import sys; sys.path.insert(0,'.')
import torch,time
torch.set_num_threads(1)
from dqngan_lib.brushes import *
from dqngan_lib.painter import *
from dqngan_lib.brush_looks import *
from dqngan_lib.data import photos
from torchvision.utils import save_image, make_grid
P=photos()
n=sys.argv[1]; t=P[n][:,8:120,8:120].contiguous()
p=paint(brush_gains,t,((4,30),(2,120),(1,350)))
print(p.psnr()[-1])
t0=time.process_time()
ims=[render(p.strokes,112,112,3,l) for l in LOOKS]; print(time.process_time()-t0)
up=t.repeat_interleave(3,1).repeat_interleave(3,2)
save_image(make_grid(torch.stack([up,*ims]),3),f'scratch/art/looks_{n}.png')
