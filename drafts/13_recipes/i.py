import sys; sys.path.insert(0,'build/h13')
from f import *
from g import LF
from dqngan_lib.patch_choice import *
from dqngan_lib.dqn import *; from dqngan_lib.dqn_training import *; from dqngan_lib.networks import QNetwork
im,lab=torch.load('build/mlpool.pt')
pm=torch.randperm(3000,generator=torch.Generator().manual_seed(0)); im,lab=im[pm],lab[pm]
phi=RandomFeatures(64,8); lam=10.
few=LF(X[:15],Y[:15],phi); val=LF(X[1000:1300],Y[1000:1300],phi); te=LF(XT,YT,phi)
pool,pool2=LF(im[:1500],lab[:1500],phi),LF(im[1500:],lab[1500:],phi)
z=torch.zeros(1500)
N=int(sys.argv[1]); C=int(sys.argv[2]); gam=float(sys.argv[3])
env=PatchChoice(16,pool,z,few,val,C,lam); look=PatchChoice(100,pool2,z,few,val,C,lam)
t=time.process_time()
def rep(name,pol):
    c=choose(pol,look,1); print(name,'val',c.validation.mean().item(),'test',accuracy(c.weights,te).mean().item(),'kept',c.kept.float().mean().item(), 'of right'); return c
rep('none',lambda o:torch.zeros(len(o),dtype=torch.long)); rep('all',lambda o:torch.ones(len(o),dtype=torch.long))
print(time.process_time()-t)
g=torch.Generator().manual_seed(0)
for p in (.25,.5,.75): rep(f'rand{p}',lambda o:(torch.rand(len(o),generator=g)<p).long())
rep('first>',lambda o:(o[:,6]>0.2).long())
rep('agree',lambda o:(o[:,3:6].argmax(1)==o[:,:3].argmax(1)).long())
torch.manual_seed(0)
ag=DQN(QNetwork(11,2,(64,64)),DQNSettings(discount=gam,learning_rate=2e-3,target_rate=.02),0)
ev=lambda a: choose(a.act,PatchChoice(50,pool,z,few,val,C,lam),5).validation.mean().item()
t=time.process_time()
h=train_dqn(ag,env,ev,TrainSettings(steps=N,capacity=20000,batch_size=256,learn_after=500,epsilon_fraction=.5,learning_rate_end=.0,evaluate_every=N//4),seed=0)
print('time',time.process_time()-t,h.score)
rep('dqn',ag.act)
