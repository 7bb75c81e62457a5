"""Networks out of other people's snapshots, which are pickles, without running anything that stands in them.

records       a pickle read as data: nothing it names is imported or called
plain         numbers, texts and OmegaConf settings out of the records
tensors       tensors out of the records
networks      networks out of the records: constructor arguments, tensors by name
child         all of the above in a process with little memory, little time, and two plain files as its only result
read          starts that process and reads what it has written
convert       what was read → networks of a family here
checkpoint    those → a checkpoint folder, looked at and then renamed into place
"""
