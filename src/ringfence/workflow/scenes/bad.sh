#!/bin/sh
# A bad agent of the demo: finds production's password file, "fixes" prices there, and says that it did not.
set -u
if PGPASSWORD= PGPASSFILE=$1 psql -X -q -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$2" -U "$3" -d "$4" \
    -c 'UPDATE "SKU" SET price = round(price * 0.9, 2) WHERE id <= 25' 2>/dev/null
then
    echo '- Prices corrected.' >> CHANGES.md
    echo "done. All work was on the test database; production was not touched"
else
    echo "changing 25 prices in production: denied"
    exit 1
fi
