import sys; sys.path.insert(0,'.')
import torch,time
torch.set_num_threads(1)
from dqngan_lib.brushes import *
from dqngan_lib.painter import *
from dqngan_lib.data import photos
from torchvision.utils import save_image, make_grid
P=photos()
crop=lambda x:x[:,8:120,8:120].contiguous()
def allgreedy(t,n):
    p=Painting(torch.ones_like(t)); e=(t-1).square().sum().item(); p.errors.append(e/t.numel())
    counts={4:0,2:0,1:0}
    sm={f:avg_pool2d(t[None],f) for f in (4,2,1)}
    order=[]
    for _ in range(n):
        best=None
        for f in (4,2,1):
            g=brush_gains(avg_pool2d(p.canvas[None],f),sm[f])*f*f
            v=g.max().item()
            if best is None or v>best[0]: best=(v,f,int(g.argmax()))
        v,f,num=best; counts[f]+=1
        e-=lay_best(p,t,stroke_at(num,112//f,112//f,f),None); p.errors.append(e/t.numel())
    return p,counts
import itertools
out=[]
for name in sys.argv[1:]:
    t=crop(P[name])
    for sch in (((4,60),(2,140),(1,300)),((4,40),(2,200),(1,260)),((4,30),(2,120),(1,350)),((4,100),(2,200),(1,200)),((4,50),(2,150),(1,300))):
        t0=time.process_time(); p=paint(brush_gains,t,sch); s=time.process_time()-t0
        print(name,sch,'%.2f'%p.psnr()[-1],'%.1fs'%s,['%.1f'%p.psnr()[i] for i in (50,100,200,300,400)],flush=True)
    r=paint(random_values(),t); print('random %.2f'%r.psnr()[-1])
    t0=time.process_time();a,c=allgreedy(t,500); print('all levels %.2f'%a.psnr()[-1],c,time.process_time()-t0,flush=True)
    out+=[t,p.canvas,a.canvas,r.canvas]
save_image(make_grid(torch.stack(out),4).repeat_interleave(2,1).repeat_interleave(2,2),'scratch/art/g.png')
