"""The commands of `siyu`, one module a subject."""
