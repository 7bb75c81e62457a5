"""The command line of smoothvid: one file per command, each a thin layer over one library call."""
