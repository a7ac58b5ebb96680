"""Blocks of published image and sequence networks as torch modules, each by the equations of its source.

Maps are (n, height, width, channels), tokens (n, tokens, channels), so that a block reads and returns one
layout whatever it mixes. Everything but this file imports torch; `models/zoo.py` has a row for each.
"""
