#!/usr/bin/env bash
# Page tests want a Chromium. Use the one that is there; as root on Debian, install it. Never a reason to fail:
# without one the page tests are skipped, and say so.
set -uo pipefail

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" > /dev/null; then
        exit 0
    fi
done
if [ -n "${MEDLEY_CHROMIUM:-}" ] && [ -x "${MEDLEY_CHROMIUM}" ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "Installing chromium for the page tests …"
    export DEBIAN_FRONTEND=noninteractive
    if timeout 300 apt-get install -y -qq --no-install-recommends chromium > /dev/null 2>&1 ||
        { timeout 120 apt-get update -qq > /dev/null 2>&1 &&
            timeout 300 apt-get install -y -qq --no-install-recommends chromium > /dev/null 2>&1; }; then
        exit 0
    fi
fi
echo "No Chromium: the page tests will be skipped (install chromium, or set MEDLEY_CHROMIUM to its path)."
exit 0
