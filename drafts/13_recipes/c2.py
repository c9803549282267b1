import sys; sys.path.insert(0,'build/h13')
from f import *
from told import Told
R=int(sys.argv[1]); K=int(sys.argv[2]); sc=float(sys.argv[3]); seed=int(sys.argv[4]); qr=float(sys.argv[5]) if len(sys.argv)>5 else 2e-3
cb=fit_codebook(X,4,K,0)
rn=tr(X,Y)
torch.manual_seed(seed)
ag=DQNGAN(Told(cb,16,3,scale=sc),Told(cb,16,3,dropout=0.1,scale=sc),DQNGANSettings(q_rate=qr,discriminator_rate=2*qr,sampler_memory=0.9,generator_memory=0.97),seed)
can=PatchCanvas(64,cb,4,starts=3)
ep=can.episodes(X,Y); real={'observation':ep[:,:-1],'action':ep[:,1:]}
lab=torch.arange(3).repeat(600)
def ev(a):
    o=[]
    for tau in (1.,.7):
        im=can.pictures(generate(a.generator,PatchCanvas(1800,cb,4,starts=3),tau,lab,0))
        o.append((tau,'TSTR',[round(acc(tr(im,lab,seed=s),XT,YT),3) for s in range(2)],'TRTS',round(acc(rn,im,lab),3)))
        torch.save({'im':im,'gen':a.generator.state_dict(),'cb':cb,'disc':a.discriminator.state_dict()},f'build/told_{seed}_{a.updates}_{tau}.pt')
    print(sys.argv[1:],a.updates,round(time.process_time()-t0,1),o,flush=True)
    return 0.
t0=time.process_time()
train_dqngan(ag,can,real,evaluate=ev,settings=DQNGANTrainSettings(updates=R,branch_share=0.5,evaluate_every=100,learning_rate_end=0.1),seed=seed)
