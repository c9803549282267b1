import sys,time,torch
sys.path.insert(0,'.')
from dqngan_lib.medical import *
from dqngan_lib.tissue import *
from dqngan_lib.patch_canvas import *
from dqngan_lib.dqngan import *
from dqngan_lib.dqngan_training import *
from dqngan_lib.causal_networks import train_by_likelihood
torch.set_num_threads(1)
R,seed,K,scale=int(sys.argv[1]),int(sys.argv[2]),int(sys.argv[3]),float(sys.argv[4])
fit,val,test=split_slices()
t0=time.process_time()
tr=tissue_patches(fit.images,fit.tissue,4000,seed=0); va=tissue_patches(val.images,val.tissue,300,seed=1); te=tissue_patches(test.images,test.tissue,1000,seed=2)
print(tr.labels.bincount(),va.labels.bincount(),te.labels.bincount(),time.process_time()-t0)
t0=time.process_time(); cb=fit_codebook(tr.images,4,K,0); print('cb',time.process_time()-t0)
t0=time.process_time(); rn=train_tissue(tr); print('cls secs',time.process_time()-t0,'RR val',named_rightly(rn,va))
print('codebook',named_rightly(train_tissue(Patches(reconstruction(tr.images,cb),tr.labels)),va))
torch.manual_seed(seed)
nets=[ClassTransformer(cb,16,3),ClassTransformer(cb,16,3,dropout=.1)]
for n_ in nets: n_.told.data.mul_(scale)
st=DQNGANSettings(q_rate=2e-3,discriminator_rate=4e-3,sampler_memory=0.9,generator_memory=0.97)
ag=DQNGAN(*nets,st,seed)
can=PatchCanvas(64,cb,4,starts=3); ep=can.episodes(tr.images,tr.labels); real={'observation':ep[:,:-1],'action':ep[:,1:]}
lab=torch.arange(3).repeat(1000)
def ev(a):
    o=[]
    for tau in (1.,.8):
        im=can.pictures(generate(a.generator,PatchCanvas(3000,cb,4,starts=3),tau,lab,0)); s=Patches(im,lab)
        o.append((tau,'TSTR',round(named_rightly(train_tissue(s),va),3),'TRTS',round(named_rightly(rn,s),3)))
    print(a.updates,round(time.process_time()-t0,1),o,flush=True); return 0.
t0=time.process_time()
torch.manual_seed(seed)
train_dqngan(ag,can,real,evaluate=ev,settings=DQNGANTrainSettings(updates=R,branch_share=0.5,evaluate_every=150,learning_rate_end=0.1),seed=seed)
torch.save({'cb':cb,'gen':ag.generator.state_dict(),'q':ag.q_network.state_dict(),'s':ag.sampler.state_dict(),'d':ag.discriminator.state_dict()},f'gen1_{seed}_{scale}.pt')
torch.manual_seed(seed); ml=ClassTransformer(cb,16,3); ml.told.data.mul_(scale); t=time.process_time(); train_by_likelihood(ml,ep,R,seed=seed)
im=can.pictures(generate(ml.eval(),PatchCanvas(3000,cb,4,starts=3),1.,lab,0)); s=Patches(im,lab)
print('ML',time.process_time()-t,named_rightly(train_tissue(s),va),named_rightly(rn,s))
