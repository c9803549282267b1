import sys,os; sys.path.insert(0,'.')
import torch,time
torch.set_num_threads(1)
from dqngan_lib.brushes import *
from dqngan_lib.painter import *
from dqngan_lib.style import *
from dqngan_lib.palettes import picture_palette
from dqngan_lib.data import photos
from torchvision.utils import save_image, make_grid
style,content=sys.argv[1:3]; lam=[float(x) for x in sys.argv[3:]]
P={k:v[:,8:120,8:120].contiguous() for k,v in photos().items()}
t0=time.process_time(); T=lambda:'%.1f'%(time.process_time()-t0)
sch=((4,30),(2,120),(1,350))
half=((4,15),(2,60),(1,120))
pa={k:paint(brush_gains,P[k],half).canvas for k in (style,'rocket','coffee' if style!='coffee' else 'flower','retina',content)}
print('paint',T())
real=sheet_patches([pa[style],P[style]],1200,0); fake=sheet_patches([pa[k] for k in pa if k!=style],1200,0)
torch.manual_seed(0); D=StyleCritic(); l=train_critic(D,real,fake,CriticSettings(updates=100)); print('critic',T(),sum(l[-20:])/20)
torch.manual_seed(1)
pal=picture_palette(P[style],8); print(T())
out=[P[content],pa[style]]
for w in lam:
    p=paint_with_critic(brush_gains,P[content],D,w,pal,((4,30),(2,100),(1,240)),candidates=12)
    print(w,'psnr %.2f'%p.psnr()[-1],'critic %.2f'%critic_score(D,p.canvas),T(),flush=True); out.append(p.canvas)
save_image(make_grid(torch.stack(out),4).repeat_interleave(2,1).repeat_interleave(2,2),'scratch/art/style.png')
