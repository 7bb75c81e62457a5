"""How close generated videos come to real ones."""
