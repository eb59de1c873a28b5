# Run by the test server as its superuser could run it. Arguments: "host/port ..." pid path... Prints one word and a
# result a line; nothing is written anywhere and no signal is sent (kill -0 only asks whether it may be).
doors=$1 pid=$2
shift 2
said() { printf '%s %s\n' "$1" "$2"; }
number=0
for door in $doors; do
    if ! command -v bash >/dev/null 2>&1 || ! command -v timeout >/dev/null 2>&1; then said "tcp$number" untried
    elif timeout 3 bash -c 'exec 3<>"/dev/tcp/$1"' probe "$door" 2>/dev/null; then said "tcp$number" open
    else said "tcp$number" closed; fi
    number=$((number + 1))
done
case $pid in
    0) said signal untried ;;
    *) if kill -0 "$pid" 2>/dev/null; then said signal allowed; else said signal refused; fi ;;
esac
for socket in /var/run/docker.sock /run/docker.sock /run/podman/podman.sock; do
    if [ -S "$socket" ] && [ -w "$socket" ]; then said docker "$socket"; fi
done
number=0
for path; do
    if [ -d "$path" ]; then
        if ls "$path" >/dev/null 2>&1; then said "file$number" readable; else said "file$number" refused; fi
    elif [ -e "$path" ]; then
        if head -c 1 "$path" >/dev/null 2>&1; then said "file$number" readable; else said "file$number" refused; fi
    else
        said "file$number" unseen
    fi
    number=$((number + 1))
done
