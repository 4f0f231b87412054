"""An SQL agent trained by reinforcement learning; see README.md."""
