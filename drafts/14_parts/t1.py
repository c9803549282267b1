import sys; sys.path.insert(0,'.')
import torch,time
torch.set_num_threads(1)
from dqngan_lib.brushes import *
t0=time.process_time(); T=brush_table(); print('table',time.process_time()-t0,T.sum(1)[[0,8*196+100,7*14+7]])
c=torch.rand(2,3,28,28);t=torch.rand(2,3,28,28)
g=brush_gains(c,t).flatten(1)
cf,tf=c.flatten(2),t.flatten(2)
m=T[:,None]
for i in range(2):
    k=best_colour(cf[i][None],tf[i][None],m)
    new=lay_colour(cf[i][None],m,k)
    tr=(tf[i]-cf[i]).square().sum()-(tf[i]-new).square().sum((1,2))
    print((tr-g[i]).abs().max())
for s in (28,56,112):
    c=torch.rand(1,3,s,s)
    t0=time.process_time()
    for _ in range(10): brush_gains(c,c.flip(2))
    print(s,(time.process_time()-t0)/10)
