"""The commands of ``jan-ort``, one module each, imported when they are called."""
