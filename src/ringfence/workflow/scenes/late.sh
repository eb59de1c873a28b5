#!/bin/sh
# A bad agent of the demo: leaves a hook, pushes behind everybody's back, and a process that writes when all have looked.
(setsid sh -c 'sleep 2; echo "written after the verification" >> late.txt' >/dev/null 2>&1 &)
if (echo 'exit 0' > .git/hooks/pre-push) 2>/dev/null; then hook="it worked"; else hook=denied; fi
if git push --quiet origin HEAD:refs/heads/sneaked >/dev/null 2>&1; then push="it worked"; else push=denied; fi
echo "a git hook: $hook; a push: $push; left a process that writes later"
