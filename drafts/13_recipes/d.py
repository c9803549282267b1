import sys,time,torch,numpy as np
sys.path.insert(0,'.')
from dqngan_lib.data import brain_slices
from dqngan_lib.pictures import psnr
from dqngan_lib.filters import *
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
torch.set_num_threads(1)
b=brain_slices(); g=torch.Generator().manual_seed(0); S=25/255
tr=b.train_images[::6]; ntr=tr+S*torch.randn(tr.shape,generator=g)
te=b.test_images; nte=te+S*torch.randn(te.shape,generator=g)
P=lambda x,y: psnr(x.clamp(0,1),y).mean().item()
def nlm(x,h,p,d,fast=True):
    return torch.from_numpy(np.stack([denoise_nl_means(i.numpy(),patch_size=p,patch_distance=d,h=h*S,sigma=S,fast_mode=fast) for i in x[:,0]])).unsqueeze(1).float()
def tv(x,w): return torch.from_numpy(np.stack([denoise_tv_chambolle(i.numpy(),weight=w) for i in x[:,0]])).unsqueeze(1).float()
def thr(x,t): return torch.where(x<t,0,x)
print('noisy',P(nte,te), psnr(nte,te).mean().item())
def best(name,fs):
    sc=[(P(f(ntr),tr),k) for k,f in fs.items()]; s,k=max(sc); print(name,k,s,'test',P(fs[k](nte),te),flush=True); return fs[k]
best('gauss',{s:(lambda x,s=s:gaussian(x,s)) for s in (.5,.6,.7,.8,1.)})
best('median',{s:(lambda x,s=s:median(x,s)) for s in (3,5)})
best('bil',{(v,s):(lambda x,v=v,s=s:bilateral(x,7,v,s)) for v in (.2,.3,.4,.6) for s in (.7,1.,1.5)})
t=time.process_time()
f=best('nlm',{(h,p,d):(lambda x,h=h,p=p,d=d:nlm(x,h,p,d)) for h in (.5,.65,.8,) for p in (3,5) for d in (7,)})
print(time.process_time()-t)
best('nlm+thr',{q:(lambda x,q=q:thr(f(x),q)) for q in (.04,.08,.1,.12,.15,.2)})
h=best('tv',{w:(lambda x,w=w:tv(x,w)) for w in (.08,.1,.12,.15)})
best('tv+thr',{q:(lambda x,q=q:thr(h(x),q)) for q in (.04,.08,.1,.12,.15,.2,.25)})
