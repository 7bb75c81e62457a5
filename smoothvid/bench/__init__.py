"""How fast each part runs on this machine: ours, the plain PyTorch composition of the same math, and the floor.

timing      turns, medians and ratios
memory      the peak of a call
elsewhere   a second process, whose memory is as the system gives it
floor       the convolutions that a pass makes, alone; a copy of so many bytes
case        what a stage measures, under which settings
networks    stages of the networks
training    stages of a training iteration
videos      stages of files: decoding, loading, encoding, sampling
decoding    videos decoded alone
loading     rates of the loader beside those of its limits
stages      which there are
run         one run over them
machine     what a result depends on
chart       the result as a picture
"""
