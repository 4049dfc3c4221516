"""Trouble made on purpose: what a soak and the tests of outages disturb the product with.

link   the network between the product and a server of its: cut, silent, slow
"""
