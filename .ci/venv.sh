#!/usr/bin/env bash
# Make the virtual environment $1 with the first Python of version 3.11 or newer that can make one.
set -euo pipefail
venv=$1

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    exit 0
fi

found=""
for python in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python3.14 python; do
    command -v "$python" > /dev/null || continue
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue
    found=$python
    if "$python" -c 'import venv, ensurepip' 2> /dev/null; then
        echo "Making $venv with $("$python" --version) …"
        rm -rf "$venv"
        "$python" -m venv "$venv"
        exit 0
    fi
done

if [ -n "$found" ]; then
    echo "$("$found" --version) is here, but it cannot make virtual environments (no ensurepip)." >&2
    echo "On Debian and Ubuntu: apt-get install python3-venv. Or name another one: make PYTHON=/path/to/python3.11" >&2
else
    echo "Medley needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3.11" >&2
fi
exit 1
