"""The composition root: the command line, the configuration, the wiring, the life of a process.

cli             the commands; __main__ runs them
commands/       operators' commands on the database, a file each
up              `tollway up`: everything on one machine
serve           `tollway serve`, `worker`, `migrate`
admin           how `tollway reload` and `upgrade` speak to a running `serve`, in its run_folder
reload          a new configuration: checked, prepared, swapped, or refused
upgrade         the heir of a running process, and what it is left
notify          tells systemd
supervisor      `serve --workers N`: keeps a control process and N workers alive
children        a child process, as the supervisor sees it
channel         what the two say to each other
child           the child process itself
reports         what workers tell of themselves
lifecycle       one process's parts: started, changed over, drained
front           the visitors' side of a process
back            the control side: pages, inbox worker, janitor
waiting         keeps the control side's place while the database does not answer
sockets         listening sockets
wiring/         joins the packages: each port is filled here
stores          opens database, caches and sessions
redis_client    one Redis, several behind Sentinels, or a cluster
translate       the configuration's words as each package's settings
config/         config.yaml: read, checked as a whole, faults with line and column
control         the gateway's own pages, webhooks and health, behind a private socket
sessions        who is signed in
directory       clients by the names that tokens have for them
hearing         whether either may be believed unasked
last_known/     what is known of clients, kept for a start while Postgres is down
tasks           counts the tasks of every process
outages         counts what was decided without the facts
scrape          /metrics, and who may see it (metrics: what is counted)
health          alive, ready, and made of what
version         which Tollway this is
clock           the machine's time, or the sandbox's
embedded/       Postgres and Valkey as child processes that never outlive us
demo_parts      the sample apps and the sandbox as child processes
demo_secrets    the secrets of `tollway up`
observability   logs
errors          what stops a start, in one line
"""
