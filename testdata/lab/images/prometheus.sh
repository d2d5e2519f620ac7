#!/bin/bash
# prometheus.sh OUT: Debian's prometheus out of its package, which isn't installed: that would start a daemon on this machine.
set -euo pipefail
cd "$1"
apt-get -q update || true # a site's index may be fresh enough
apt-get -q download prometheus
dpkg-deb -x prometheus_*.deb .
rm prometheus_*.deb
./usr/bin/prometheus --version
