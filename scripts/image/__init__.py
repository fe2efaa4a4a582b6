"""Builds the container image with buildah, says what it is made of, and runs it."""
