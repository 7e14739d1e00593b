"""Events of recordings and of a microphone."""
