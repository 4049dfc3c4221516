"""How fast we are beside others: starts them all, loads them in turns, compares.

Run it as `./tollway bench proxy`, `./tollway bench webhooks`,
`./tollway bench entitlements`, or `./tollway soak`. It may import everything; nobody imports it.

__main__   the command line
commands   what every command of it needs
gateway    the environment in which a gateway of ours is started
answering  an app that answers whatever comes, for measures of the gateway alone
run        one run: the app, the table, and what else was chosen
site       where it happens: a folder, cores, ports, programs with guards
cores      which core does what
nginx      runs nginx, in whichever part
app        the app behind every stack, and the decision service
stacks     what is compared
together   starts and stops several stacks at once
programs   programs that run as processes of their own
program    runs one of them
wrk        the load
cpu        CPU time and memory of process trees
check      is the answer right, before, while and after it is measured
requests   the table: CPU and requests a second, in alternating rounds
sections   what is measured beside the table
webhooks   how fast webhooks are taken and applied
entitlements  what each rung of the caches costs, and until every worker knows
soak       everything at once, while stores, networks and processes fail
trouble    the failures, and what may be answered in them
stats      medians, spreads, ratios
targets    what we aim at, and what we must not miss
result     what was measured, as JSON
machine    what it was measured on
report     the tables on the terminal
page       the measured part of docs/performance.md
chart      the chart, as SVG
errors     the one error
"""
