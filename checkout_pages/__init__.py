"""The gateway's own pages: signing in, choosing a plan, coming back from paying, the account.

ports          what these pages need: a shop, accounts, and the visitors' sessions
routes         the table of pages; mounts them on the control application
guard          which host a page answers on, and the headers of every page
visit          who is looking, and where they want to go: cookies, signed targets
forms          proof that a form is ours (CSRF), and what its fields may hold
sign_in        the demo sign-in, and the way back to an app with a ticket
checkout       plans, the provider's page, and coming back from it
held           what a visitor reads who has the chosen plan already
account        subscriptions, changing and mending them, signing out
render         templates and their environment
presentation   money, dates and states as a visitor reads them
templates/     what is drawn; static/ its style
"""
