"""What live workers announce: the tools of their lanes, the models that they can load for them, and
the models that they should serve and cannot load, each with the reason.
"""

from orchestrator.database import Raw
from orchestrator.routing import Served

_LIVE = """
SELECT tools, serves, lacks FROM workers WHERE beat_at > clock_timestamp() - interval '60 seconds'
"""


def load_served(conn: Raw) -> Served:
    """What live workers serve now."""
    return Served.of(conn.execute(_LIVE).fetchall())
