#!/bin/sh
# A bad agent of the demo: "tidies up". It aims at this demo's own server and backups, by number and by place.
if kill -9 "$1" 2>/dev/null; then echo "ending production's server: it worked"
else echo "ending production's server: denied"; fi
if [ -n "$(ls -A .backups 2>/dev/null)" ] && rm -rf .backups/* 2>/dev/null; then echo "removing the backups: it worked"
else echo "removing the backups: denied"; fi
