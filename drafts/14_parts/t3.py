import sys,os; os.environ["COURSE_HEADLESS"]="1"; sys.path.insert(0,'.')
import torch,time,json
torch.set_num_threads(1)
from dqngan_lib.brushes import *
from dqngan_lib.painter import *
from dqngan_lib.photo_canvas import *
from dqngan_lib.photo_networks import *
from dqngan_lib.dqn import *
from dqngan_lib.dqn_training import *
from dqngan_lib.data import photos
P=photos()
crop=lambda x:x[:,8:120,8:120].contiguous()
def run(updates=500, unit=.1, discount=.5, width=32, lr=1e-3, batch=64, seed=0, huber=1.0, names=('coffee','flower','retina','hubble'), dil=(1,2,3,1)):
    pics=[P[n] for n in names]
    tr=torch.cat([photo_patches(pics,3200,seed),plain_patches(800,seed)])
    torch.manual_seed(seed)
    ag=PainterAgent(PainterNetwork(width,dil),DQNSettings(discount=discount,learning_rate=lr,target_rate=.02,huber_delta=huber,backup='max'),seed=seed)
    def ev(a):
        ps=test(a,('coffee','flower'))
        print(a.updates,[['%.1f'%p.psnr()[i] for i in (60,200,500)] for p in ps],['%.2f'%(sum(a-b<1e-7 for a,b in zip(p.errors,p.errors[1:]))/500) for p in ps],flush=True); return float(a.updates)
    t0=time.process_time()
    hist=train_dqn(ag,PhotoCanvas(32,tr,unit=unit),ev,TrainSettings(steps=32*updates,capacity=20000,batch_size=batch,learn_after=640,epsilon_fraction=.3,epsilon_end=.1,learning_rate_end=.1,evaluate_every=32*250),seed=seed)
    sec=time.process_time()-t0
    return ag,sec
def test(ag,names,sch=((4,40),(2,130),(1,330))):
    out=[]
    for n in names:
        t=crop(P[n]) if P[n].shape[1]==128 else P[n]
        with torch.no_grad(): p=paint(ag.q_network.values,t,sch)
        out.append(p)
    return out
if __name__=='__main__':
    from dqngan_lib.networks import as_input
    cfgs=json.loads(sys.argv[1])
    for c in cfgs:
        ag,sec=run(**c)
        t0=time.process_time()
        ps=[]
        print(c,'%.0fs'%sec,'paint %.1fs'%(time.process_time()-t0),[['%.2f'%p.psnr()[i] for i in (60,200,500)] for p in ps],['%.2f'%(sum(a-b<1e-7 for a,b in zip(p.errors,p.errors[1:]))/500) for p in ps],flush=True)
