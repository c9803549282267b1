import sys,time,torch,numpy as np
sys.path.insert(0,'.')
from dqngan_lib.data import brain_slices
from dqngan_lib.pictures import psnr
from dqngan_lib.filters import *
from dqngan_lib.medical import *
from dqngan_lib.pixel_dqn import *
from dqngan_lib.head_start import *
from functools import partial
from dataclasses import replace
import os
torch.set_num_threads(1)
b=brain_slices(); z=b.train_z_mm
val=((z>=4)&(z<=15)); near=((z>=0)&(z<=19)); fit=~near
draws=4
if not os.path.exists('build/nlm.pt'):
    t=time.process_time()
    clean=b.train_images[fit].repeat(draws,1,1,1); noisy=add_noise(clean,NOISE,10); ans=darken(non_local_means(noisy,.65),.08)
    vc=b.train_images[val]; vn=add_noise(vc,NOISE,11); va=darken(non_local_means(vn,.65),.08)
    te=b.test_images; tn=add_noise(te,NOISE,999); ta=darken(non_local_means(tn,.65),.08)
    torch.save((clean,noisy,ans,vc,vn,va,te,tn,ta),'build/nlm.pt'); print('nlm',time.process_time()-t)
clean,noisy,ans,vc,vn,va,te,tn,ta=torch.load('build/nlm.pt')
C,N,A_=crops(clean),crops(noisy),crops(ans)
keep=C.mean((1,2,3))>0.1; C,N,A_=widen(C[keep]),widen(N[keep]),widen(A_[keep])
U=int(sys.argv[1]); which=sys.argv[2]; seed=int(sys.argv[3]); lr=float(sys.argv[4]); gam=float(sys.argv[5]); scale=float(sys.argv[6])
g7=partial(gaussian,sigma=.7); 
def un(x): return (x+ .7*(x-gaussian(x,1.))).clamp(0,1)
soft=lambda x:x+.3*(gaussian(x,1.)-x)
sharp=lambda x:x-.3*(gaussian(x,1.)-x)
SETS={'p':WideActions((3,10),{'soften':soft,'sharpen':sharp}),'q':WideActions((3,10),{'gaussian':g7,'sharpen':sharp}),'r':WideActions((3,8,24),{'soften':soft,'sharpen':sharp}),'g':WideActions((4,12)),'h':WideActions((6,)),'d':WideActions((3,10),{'gaussian':g7,'sharpen':un}),'e':WideActions((3,10),{}),'f':WideActions((4,12),{'gaussian':g7,'median':median,'sharpen':un}),'a':WideActions((3,10),{'gaussian':g7,'median':median,'sharpen':un,'black':black}),'b':WideActions((4,12,36),{'black':black}),'c':WideActions((3,9,27),{'gaussian':g7,'sharpen':un,'black':black})}
A=SETS[which]
t=time.process_time()
torch.manual_seed(seed); net=HeadStartQNetwork(len(A),.3/WIDTH+.27,.25/WIDTH,NOISE/WIDTH)
ag,h=train_head_start(N,A_,C,A,net,held_out=(widen(vn),widen(va),widen(vc)),agent=replace(HEAD_START_AGENT,learning_rate=lr),training=replace(HEAD_START_TRAINING,steps=8*U,evaluate_every=2*U,epsilon_start=float(sys.argv[7])),reward_scale=scale*WIDTH**2,seed=seed)
t=time.process_time()-t
e=edit_answers(ag.act,widen(tn),widen(ta),A); r=narrow(e.result)
print(sys.argv[1:],'n',len(C),'secs',round(t,1),'test',round(psnr(r,te).mean().item(),3),'NLM',round(psnr(ta.clamp(0,1),te).mean().item(),3),'val',[round(s+20*np.log10(WIDTH)*-1,2) for s in h.score],round(psnr(va.clamp(0,1),vc).mean().item(),2),flush=True)
for t in (0,2,4): print([f'{n}:{(e.actions[t]==i).float().mean():.2f}' for i,n in enumerate(A.names)])
