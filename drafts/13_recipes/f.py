import sys; sys.path.insert(0,'build/h13')
import gen
from gen import *
from c import tr
from dqngan_lib.causal_networks import train_by_likelihood
def patches2(images,tissue,count,seed,least=0.5):
    g=torch.Generator().manual_seed(seed)
    inside=(images[:,0]>0.1).float()
    sh=torch.nn.functional.avg_pool2d(inside[:,None],16,1)[:,0]
    a=tissue[:,7:7+49,7:7+49]; same=torch.ones_like(a,dtype=torch.bool)
    for dy in (0,1):
        for dx in (0,1): same&=tissue[:,7+dy:56+dy,7+dx:56+dx]==a
    out=[];ys=[]
    for k in range(3):
        idx=((a==k)&same&(sh>=least)).nonzero()
        pick=idx[torch.randperm(len(idx),generator=g)[:count]]
        out+=[images[i,:,r:r+16,c:c+16] for i,r,c in pick.tolist()]
        ys.append(torch.full((len(pick),),k)); print(k,len(idx))
    x=torch.stack(out);y=torch.cat(ys); o=torch.randperm(len(x),generator=g)
    return x[o],y[o]
X,Y=patches2(b.train_images,b.train_tissue,4000,0); XT,YT=patches2(b.test_images,b.test_tissue,1000,1)
if __name__=='__main__':
    cb=fit_codebook(X,4,128,0); rec=reconstruction(X,cb)
    rn=tr(X,Y)
    print('RR',acc(rn,XT,YT),'cb',acc(tr(rec,Y),XT,YT),'few',[acc(tr(X[s*30:s*30+30],Y[s*30:s*30+30]),XT,YT) for s in range(3)])
    lab=torch.arange(3).repeat(600)
    for mul in (1,10):
        torch.manual_seed(0); net=CausalTransformer(cb,16,starts=3); net.start.data.mul_(mul)
        can=PatchCanvas(1800,cb,4,starts=3); ep=can.episodes(X,Y); t=time.process_time()
        train_by_likelihood(net,ep,200,seed=0)
        im=can.pictures(generate(net,can,1.0,lab,0))
        print(mul,time.process_time()-t,'TSTR',acc(tr(im,lab),XT,YT),'TRTS',acc(rn,im,lab),flush=True)
