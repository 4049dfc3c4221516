"""The audit's hash chains: that what was done cannot be changed or left out afterwards.

chain       a row as bytes, and its hash
verifier    what is wrong with a chain, row by row
verify      reads all chains of a database and tells every fault; logs the heads
impersonal  keeps personal data out
"""
