"""Everything that a card must show, in one command of minutes: `python -m smoothvid.bench.card --out FOLDER`.

settings    what was asked for
stages      which stages there are, in order of worth, and the time each may take
run         starts each stage in a process of its own, until the time is up; goes on where it was
jobs        one stage in its process: jobs one by one, each result on disk when it is there
equal       stages that compare: every fast path with the plain one, this device with the CPU, a run with itself
faults      the stage that looks at operations which failed, one by one
compiling   kernels compiled beside each other, before something is timed
speed       stages that measure: limits of the device, filters, generators, training, memory
sweep       the stage that tries sizes for the kernels
learn       the stage that trains a model to the last minute and looks at it
page        card.json and card.md, made of the results so far
"""
