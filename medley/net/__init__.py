"""Asking addresses that somebody outside has named: which may be asked, and for how long."""
