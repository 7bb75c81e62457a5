"""The published metrics, with small stand-ins for the networks and their files."""
