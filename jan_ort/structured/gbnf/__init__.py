"""Grammars in llama.cpp's language, read, checked and written in the matcher's."""
