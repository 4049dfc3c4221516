"""The audit's hash chains: that what was done cannot be changed or left out afterwards.

chain       a row as bytes, and its hash
verifier    what is wrong with a chain, row by row
verify      reads all chains of a database and tells every fault; logs the heads
heads       the heads as text, to be kept elsewhere
epoch       seals the rows of before there were chains
impersonal  keeps personal data out
"""
