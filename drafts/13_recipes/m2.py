import sys; sys.path.insert(0,'build/h13')
from f import *
from told import Told
import c
d=torch.load('build/told_0_600_1.0.pt')
net=Told(d['cb'],16,3); net.load_state_dict(d['gen']); net.eval()
lab=torch.arange(3).repeat(3000); can=PatchCanvas(9000,d['cb'],4,starts=3)
ims={tau:can.pictures(generate(net,can,tau,lab,1)) for tau in (1.,.8)}
class MM(nn.Module):
    def __init__(s,m=8,wd=64):
        super().__init__(); s.m=m; s.net=nn.Sequential(nn.Flatten(),nn.Linear(m*m,wd),nn.ReLU(),nn.Linear(wd,3))
    def forward(s,x):
        k=(16-s.m)//2; return s.net(3*(x[:,:,k:16-k,k:16-k]-0.5))
for m in (16,8,4):
    c.M=lambda m=m: MM(m)
    print('mid',m,'RR',round(acc(tr(X,Y,500),XT,YT),3),'TSTR',{t:round(acc(tr(i,lab,500),XT,YT),3) for t,i in ims.items()},'few30',[round(acc(tr(X[s*30:s*30+30],Y[s*30:s*30+30],300),XT,YT),3) for s in range(3)],'few+syn',[round(acc(tr(torch.cat([X[s*30:s*30+30],ims[1.]]),torch.cat([Y[s*30:s*30+30],lab]),500),XT,YT),3) for s in range(2)],flush=True)
