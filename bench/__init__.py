"""How fast we are beside others: starts them all, loads them in turns, compares.

Run it as `./tollway bench proxy`. It may import everything; nobody imports it.

__main__   the command line
site       where it happens: a folder, cores, ports, programs with guards
cores      which core does what
nginx      runs nginx, in whichever part
app        the app behind every stack, and the decision service
stacks     what is compared
programs   programs that run as processes of their own
wrk        the load
cpu        CPU time and memory of process trees
check      is the answer right, before, while and after it is measured
requests   the table: CPU and requests a second, in alternating rounds
stats      medians, spreads, ratios
targets    what we aim at, and what we must not miss
result     what is measured, as JSON
machine    what it was measured on
report     the table on the terminal
errors     the one error
"""
