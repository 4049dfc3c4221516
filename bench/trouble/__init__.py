"""Trouble made on purpose, and what the product may do in it: for the soak and for tests.

link      the network between the product and one of its servers: cut, silent, slow
servers   where a link to one of our servers leads, and how a process hangs
verdicts  what was answered, held against what was true: pure
"""
