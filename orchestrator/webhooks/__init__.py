"""Webhooks: telling other services what happens to jobs.

`endpoints`  where to tell, about what, and the secrets that sign
`message`    what is sent: body, headers, signature, and when to try again (pure)
`deliveries` the log of messages, as callers read it
`sender`     the thread that sends what is due

Messages are written by the database, in the transaction of their event (`60_webhooks.sql`).
"""
