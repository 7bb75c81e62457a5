"""From a trained model to videos, in constant memory and without an end if wished.

motion_noise  the random numbers of a video: a function of (seed, index) alone
model         load_model and VideoModel: frames at any times
model_file    the file of a model, written whole and checked when read
stream        endless or finite chunks of frames; lengths such as 128, 5s, inf
interpolate   walks between contents while the motion goes on
grid          several videos in one picture
sinks         where frames go: mp4, webm, gif, PNG frames, a pipe
pixels        what video formats want: rates, YUV planes, palettes
"""
