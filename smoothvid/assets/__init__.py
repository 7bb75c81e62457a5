"""Small trained models that ship with the package, to start trainings from; see README.md."""
