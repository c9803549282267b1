import sys,time,torch,numpy as np
sys.path.insert(0,'.')
from dqngan_lib.data import brain_slices
from dqngan_lib.pictures import psnr
from dqngan_lib.filters import *
from dqngan_lib.medical import *
from dqngan_lib.head_start import *
from dqngan_lib.restoration import *
from dataclasses import replace
from functools import partial
torch.set_num_threads(1)
b=brain_slices(); z=b.train_z_mm
val=((z>=4)&(z<=15)); near=((z>=0)&(z<=19)); fit=~near
U=int(sys.argv[1]); which=sys.argv[2]; seed=int(sys.argv[3]); lr=float(sys.argv[4]); scale=float(sys.argv[5]); eps=float(sys.argv[6])
f=lambda x:back_projection(shrink(x,2),2,50,2.0,'bicubic')
e=lambda x:enlarge(shrink(x,2),2)
if seed==0 and U<50:
    for st in (3,10,50):
        for r in (.5,1.,2.):
            for m in ('bilinear','bicubic'):
                x=b.train_images[fit]; print(st,r,m,psnr(back_projection(shrink(x,2),2,st,r,m),x).mean().item())
x=b.train_images[fit]; C,N,A_=crops(x),crops(e(x)),crops(f(x)); keep=C.mean((1,2,3))>0.1; C,N,A_=C[keep],N[keep],A_[keep]
te=b.test_images; vc=b.train_images[val]
soft=lambda x:x+.3*(gaussian(x,1.)-x)
sharp=lambda x:(x-.3*(gaussian(x,1.)-x)).clamp(0,1)
A={'p':ActionSet((3,10),{'soften':soft,'sharpen':sharp}),'e':ActionSet((3,10)),'s':ActionSet((4,16),{'soften':soft,'sharpen':sharp})}[which]
t=time.process_time()
torch.manual_seed(seed); net=HeadStartQNetwork(len(A),.4,.25,.02)
ag,h=train_head_start(N,A_,C,A,net,held_out=(e(vc),f(vc),vc),agent=replace(HEAD_START_AGENT,learning_rate=lr),training=replace(HEAD_START_TRAINING,steps=8*U,evaluate_every=4*U,epsilon_start=eps),reward_scale=scale,seed=seed)
t=time.process_time()-t
ed=edit_answers(ag.act,e(te),f(te),A)
print(sys.argv[1:],len(C),'secs',round(t,1),'test',psnr(ed.result,te).mean().item(),'bp',psnr(f(te),te).mean().item(),'bic',psnr(e(te),te).mean().item(),'val',h.score,psnr(f(vc),vc).mean().item())
for t in (0,2,4): print([f'{n}:{(ed.actions[t]==i).float().mean():.2f}' for i,n in enumerate(A.names)])
