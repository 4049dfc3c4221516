"""The configuration file: read, checked as a whole, and every fault told at once.

load          from a path to a Config, or to all its faults
source        YAML with the place of every key and value
interpolate   `${NAME}`: values from the environment
schema        every key: type, unit, range, default
translate     the schema's objections in plain words, at their place
checks        what must fit together across sections
faults        a fault: place, line, caret, what to do
"""
