"""What an HTTP listener does before and around the applications behind it."""
