"""Videos in, frames out: reading video files, preparing datasets, and reading them back."""
