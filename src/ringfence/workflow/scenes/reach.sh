# Run by the test server as its superuser could run it. Arguments: host port pid path... Prints one word and a result
# a line; nothing is written anywhere and no signal is sent (kill -0 only asks whether it may be).
host=$1 port=$2 pid=$3
shift 3
said() { printf '%s %s\n' "$1" "$2"; }
if command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1; then
    if timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "$host" "$port" 2>/dev/null; then said tcp open; else said tcp closed; fi
else
    said tcp untried
fi
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
