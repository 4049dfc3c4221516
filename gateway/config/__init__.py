"""The configuration file: read, checked as a whole, and every fault told at once.

load          from a path to a Config, or to all its faults
source        YAML with the place of every key and value
syntax        what is not YAML, in plain words
scalars       what a bare word of YAML means
interpolate   `${NAME}`: values from the environment
values        the kinds of value: their form and what is said of a wrong one
redis_url     URLs of several Redis servers
section       what every part of the file has in common
schema        every key: type, unit, range, default
app_schema    the same for apps: servers, routes
billing_schema the same for what is sold, and how it is kept true
reflect       questions to the schema: what stands at a place, and is it secret
secrecy       secrets that stand in clear, and what no message may show
translate     the schema's objections in plain words, at their place
parts         what of a faulty file can be checked all the same
checks        what must fit together across sections
route_paths   the paths that a route can have
routes        what the routes of one app have to be
tls           what the files of certificates have to be
faults        a fault: place, line, caret, what to do
"""
