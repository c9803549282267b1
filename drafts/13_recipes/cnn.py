import sys; sys.argv=['x','1','b','0','4e-3','.5','300','.1']
exec(open('build/j.py').read().split("A=SETS[which]")[0])
from dqngan_lib.pixel_networks import *
from dqngan_lib.restoration import *
from torch import nn
class Two(nn.Module):
    def __init__(s,mode):
        super().__init__(); s.mode=mode; s.trunk=trunk(2 if mode else 1); s.out=silent_head(24,1)
    def forward(s,x):
        n,a=x[:,:1],x[:,1:2]
        if s.mode==0: return n+s.out(s.trunk(4*(n-.3)))*.1
        return a+s.out(s.trunk(torch.cat([4*(a-.3),(n-a)/NOISE],1)))*.05
c,n,a=narrow(C),N*WIDTH-MARGIN,narrow(A_)
for mode in (0,1):
    torch.manual_seed(0); net=Two(mode); x=torch.cat([n,a],1)
    u=train_regressor(net,x,c,seconds=6)
    tx=torch.cat([tn,ta],1)
    print(mode,u,psnr(regress(net,tx),te).mean().item(),psnr(ta.clamp(0,1),te).mean().item(),flush=True)
