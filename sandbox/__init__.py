"""The sandbox of the French Service d'Accès aux Soins: one folder per actor, and what they share beneath."""

__version__ = "0.1.0"
