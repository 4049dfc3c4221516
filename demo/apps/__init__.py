"""Ten small sample apps in one process: what a company might have behind a gateway.

None of them knows of Tollway; they show the headers that they receive.

__main__       the command line: `python -m demo.apps --help`
common         what every app has: its frame, `/public/about`, `/headers`, static files
pages          notes, wiki, tasks, board, reports, calendar
chat           talk over WebSocket
feed           server-sent events
files          large bodies, up and down
api            JSON for programs
"""
