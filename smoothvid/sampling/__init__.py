"""From a trained model to videos, in constant memory and without an end if wished.

motion_noise  the random numbers of a video: a function of (seed, index) alone
model         load_model and VideoModel: frames at any times
model_file    the file of a model, written whole and checked when read
stream        endless or finite chunks of frames; lengths such as 128, 5s, inf
curve         smooth curves through keys, open or closed
interpolate   walks between contents while the motion goes on, loops
grid          several videos in one picture, with captions
sinks         where frames go: mp4, webm, gif, PNG frames, HLS, a pipe; encoding beside generation
pixels        what video formats want: rates, YUV planes, palettes
"""
