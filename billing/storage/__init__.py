"""Postgres: all SQL of billing, one file a table group; `pool` and `migrate` beneath them."""
